"""Write-back through the ERPs' own APIs: the same rules, told in the same words, without a key in any of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.adapters.dolibarr import DolibarrAdapter
from connector.adapters.odoo import OdooAdapter
from connector.domain.errors import (
    SchemaChangedError,
    SourceNotPermittedError,
    SourceUnavailableError,
    UsageError,
    WriteBackRefusedError,
)
from connector.domain.invoice import Invoice
from connector.ports import RecordsState
from tests.adapters.databases import execute, query
from tests.support.dolibarr import DolibarrDatabase
from tests.support.erp_api import KEY, DolibarrApi, OdooApi, serving
from tests.support.odoo import OdooDatabase

AnyAdapter = OdooAdapter | DolibarrAdapter
XREF = "b2brouter:sandbox:1:4711"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ODOO_STATE = {
    "state_column": "x_b2b_status",
    "state_reason_column": "x_b2b_error",
    "state_changed_column": "x_b2b_changed",
}


@dataclass
class Site:
    """An ERP with its database and its API, and the adapter that uses both."""

    adapter: AnyAdapter
    api: OdooApi | DolibarrApi
    table: str  # where the fields are
    reference: str
    opened: Callable[..., AnyAdapter]

    def fields(self) -> list[dict[str, Any]]:
        return query(self.api.database, f"SELECT * FROM {self.table}")

    def written(self) -> tuple[Any, Any]:
        document = self.adapter.load(["1"])["1"]
        assert isinstance(document, Invoice)
        return document.reference, document.xref


@pytest.fixture(
    params=[
        pytest.param("json2", marks=pytest.mark.postgres),
        pytest.param("jsonrpc", marks=pytest.mark.postgres),
        pytest.param("dolibarr", marks=pytest.mark.mariadb),
    ]
)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "key").write_text(f"{KEY}\n")
    common = {"write_back": "api", "api_key_file": str(tmp_path / "key")}
    with ExitStack() as stack:
        api: OdooApi | DolibarrApi
        if request.param == "dolibarr":
            database: DolibarrDatabase = request.getfixturevalue("dolibarr")
            api, table, reference = DolibarrApi(database.url), "llx_facture_extrafields", "b2b_reference"
            address = stack.enter_context(serving(api)) + "/api/index.php"
            common |= {"api_url": address}
        else:
            odoo: OdooDatabase = request.getfixturevalue("odoo19")
            api, table, reference = OdooApi(odoo.url), "account_move", "x_b2b_reference"
            common |= {"api_url": stack.enter_context(serving(api))}
            if request.param == "jsonrpc":
                common |= {"api_user": "bot", "api_database": "erp"}

        def opened(**options: Any) -> AnyAdapter:
            kind = DolibarrAdapter if request.param == "dolibarr" else OdooAdapter
            adapter = kind.open(
                "erp", api.database, {k: v for k, v in {**common, **options}.items() if v is not None}
            )
            stack.callback(adapter.close)
            return adapter

        yield Site(opened(), api, table, reference, opened)


def test_both_values_are_written_by_one_call_and_read_again(site: Site) -> None:
    site.adapter.record("1", "4711", XREF)

    assert site.written() == ("4711", XREF)
    writes = [r for r in site.api.requests if r.method == "PUT" or "write" in f"{r.path} {r.body}".split("/")[-1]]
    assert len([r for r in writes if "4711" in str(r.body)]) == 1


def test_writing_the_same_again_calls_nothing_that_writes(site: Site) -> None:
    site.adapter.record("1", "4711", XREF)
    before = site.fields()
    site.adapter.record("1", "4711", XREF)
    assert site.fields() == before


def test_another_value_is_never_overwritten(site: Site) -> None:
    site.adapter.record("1", "4000", XREF)
    before = site.fields()
    with pytest.raises(WriteBackRefusedError, match="already has 4000"):
        site.adapter.record("1", "4711", XREF)
    assert site.fields() == before


@pytest.mark.parametrize("key", ["987654", "x"])
def test_a_document_that_is_gone_is_refused(site: Site, key: str) -> None:
    with pytest.raises(WriteBackRefusedError):
        site.adapter.record(key, "4711", XREF)


def test_the_check_up_tries_address_and_key(site: Site) -> None:
    row = site.adapter.check()[-1]
    assert (row.name, row.status) == ("write-back", "ok")
    assert "API" in row.message

    wrong = site.opened(api_key_file=None, api_key="wrong-key").check()[-1]
    assert (wrong.name, wrong.status) == ("write-back", "failed")
    assert "api_key" in wrong.action
    assert "wrong-key" not in f"{wrong.message}{wrong.action}"


def test_a_wrong_key_is_not_permitted_and_is_not_told(site: Site) -> None:
    adapter = site.opened(api_key_file=None, api_key="wrong-key")
    with pytest.raises(SourceNotPermittedError) as refused:
        adapter.record("1", "4711", XREF)
    assert "wrong-key" not in f"{refused.value.message}{refused.value.action}"


def test_an_erp_that_repeats_the_key_in_its_error_does_not_get_it_told(site: Site) -> None:
    said = f"in {KEY} something broke"
    site.api.error = (500, {"name": "builtins.Exception", "message": said, "error": {"message": said}})
    with pytest.raises(SourceUnavailableError) as failed:
        site.adapter.record("1", "4711", XREF)
    assert KEY not in failed.value.message


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (503, {}, SourceUnavailableError),
        (500, b"<html>", SourceUnavailableError),
        (429, {}, SourceUnavailableError),
        (403, {}, SourceNotPermittedError),
        (404, b"<html>", UsageError),
        (302, b"", UsageError),
        (200, b"<html>", SourceUnavailableError),
    ],
)
def test_answers_that_are_none_of_the_erps_say_what_is_wrong(
    site: Site, status: int, body: Any, error: type[Exception]
) -> None:
    site.api.error = (status, body)
    with pytest.raises(error):
        site.adapter.record("1", "4711", XREF)
    site.api.error = None
    site.adapter.record("1", "4711", XREF)
    assert site.written() == ("4711", XREF)


def test_an_api_that_is_not_there_is_tried_again_for_as_long_as_it_takes(site: Site) -> None:
    adapter = site.opened(api_url="http://127.0.0.1:9")
    with pytest.raises(SourceUnavailableError, match=r"127\.0\.0\.1:9") as failed:
        adapter.record("1", "4711", XREF)
    assert failed.value.down


@pytest.mark.parametrize(("status", "down"), [(502, True), (503, True), (504, True), (429, True), (500, False)])
def test_an_api_for_which_only_its_proxy_answers_is_down_but_one_that_broke_may_have_met_a_bad_document(
    site: Site, status: int, down: bool
) -> None:
    site.api.error = (status, b"<html>")
    with pytest.raises(SourceUnavailableError) as failed:
        site.adapter.record("1", "4711", XREF)
    assert failed.value.down is down


def test_a_certificate_that_nobody_vouches_for_stops_the_call_before_the_key_leaves(
    odoo19: OdooDatabase, tmp_path: Path
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    making += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(making, check=True, capture_output=True)
    api = OdooApi(odoo19.url)
    with serving(api, certificate=(certificate, key)) as url:
        adapter = OdooAdapter.open("erp", odoo19.url, {"write_back": "api", "api_url": url, "api_key": KEY})
        with pytest.raises(SourceUnavailableError, match=r"(?i)certificate"):
            adapter.record("1", "4711", XREF)
        adapter.close()
    assert url.startswith("https://")
    assert api.requests == []


def test_other_extra_fields_of_dolibarr_stay(dolibarr: DolibarrDatabase) -> None:
    api = DolibarrApi(dolibarr.url)
    execute(dolibarr.url, "INSERT INTO llx_facture_extrafields (fk_object, b2b_status) VALUES (1, 'theirs')")
    with serving(api) as url:
        options = {"write_back": "api", "api_url": url, "api_key": KEY}
        adapter = DolibarrAdapter.open("erp", dolibarr.url, options)
        adapter.record("1", "4711", XREF)
        adapter.close()
    rows = query(dolibarr.url, "SELECT b2b_reference, b2b_xref, b2b_status FROM llx_facture_extrafields")
    assert rows == [{"b2b_reference": "4711", "b2b_xref": XREF, "b2b_status": "theirs"}]


def test_a_document_of_another_company_of_dolibarr_is_written_as_that_company(dolibarr: DolibarrDatabase) -> None:
    execute(dolibarr.url, "UPDATE llx_facture SET entity = 3 WHERE rowid = 1")
    with serving(DolibarrApi(dolibarr.url)) as url:
        adapter = DolibarrAdapter.open("erp", dolibarr.url, {"write_back": "api", "api_url": url, "api_key": KEY})
        adapter.record("1", "4711", XREF)
        adapter.close()
    rows = query(dolibarr.url, "SELECT fk_object, b2b_reference, b2b_xref FROM llx_facture_extrafields")
    assert rows == [{"fk_object": 1, "b2b_reference": "4711", "b2b_xref": XREF}]


def test_odoo_writes_nothing_but_our_fields_and_its_own_stamps(odoo19: OdooDatabase) -> None:
    before = {row["id"]: row for row in query(odoo19.url, "SELECT * FROM account_move")}
    with serving(OdooApi(odoo19.url)) as url:
        adapter = OdooAdapter.open("erp", odoo19.url, {"write_back": "api", "api_url": url, "api_key": KEY})
        adapter.record("1", "4711", XREF)
        adapter.close()
    after = {row["id"]: row for row in query(odoo19.url, "SELECT * FROM account_move")}
    changed = {name for name, value in after.pop(1).items() if value != before[1][name]}
    before.pop(1)
    assert changed == {"x_b2b_reference", "x_b2b_xref", "write_uid", "write_date"}
    assert after == before


def test_a_field_that_odoo_lacks_is_named(odoo19: OdooDatabase) -> None:
    with serving(OdooApi(odoo19.url)) as url:
        options = {"write_back": "api", "api_url": url, "api_key": KEY, "reference_column": "x_none"}
        adapter = OdooAdapter.open("erp", odoo19.url, options)
        with pytest.raises(SchemaChangedError, match="x_none") as missing:
            adapter.record("1", "4711", XREF)
        adapter.close()
    assert "Settings, Technical, Fields" in missing.value.action


def test_what_odoos_rules_refuse_is_refused_in_odoos_words(odoo19: OdooDatabase) -> None:
    api = OdooApi(odoo19.url)
    api.error = (422, {"name": "odoo.exceptions.UserError", "message": "You cannot modify readonly fields."})
    with serving(api) as url:
        adapter = OdooAdapter.open("erp", odoo19.url, {"write_back": "api", "api_url": url, "api_key": KEY})
        with pytest.raises(WriteBackRefusedError, match="You cannot modify readonly fields"):
            adapter.record("1", "4711", XREF)
        adapter.close()


def test_the_state_goes_through_odoo_in_order_of_time(odoo19: OdooDatabase) -> None:
    execute(odoo19.url, "ALTER TABLE account_move ADD x_b2b_changed varchar")
    with serving(OdooApi(odoo19.url)) as url:
        options = {"write_back": "api", "api_url": url, "api_key": KEY, **ODOO_STATE}
        adapter = OdooAdapter.open("erp", odoo19.url, options)
        assert isinstance(adapter, RecordsState)
        adapter.record_state("1", "refused", "Wrong VAT number", NOON)
        adapter.record_state("1", "sent", None, NOON - timedelta(seconds=1))
        refused = query(odoo19.url, "SELECT x_b2b_status, x_b2b_error FROM account_move WHERE id = 1")
        adapter.record_state("1", "accepted", None, NOON + timedelta(seconds=1))
        accepted = query(odoo19.url, "SELECT x_b2b_status, x_b2b_error FROM account_move WHERE id = 1")
        adapter.close()
    assert refused == [{"x_b2b_status": "refused", "x_b2b_error": "Wrong VAT number"}]
    assert accepted == [{"x_b2b_status": "accepted", "x_b2b_error": None}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"write_back": "api", "api_key": KEY}, "needs api_url"),
        ({"write_back": "api", "api_url": "https://erp.example"}, "needs api_key or api_key_file"),
        ({"write_back": "api", "api_url": "erp.example", "api_key": KEY}, "api_url"),
    ],
)
@pytest.mark.parametrize("kind", [OdooAdapter, DolibarrAdapter])
def test_settings_that_lack_something_say_what(
    kind: type[OdooAdapter] | type[DolibarrAdapter], options: dict[str, Any], message: str
) -> None:
    url = "postgresql://nowhere/x" if kind is OdooAdapter else "mysql://nowhere/x"
    with pytest.raises(UsageError, match=message) as wrong:
        kind.open("erp", url, options)
    assert KEY not in wrong.value.message


def test_a_key_file_that_is_missing_or_empty_is_told(tmp_path: Path) -> None:
    options = {"write_back": "api", "api_url": "https://erp.example", "api_key_file": str(tmp_path / "key")}
    with pytest.raises(UsageError, match="cannot be read") as caught:
        OdooAdapter.open("erp", "postgresql://nowhere/x", options)
    assert "our user may read it" in caught.value.action
    (tmp_path / "key").write_text(" \n")
    with pytest.raises(UsageError, match="is empty"):
        OdooAdapter.open("erp", "postgresql://nowhere/x", options)
