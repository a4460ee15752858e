"""Adapters are found by entry point, and their options are read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from connector import adapters
from connector.adapters import adapter_class, installed
from connector.adapters.database import Database
from connector.adapters.odoo import OdooAdapter
from connector.adapters.sql import SqlAdapter
from connector.domain.errors import UsageError

ODOO_URL = "postgresql://erp:hunter2@nowhere.invalid/odoo"


@pytest.fixture(autouse=True)
def _entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = {
        "sql": "connector.adapters.sql:SqlAdapter",
        "odoo": "connector.adapters.odoo:OdooAdapter",
        "broken": "connector.adapters.no_such_module:Adapter",
    }
    points = [EntryPoint(name, target, adapters.GROUP) for name, target in targets.items()]
    monkeypatch.setattr(adapters, "entry_points", lambda *, group: points if group == adapters.GROUP else [])


def test_the_installed_adapters_are_listed_by_name_without_importing_them() -> None:
    assert [adapter.name for adapter in installed()] == ["broken", "odoo", "sql"]


def test_an_adapter_is_found_by_the_name_of_its_entry_point() -> None:
    found: list[object] = [adapter_class("odoo"), adapter_class("sql")]
    assert found == [OdooAdapter, SqlAdapter]


def test_an_unknown_adapter_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError) as refused:
        adapter_class("oddo")
    assert refused.value.message == "There is no adapter oddo; did you mean odoo?"


def test_a_name_like_no_other_is_refused_with_all_names() -> None:
    with pytest.raises(UsageError) as refused:
        adapter_class("xyz")
    assert refused.value.message == "There is no adapter xyz; known are: broken, odoo, sql."


def test_an_adapter_that_cannot_be_imported_is_a_matter_of_installation() -> None:
    with pytest.raises(UsageError) as refused:
        adapter_class("broken")
    assert "no_such_module" in refused.value.message


def test_building_an_adapter_connects_to_nothing() -> None:
    adapter_class("odoo").open("erp", ODOO_URL, {}).close()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"referense_column": "x_ref"},
            "Unknown key sources.erp.options.referense_column; did you mean reference_column?",
        ),
        (
            {"taxes": {"0% EU G": {"categorie": "K"}}},
            "Unknown key sources.erp.options.taxes.0% EU G.categorie; did you mean category?",
        ),
        (
            {"reference_column": "name"},
            "sources.erp.options: name belongs to Odoo itself; name a column made for this purpose.",
        ),
        (
            {"reference_column": "x_b2b_xref"},
            "sources.erp.options: x_b2b_xref is named twice; each value needs a column of its own.",
        ),
        (
            {"write_back": "maybe"},
            "sources.erp.options.write_back: Input should be 'columns', 'side_table', 'api' or 'none'.",
        ),
    ],
)
def test_a_wrong_option_is_named(options: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        OdooAdapter.open("erp", ODOO_URL, options)
    assert refused.value.message == sentence


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "hunter2",
        "postgresql://erp:hunter2@host:port/odoo",
        "nosuchdatabase://erp:hunter2@host/odoo",
        "mysql://erp:hunter2@host/odoo",
    ],
)
def test_a_wrong_url_is_refused_without_showing_it(url: str | None) -> None:
    with pytest.raises(UsageError) as refused:
        OdooAdapter.open("erp", url, {})
    assert "erp" in refused.value.message
    assert "hunter2" not in refused.value.message + refused.value.action


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://u:p@Db.example/erp", "postgresql://Db.example:5432/erp"),
        ("postgresql+psycopg://u:p@db:6000/erp?sslmode=require", "postgresql://db:6000/erp"),
        ("postgresql://u@/erp?host=/run/postgresql", "postgresql:///run/postgresql:5432/erp"),
        ("postgresql:///erp", "postgresql://localhost:5432/erp"),
    ],
)
def test_the_place_of_a_database_has_no_credentials(url: str, place: str) -> None:
    assert Database("erp", url).place == place
