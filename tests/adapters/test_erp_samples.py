"""Every sample document of databases that ERPs made: mapped without guessing, equal to the cent or explained.

The databases in tests/data are reduced copies. With the complete ones in a folder that ERP_SAMPLES names, laid out as
`odoo19/dump.sql.gz`, `tryton/dump.sqlite.sql.gz` and the like, `pytest -m slow` says the same of those.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from connector.adapters import adapter_class
from connector.b2brouter.payloads import sheet
from connector.domain import catalogue
from connector.domain.comparison import compare_totals
from connector.domain.fitting import fitting
from connector.domain.invoice import Invoice, TaxKind
from connector.domain.rounding import Method, Way, compute, explain
from connector.ports import Adapter
from connector.validation import judge
from tests.support import dolibarr as dolibarr_data
from tests.support import services
from tests.support.dolibarr import DolibarrDatabase
from tests.support.odoo import OdooDatabase
from tests.support.simulated import simulated
from tests.support.tryton import TrytonDatabase, fill_sqlite

NOW: Final = datetime(2027, 6, 1, tzinfo=UTC)
VERSIONS: Final = ("2026-03-02", "2026-04-20")
DEFAULT: Final = Way()

Truth = Iterable[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is to become of one ERP's samples."""

    held: Mapping[str, str]  # by the scenario's name of the document: the reason
    apart: Mapping[str, str] = field(default_factory=dict)  # whose totals no setting gives: the line that carries it
    recommended: Way = DEFAULT


_ALWAYS: Final = {"INV11": "buyer_identifier_missing", "CN06": "buyer_identifier_missing"}
ODOO17: Final = Outcome(held={**_ALWAYS, "INV09": "vat_number_wrong", "INV29": "tax_missing"})
ODOO19: Final = Outcome(held=ODOO17.held, apart={"INV17": "1 (Redondeo A)"})
TRYTON: Final = Outcome(
    held={
        **_ALWAYS,
        "INV09": "buyer_identifier_missing",  # Tryton does not store a tax number that is wrong
        "INV14": "exemption_reason_missing",  # its chart has one tax for all exemptions
        "INV16": "exemption_reason_missing",
        "INV29": "tax_missing",
    },
    apart={"INV17": "3 (Redondeo C)"},
    recommended=Way(method=Method.BANKERS),
)
DOLIBARR: Final = Outcome(
    held={**_ALWAYS, "INV09": "vat_number_wrong", "INV29": "tax_unmapped"},
    apart={"INV17": "3 (Redondeo C)", "CN02": "1 (Chapa galvanizada 2 mm (abono parcial))"},
)


def test_odoo(still_odoo: OdooDatabase) -> None:
    with opened("odoo", still_odoo.url) as adapter:
        see(adapter, still_odoo.expected["invoices"], ODOO17 if still_odoo.version == "17" else ODOO19)


def test_tryton(still_tryton: TrytonDatabase) -> None:
    with opened("tryton", still_tryton.url) as adapter:
        see(adapter, still_tryton.expected["invoices"], TRYTON)


def test_dolibarr(dolibarr: DolibarrDatabase) -> None:
    with opened("dolibarr", dolibarr.url) as adapter:
        see(adapter, dolibarr.invoices, DOLIBARR)


# ---------------------------------------------------------------- what is seen


@contextmanager
def opened(kind: str, url: str) -> Iterator[Adapter]:
    adapter = adapter_class(kind).open("erp", url, {})
    yield adapter
    adapter.close()


def see(adapter: Adapter, truth: Truth, outcome: Outcome) -> None:
    """Judge and calculate every document that a connector should pick up."""
    names = {str(one["id"]): one["key"] for one in truth if one["sendable"]}
    totals = {str(one["id"]): abs(Decimal(one["total"])) for one in truth}
    found = adapter.find(None, 1000, since=None, companies=None)
    assert {head.key for head in found} == set(names)
    loaded = adapter.load(list(names))
    documents = [document for document in loaded.values() if isinstance(document, Invoice)]
    assert len(documents) == len(names)
    assert all(document.totals.payable == totals[document.key] for document in documents)
    nothing_is_guessed(documents, names, outcome)
    for company in {document.company for document in documents}:
        totals_come_out([one for one in documents if one.company == company], names, outcome)


