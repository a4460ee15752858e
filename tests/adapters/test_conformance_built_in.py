"""The built-in adapters pass the conformance suite on databases that their ERPs made."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.adapters.testing import AdapterConformance, ThrowAwaySource
from tests.adapters.throwaway import BookingSource, DolibarrSource, OdooSource, TrytonSource
from tests.support.dolibarr import DolibarrDatabase
from tests.support.odoo import OdooDatabase
from tests.support.tryton import TrytonDatabase


class BuiltIn(AdapterConformance):
    """All rules, of which one takes long on a server."""

    @pytest.mark.slow
    def test_many_rows_are_found_in_bounded_memory(self, source: ThrowAwaySource) -> None:
        super().test_many_rows_are_found_in_bounded_memory(source)


class TestOdoo19(BuiltIn):
    @pytest.fixture
    def source(self, odoo19: OdooDatabase) -> ThrowAwaySource:
        return OdooSource(odoo19)


@pytest.mark.slow
class TestOdoo17(BuiltIn):
    @pytest.fixture
    def source(self, odoo17: OdooDatabase) -> ThrowAwaySource:
        return OdooSource(odoo17)


class TestDolibarr(BuiltIn):
    @pytest.fixture
    def source(self, dolibarr: DolibarrDatabase) -> ThrowAwaySource:
        return DolibarrSource(dolibarr)


@pytest.mark.parametrize("tryton", ["sqlite"], indirect=True)
class TestTryton(BuiltIn):
    @pytest.fixture
    def source(self, tryton: TrytonDatabase) -> ThrowAwaySource:
        return TrytonSource(tryton)


@pytest.mark.slow
@pytest.mark.parametrize("tryton", ["postgresql"], indirect=True)
class TestTrytonOnPostgresql(BuiltIn):
    @pytest.fixture
    def source(self, tryton: TrytonDatabase) -> ThrowAwaySource:
        return TrytonSource(tryton)


class TestSql(BuiltIn):
    @pytest.fixture
    def source(self, tmp_path: Path) -> ThrowAwaySource:
        path = tmp_path / "booking.db"
        path.touch()
        return BookingSource(f"sqlite:///{path}")


@pytest.mark.slow
class TestSqlInMadrid(BuiltIn):
    @pytest.fixture
    def source(self, postgres_url: str) -> ThrowAwaySource:
        return BookingSource(postgres_url, timezone="Europe/Madrid")


@pytest.mark.slow
class TestSqlOnMariaDb(BuiltIn):
    @pytest.fixture
    def source(self, mariadb_url: str) -> ThrowAwaySource:
        return BookingSource(mariadb_url)
