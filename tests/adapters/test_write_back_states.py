"""The state of a document in columns of the ERP: in order of time, beside the reference, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.adapters.dolibarr import DolibarrAdapter
from connector.adapters.odoo import OdooAdapter
from connector.adapters.testing.sql import statements
from connector.adapters.tryton import TrytonAdapter
from connector.adapters.writeback.rules import fitting, stamp
from connector.domain.errors import UsageError, WriteBackRefusedError
from connector.ports import RecordsState
from tests.adapters.databases import execute, query

Adapter = OdooAdapter | DolibarrAdapter | TrytonAdapter
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER, EARLIER = NOON + timedelta(seconds=1), NOON - timedelta(seconds=1)
STATE = {"state_column": "b2b_state", "state_reason_column": "b2b_why", "state_changed_column": "b2b_when"}


@dataclass
class Site:
    url: str
    adapter: Adapter
    documents: str
    fields: str  # the table of our columns
    key: str
    owner: str  # column of the key in it

    def told(self) -> tuple[Any, Any, Any]:
        sql = f"SELECT b2b_state, b2b_why, b2b_when FROM {self.fields} WHERE {self.owner} = :key"
        (row,) = query(self.url, sql, key=int(self.key))
        return row["b2b_state"], row["b2b_why"], row["b2b_when"]


@pytest.fixture(
    params=[
        pytest.param("odoo", marks=pytest.mark.postgres),
        pytest.param("dolibarr", marks=pytest.mark.mariadb),
        pytest.param("tryton", marks=pytest.mark.postgres),
    ]
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    def add(table: str, *names: str) -> None:
        for name in names:
            execute(url, f"ALTER TABLE {table} ADD {name} VARCHAR(255)")

    adapter: Adapter
    if request.param == "odoo":
        url = request.getfixturevalue("odoo19").url
        add("account_move", *STATE.values())
        adapter = OdooAdapter.open("erp", url, STATE)
        yield Site(url, adapter, "account_move", "account_move", "1", "id")
    elif request.param == "dolibarr":
        url = request.getfixturevalue("own_dolibarr").url
        add("llx_facture_extrafields", *STATE.values())
        adapter = DolibarrAdapter.open("erp", url, STATE)
        yield Site(url, adapter, "llx_facture", "llx_facture_extrafields", "1", "fk_object")
    else:
        url = request.getfixturevalue("own_tryton").url
        add("account_invoice", "b2brouter_id", "b2brouter_xref", *STATE.values())
        adapter = TrytonAdapter.open("erp", url, {"write_back": "columns", **STATE})
        yield Site(url, adapter, "account_invoice", "account_invoice", "2", "id")
    adapter.close()


@pytest.fixture
def own_tryton(_tryton_templates: Any, tmp_path: Any) -> Iterator[Any]:
    from tests.conftest import _tryton

    yield from _tryton("postgresql", _tryton_templates, tmp_path)


def test_a_state_replaces_an_older_one_and_never_a_newer_one(site: Site) -> None:
    adapter = site.adapter
    assert isinstance(adapter, RecordsState)
    assert adapter.records_state()
    adapter.record(site.key, "4711", "b2brouter:sandbox:1:4711")

    adapter.record_state(site.key, "refused", "Wrong VAT\nnumber", NOON)
    adapter.record_state(site.key, "sent", None, EARLIER)
    assert site.told() == ("refused", "Wrong VAT number", stamp(NOON))
    adapter.record_state(site.key, "accepted", None, LATER)
    assert site.told() == ("accepted", None, stamp(LATER))


def test_nothing_else_of_the_erp_changes_and_discovery_is_not_woken(site: Site) -> None:
    site.adapter.record_state(site.key, "sent", None, NOON)  # Dolibarr's row of extra fields is there from now on
    documents = query(site.url, f"SELECT * FROM {site.documents} ORDER BY 1")
    fields = {row[site.owner]: row for row in query(site.url, f"SELECT * FROM {site.fields}")}
    heads = site.adapter.find(None, 1000, since=None, companies=None)

    site.adapter.record_state(site.key, "accepted", "x", LATER)

    changed = {row[site.owner]: row for row in query(site.url, f"SELECT * FROM {site.fields}")}
    key = int(site.key)
    ours = {*STATE.values(), "tms"}  # of the extra fields, not of the document
    assert {name for name, value in changed[key].items() if value != fields[key][name]} <= ours
    assert {k: v for k, v in changed.items() if k != key} == {k: v for k, v in fields.items() if k != key}
    if site.documents != site.fields:
        assert query(site.url, f"SELECT * FROM {site.documents} ORDER BY 1") == documents
    assert site.adapter.find(None, 1000, since=None, companies=None) == heads


def test_the_same_state_again_writes_nothing(site: Site) -> None:
    site.adapter.record_state(site.key, "sent", None, NOON)
    with statements() as seen:
        site.adapter.record_state(site.key, "sent", None, NOON)
    assert [statement for statement in seen if statement.startswith(("UPDATE", "INSERT"))] == []


def test_a_document_that_is_gone_is_refused(site: Site) -> None:
    with pytest.raises(WriteBackRefusedError):
        site.adapter.record_state("987654", "sent", None, NOON)


def test_the_check_up_names_a_column_that_is_missing(site: Site) -> None:
    execute(site.url, f"ALTER TABLE {site.fields} DROP b2b_when")
    row = site.adapter.check()[-1]
    assert row.message == f"There is no column {site.fields}.b2b_when."


@pytest.mark.postgres
def test_without_columns_for_it_the_state_stays_in_the_ledger(odoo19: Any) -> None:
    before = query(odoo19.url, "SELECT * FROM account_move ORDER BY id")
    for options in ({}, {"write_back": "none"}):
        adapter = OdooAdapter.open("erp", odoo19.url, options)
        assert not adapter.records_state()
        adapter.record_state("1", "sent", None, NOON)
        adapter.close()
    assert query(odoo19.url, "SELECT * FROM account_move ORDER BY id") == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state_column": "a"}, "need one another"),
        ({"state_reason_column": "a"}, "needs state_column"),
        ({"state_column": "A", "state_changed_column": "a"}, "named twice"),
        ({"state_column": "state", "state_changed_column": "b"}, "belongs to Odoo itself"),
    ],
)
def test_columns_that_make_no_sense_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        OdooAdapter.open("erp", "postgresql://nowhere/x", options)


def test_texts_fit_into_any_column() -> None:
    assert fitting("a \n b\t\U0001f9fe") == "a b �"
    assert len(fitting("x" * 1000)) == 250
