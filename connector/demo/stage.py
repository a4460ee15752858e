"""The stage of the demo: a folder with ERP, configuration and ledger, and a B2Brouter that misbehaves on cue."""

from __future__ import annotations

from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from connector.cli.init import write_private
from connector.cli.sample import toml
from connector.demo.cases import CASES, SINCE_DAYS
from connector.demo.erp import build, cure
from connector.simulator import FaultKind, SimulatorServer, audit, plant

HAND_MADE = "B-0109"
LOST_ANSWER = "B-0110"
UNWELL = "B-0111"
DEFAULT_ADDRESS = "http://127.0.0.1:8790"


class Stage:
    """Everything that the demo needs, in one folder."""

    def __init__(self, folder: Path, *, today: date) -> None:
        """Build the ERP and start the simulator.

        Args:
            folder: empty.
            today: documents are dated before it.
        """
        self.folder = folder
        self.erp = folder / "erp.db"
        self.config = folder / "connector.toml"
        self.state = folder / "simulator.db"
        self._today = today
        build(self.erp, today=today)
        self.simulator = SimulatorServer(state_file=self.state)

    def __enter__(self) -> Stage:
        self.simulator.start()
        self._seed()
        self._misbehave()
        write_private(self.config, self.configuration(self.simulator.base_url, quick=True))
        return self

    def __exit__(self, *_: object) -> None:
        self.simulator.stop()

    def configuration(self, address: str, *, quick: bool) -> str:
        """Return the configuration file.

        Args:
            address: of the simulator.
            quick: with time-outs so short that the demo ends in seconds.
        """
        options = resources.files("connector.cli").joinpath("samples", "sql.toml").read_text(encoding="utf-8")
        since = self._today - timedelta(days=SINCE_DAYS)
        pace = "timeout = 2\nquiet_time = 2.4" if quick else "timeout = 10\nquiet_time = 20"
        looks = "\n[scheduler]\ndiscover_every = 1\n" if quick else ""
        return f"""\
[b2brouter]
environment = "simulator"
base_url = {toml(address)}
{pace}

[accounts.spain]
account_id = "1"
api_key = "test_key"

[accounts.france]
account_id = "2"
api_key = "test_key"

[ledger]
url = {toml(f"sqlite:///{self.folder / 'connector.db'}")}

[retry]
base = 0.1
{looks}
[sources.booking]
adapter = "sql"
url = {toml(f"sqlite:///{self.erp}")}
accounts = {{ "1" = "spain", "2" = "france" }}
since = {since.isoformat()}

[sources.booking.options]
{options}"""

    def cure(self) -> None:
        """Do what people would: correct the ERP, and the setting of the account at B2Brouter."""
        cure(self.erp)
        plant(self.simulator.world, {"accounts": [{"id": 1, "apply_taxes_per_line": True}]})

    @property
    def nothing_twice(self) -> bool:
        """Whether B2Brouter has nothing that was made or sent twice."""
        found = audit(self.simulator.world)
        return not any(found[name] for name in ("duplicates", "double_sends", "duplicate_contacts"))

    def keep(self) -> None:
        """Leave a configuration behind that fits a simulator started anew, at its usual address."""
        self.config.unlink()
        write_private(self.config, self.configuration(DEFAULT_ADDRESS, quick=False))

    def _seed(self) -> None:
        """One of the invoices was typed in at B2Brouter by hand, and sent."""
        case = next(case for case in CASES if case.number == HAND_MADE)
        contact: dict[str, Any] = {
            "name": "Editorial Faro Norte, S.A.",
            "country": "es",
            "tin_scheme": "9920",
            "tin_value": "ESA58818501",
            "is_client": True,
        }
        lines = [
            {
                "description": line.description,
                "quantity": str(line.quantity),
                "price": str(line.rate),
                "taxes_attributes": [{"name": "IVA", "category": "S", "percent": 21}],
            }
            for line in case.lines
        ]
        world = self.simulator.world
        contact_id = plant(world, {"contacts": [{"account": 1, **contact}]})["contacts"][0]
        issued = (self._today - timedelta(days=case.days_ago)).isoformat()
        invoice = {"account": 1, "contact_id": contact_id, "number": HAND_MADE, "date": issued, "state": "sent"}
        plant(world, {"invoices": [{**invoice, "invoice_lines_attributes": lines}]})

    def _misbehave(self) -> None:
        faults = self.simulator.world.faults
        faults.add(FaultKind.DROP_AFTER, operation="create_invoice", number=LOST_ANSWER)
        faults.add(FaultKind.UNAVAILABLE_BEFORE, operation="create_invoice", number=UNWELL, times=2)
