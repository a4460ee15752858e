"""Fixtures of the end-to-end tests: everything is a process of its own, except the simulator's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from connector.simulator import SimulatorServer
from tests.e2e.erp import Erp
from tests.e2e.installation import Installation, ending
from tests.support.odoo import OdooDatabase

Installer = Callable[..., Installation]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole installations take longer than a test of a module, above all where the machine is busy."""
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture
def erp(odoo: OdooDatabase) -> Erp:
    """Each Odoo version in turn."""
    return Erp(odoo)


@pytest.fixture
def erp17(odoo17: OdooDatabase) -> Erp:
    return Erp(odoo17)


@pytest.fixture
def erp19(odoo19: OdooDatabase) -> Erp:
    return Erp(odoo19)


@pytest.fixture
def b2brouter() -> Iterator[SimulatorServer]:
    """A simulator of the test's own."""
    with SimulatorServer(seed=1) as server:
        yield server


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Installer]:
    """Make installations in the test's folder; their processes end with the test."""
    with ExitStack() as stack:

        def made(base_url: str, erp_url: str, **options: Any) -> Installation:
            return stack.enter_context(ending(Installation(tmp_path, base_url, erp_url, **options)))

        yield made
