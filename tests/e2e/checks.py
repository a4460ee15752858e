"""What must hold after whatever happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connector.simulator import SimulatorServer, audit
from tests.e2e.documents import HELD
from tests.e2e.erp import OURS, Erp
from tests.e2e.installation import Installation

Jobs = Mapping[str, Mapping[str, Any]]

_ZEROS: Final = ("duplicates", "duplicate_references", "double_sends", "duplicate_contacts")


def valid(erp: Erp) -> list[dict[str, Any]]:
    """The documents that are confirmed and have nothing wrong with them."""
    return [document for document in erp.sendable.values() if document["key"] not in HELD[erp.version]]


def reasons(erp: Erp, jobs: Jobs) -> dict[str, str]:
    """Name of the document -> why it does not go, of all that did not."""
    return {erp.sendable[key]["key"]: job["reason"] for key, job in jobs.items() if job["status"] != "done"}


def see_that_only_ours_changed(jobs: Jobs, before: Jobs, after: Jobs) -> None:
    """No column of the ERP's documents is another than before, but our two of those that were issued."""
    assert set(after) == set(before)
    for key, row in after.items():
        expected = {**before[key]}
        if key in jobs and jobs[key]["status"] == "done":
            job = jobs[key]
            account = {"main": "1", "fr": "2"}[job["account"]]
            assert job["xref"] == f"b2brouter:simulator:{account}:{job['reference']}"
            expected |= dict(zip(OURS, (job["reference"], job["xref"]), strict=True))
        assert row == expected, f"document {key}"


def see_that_the_audit_is_clean(server: SimulatorServer) -> None:
    """Nothing was made twice or sent twice."""
    found = audit(server.world)
    assert {name: found[name] for name in _ZEROS} == dict.fromkeys(_ZEROS, 0), found


def explained(it: Installation, jobs: Jobs) -> None:
    """Whatever does not go says why, and what would cure it."""
    for job in jobs.values():
        if job["status"] != "done":
            record = it.run("explain", str(job["id"])).record
            assert record["reason"], record
            assert record["message"], record
            assert record["action"], record
            assert record["events"], record
