"""`connector check` on the databases that Odoo made: company 1 rounds VAT globally, company 2 line by line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector.simulator import SimulatorServer
from tests.cli.shop import call
from tests.support.clock import FakeClock
from tests.support.house import emptied
from tests.support.odoo import OdooDatabase

pytestmark = pytest.mark.postgres

CONFIG = """
[b2brouter]
environment = "simulator"
base_url = "{base_url}"
[accounts.spain]
account_id = "1"
api_key = "test_key"
[accounts.france]
account_id = "2"
api_key = "test_key"
[ledger]
url = "sqlite:///{folder}/connector.db"
[sources.erp]
adapter = "odoo"
url = "{url}"
accounts = {{ "1" = "spain", "2" = "france" }}
[sources.erp.options]
write_back = "none"
"""


def checks(folder: Path, simulator: SimulatorServer, odoo: OdooDatabase) -> dict[str, dict[str, Any]]:
    config = folder / "connector.toml"
    config.write_text(CONFIG.format(base_url=simulator.base_url, folder=folder, url=odoo.url), encoding="utf-8")
    done = call("--config", str(config), "check", "--json")
    return {row["name"]: row for row in done.json["checks"]}


def test_whose_company_it_is_and_how_it_calculates(
    tmp_path: Path, simulator: SimulatorServer, still_odoo: OdooDatabase
) -> None:
    emptied(simulator, FakeClock())
    simulator.world.accounts[1].rounding_method = "truncate"

    told = checks(tmp_path, simulator, still_odoo)

    assert told["account spain: company"]["status"] == "ok"
    assert told["account france: company"]["status"] == "ok"
    spain = told["account spain: calculation"]
    assert spain["status"] == "warning"
    assert "rounding_method is truncate and should be half_up" in spain["message"]
    assert "apply_taxes_per_line" not in spain["action"]
    transports = told["account spain: transports"]
    assert transports["status"] == "warning"
    assert all(code in transports["action"] for code in ("es.face", "fr.chorus", "it.sdi"))