def nothing_is_guessed(documents: Iterable[Invoice], names: Mapping[str, str], outcome: Outcome) -> None:
    """What is not clear is held for one reason; all else has a category on every line and every total."""
    held = {}
    for document in documents:
        blocks = judge(document, now=NOW).blocks
        if blocks:
            [held[names[document.key]]] = {problem.reason for problem in blocks}
            continue
        charged = [tax for line in document.lines for tax in line.taxes] + [one.tax for one in document.tax_totals]
        assert all(tax.category for tax in charged if tax.kind is TaxKind.VAT)
    assert held == outcome.held


def totals_come_out(documents: list[Invoice], names: Mapping[str, str], outcome: Outcome) -> None:
    """Under the settings that the check-up recommends, the server gives the ERP's totals, or we say what is apart."""
    apart = {}
    for version in VERSIONS:
        found = fitting(documents, lambda document: sheet(document, api_version=version), DEFAULT)  # noqa: B023
        assert found.unusable == 0
        way = found.best.way
        if len(documents) > len(outcome.held):
            assert way == outcome.recommended
        for document in documents:
            told = sheet(document, api_version=version)
            sums = compute(told, way)
            [there] = simulated(document, version, way)
            assert (sums.subtotal, sums.total) == (there.subtotal, there.total)
            assert [amount for _, _, amount in sums.taxes] == [row.amount for row in there.taxes]
            if compare_totals(document, sums.figures()):
                facts = explain(document, told, way).facts()
                is_told(facts, way)
                apart[names[document.key]] = facts["line"]
    ours = {names[document.key] for document in documents}
    assert apart == {name: line for name, line in outcome.apart.items() if name in ours}


def is_told(facts: Mapping[str, str], way: Way) -> None:
    """The sentence names the line, the cure the setting, or that none would help, in every language."""
    reason = catalogue.reason("totals_differ")
    for language in catalogue.LANGUAGES:
        sentence = reason.message({"differences": "total", **facts}, language)
        assert facts["line"] in sentence
        assert all(f"{name} = {value}" in sentence for name, value in way.settings.items())
        none = catalogue.translated("change", facts["change"], language)
        assert none in reason.advice(facts, language)
        assert language == "en" or none != facts["change"]


# ---------------------------------------------------------------- the complete databases

SAMPLES: Final = os.environ.get("ERP_SAMPLES", "")
complete: Final = [
    pytest.mark.slow,
    pytest.mark.skipif(not SAMPLES, reason="ERP_SAMPLES names no folder with the complete databases"),
]


def truth_of(path: str) -> Truth:
    invoices: Truth = json.loads((Path(SAMPLES) / path).read_text(encoding="utf-8"))["invoices"]
    return invoices


class TestComplete:
    pytestmark = complete

    @pytest.mark.parametrize(("folder", "outcome"), [("odoo17", ODOO17), ("odoo19", ODOO19)])
    def test_odoo(self, folder: str, outcome: Outcome, postgres_url: str) -> None:
        services.load_dump(postgres_url, Path(SAMPLES) / folder / "dump.sql.gz")
        with opened("odoo", postgres_url) as adapter:
            see(adapter, truth_of(f"{folder}/expected.json"), outcome)

    def test_tryton_in_postgresql(self, postgres_url: str) -> None:
        services.load_dump(postgres_url, Path(SAMPLES) / "tryton/dump.postgresql.sql.gz")
        with opened("tryton", postgres_url) as adapter:
            see(adapter, truth_of("tryton/expected.postgresql.json"), TRYTON)

    def test_tryton_in_sqlite(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'tryton.db'}"
        fill_sqlite(url, Path(SAMPLES) / "tryton/dump.sqlite.sql.gz")
        with opened("tryton", url) as adapter:
            see(adapter, truth_of("tryton/expected.sqlite.json"), TRYTON)

    def test_dolibarr(self, mariadb_url: str) -> None:
        dolibarr_data.load(mariadb_url, Path(SAMPLES) / "dolibarr/dump.mariadb.sql.gz")
        with opened("dolibarr", mariadb_url) as adapter:
            truth = [one for one in truth_of("dolibarr/expected.json") if one["table"] == "llx_facture"]
            see(adapter, truth, DOLIBARR)
