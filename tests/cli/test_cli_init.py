"""`connector init` and its sample."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from config import settings
from config.sections.section import Section
from connector.adapters import installed
from connector.adapters.odoo import OdooOptions
from connector.cli.sample import sample, toml
from tests.cli.shop import Shop, call


def test_the_file_is_private_loads_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "connector.toml"
    assert call("--config", str(path), "init").status == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = settings.load(path)
    assert loaded.b2brouter.environment == "simulator"
    assert loaded.sources["erp"].adapter == "odoo"

    path.write_text("mine = true\n")
    again = call("--config", str(path), "init")
    assert again.status == 2
    assert "exists already" in again.err
    assert path.read_text() == "mine = true\n"


def test_the_place_comes_from_the_environment_too(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.toml"
    told = call("init", "--json", env={"CONNECTOR_CONFIG": str(path)})
    assert told.json == {"file": str(path), "adapter": "odoo"}
    assert path.exists()


@pytest.mark.parametrize(("adapter", "wanted"), [("odoo", "the url of your ERP"), ("folder", "the folder of")])
def test_the_next_command_is_about_the_file_that_was_written(adapter: str, wanted: str, tmp_path: Path) -> None:
    path = tmp_path / "of the shop.toml"
    told = call("--config", str(path), "init", "--adapter", adapter).out
    assert f"Fill in {wanted}" in told
    assert f"see what works: connector --config '{path}' check\n" in told


def test_the_file_that_every_command_reads_is_not_named_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "see what works: connector check\n" in call("init").out


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    told = call("--config", str(tmp_path / "no" / "connector.toml"), "init")
    assert told.status == 1
    assert "cannot be written: No such file or directory" in told.err
    assert "Name another file with --config FILE" in told.err


def test_an_unknown_adapter_is_said(tmp_path: Path) -> None:
    told = call("--config", str(tmp_path / "c.toml"), "init", "--adapter", "odo")
    assert told.status == 2
    assert "did you mean odoo?" in told.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("adapter", [adapter.name for adapter in installed()])
def test_every_setting_stands_in_it_with_its_description(adapter: str) -> None:
    text = sample(adapter)
    flat = " ".join(line.removeprefix("# ") for line in text.splitlines())
    models: Sequence[type[BaseModel]] = Section.__subclasses__()
    assert models
    for model in models:
        for name, info in model.model_fields.items():
            if name not in {"options", "recipients"}:
                assert info.description is not None
                assert info.description in flat
                assert re.search(rf"^(# )?{info.alias or name} = ", text, re.MULTILINE)
    assert set(settings.Settings.model_fields) == {
        part.partition(".")[0] for part in re.findall(r"^\[([\w.]+)\]", text, re.MULTILINE)
    }


def test_what_stands_there_as_a_comment_is_the_default() -> None:
    text = sample("odoo")
    section = text[text.index("[sources.erp.options]") : text.index("[retry]")]
    values = tomllib.loads("\n".join(re.findall(r"^# (\w+ = .*)$", section, re.MULTILINE)))
    assert values.pop("api_key_file") == "/etc/connector/api_key"  # an example: there is no usual place
    assert OdooOptions.model_validate(values) == OdooOptions()


def test_the_sample_for_sql_reads_the_back_office_of_the_demo(shop: Shop) -> None:
    path = shop.folder / "sample.toml"
    assert shop.run("init", "--adapter", "sql", config=path).status == 0
    text = path.read_text(encoding="utf-8")
    text = text.replace("http://127.0.0.1:8790", shop.stage.simulator.base_url)
    text = text.replace("sqlite:///booking.db", f"sqlite:///{shop.stage.erp}")
    text = text.replace("sqlite:///connector.db", f"sqlite:///{shop.folder / 'sample.db'}")
    path.write_text(text, encoding="utf-8")
    checked = shop.run("check", "--json", config=path)
    assert checked.status == 0
    assert shop.run("preview", "--json", config=path).json["count"] > 0


def test_the_sample_as_it_is_gives_sensible_rows(tmp_path: Path) -> None:
    path = tmp_path / "connector.toml"
    call("--config", str(path), "init", "--adapter", "sql")
    told = call("--config", str(path), "check", "--json", env={"CONNECTOR_B2BROUTER__BASE_URL": "http://127.0.0.1:1"})
    failed = {row["name"] for row in told.json["checks"] if row["status"] == "failed"}
    assert told.status == 1
    assert failed == {"account main", "erp: query find"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (2.0, "2"),
        (0.5, "0.5"),
        (date(2026, 1, 1), "2026-01-01"),
        ({}, "{}"),
        ({"1": "main"}, '{ "1" = "main" }'),
        (SecretStr("x"), '"x"'),
        ('say "hi"', '"say \\"hi\\""'),
    ],
)
def test_values_in_toml(value: object, text: str) -> None:
    assert toml(value) == text
    tomllib.loads(f"a = {text}")
