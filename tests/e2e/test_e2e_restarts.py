"""Acceptance: a rolling restart under load loses and doubles nothing, while B2Brouter fails one request in twenty.

Everything is a process of its own, the simulator too. Judge is the audit of tests/torture, which shares no code with
the product: the simulator's documents and journal against the ERP's tables and the ledger's.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.e2e.conftest import Installer
from tests.e2e.installation import Installation, until
from tests.support.ports import own_port
from tests.support.services import PostgresServer
from tests.torture import audit
from tests.torture.erp import EXAMPLES, Books, Document, Erp, make_books
from tests.torture.remote import Remote

FAULTS = ("--drop-after", "0.02", "--drop-before", "0.01", "--error-503", "0.02")

BOOKING = (EXAMPLES / "booking.toml").read_text(encoding="utf-8").partition("[sources.booking.options]")[2]


class Office:
    """An ERP whose people go on confirming, and a B2Brouter in a process of its own."""

    def __init__(self, erp: Erp, books: Books, remote: Remote) -> None:
        self.erp, self.books, self.remote = erp, books, remote
        self._left: list[Document] = list(books.documents)

    def confirm(self, share: float) -> None:
        """Confirm so much of all that there will be."""
        count = round(share * len(self.books.documents))
        self.erp.confirm(self._left[:count])
        del self._left[:count]

    def work_goes_on(self) -> None:
        target = self.remote.writes_seen() + 5
        until(lambda: self.remote.writes_seen() >= target, within=60, what="the work stands still")

    def findings(self, it: Installation) -> list[audit.Finding]:
        """All that is not as it must be."""
        evidence = audit.Evidence(
            documents=self.remote.call("GET", "/documents", seconds=60),
            journal=self.remote.call("GET", "/journal?limit=500000", seconds=60)["entries"],
            erp=self.erp.rows(),
            ledger_url=it.ledger_url,
            books=self.books,
            guard=True,
            pauses=[],
        )
        return audit.examine(evidence)


@pytest.mark.parametrize(
    ("broker", "schedulers", "workers", "invoices"),
    [
        pytest.param("redis", 1, 2, 40, id="small"),
        pytest.param("redis", 2, 4, 400, marks=pytest.mark.slow, id="redis"),
        pytest.param("rabbitmq", 2, 4, 400, marks=pytest.mark.slow, id="rabbitmq"),
    ],
)
def test_all_are_restarted_one_by_one_and_then_a_worker_and_a_scheduler_are_killed(
    install: Installer,
    postgres_server: PostgresServer,
    postgres_url: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    broker: str,
    schedulers: int,
    workers: int,
    invoices: int,
) -> None:
    remote = Remote(own_port())
    broker_url: str = request.getfixturevalue(f"{broker}_url")
    with postgres_server.database() as erp_url:
        office = Office(Erp(erp_url), make_books(Random(invoices), first=1, count=invoices), remote)
        office.erp.install(office.books)
        it = install(
            remote.url, erp_url, ledger_url=postgres_url, broker_url=broker_url, adapter="sql", options=BOOKING,
            threads=2, timeout=2, quiet_time=4, lease=6,
        )  # fmt: skip
        it.start("simulator", "--port", remote.url.rpartition(":")[2], "--quiet", "--latency", "0.05", *FAULTS)
        until(remote.answers, within=30, what="the simulator does not answer")
        assert it.run("db", "upgrade").status == 0

        posts = [*(("scheduler", n) for n in range(schedulers)), *(("worker", n) for n in range(workers))]
        crew = {(role, n): it.start(role, name=f"{role}-{n}-old") for role, n in posts}
        for role, n in posts:
            office.confirm(0.12)
            office.work_goes_on()
            old = crew[role, n]
            assert old.running, old.said
            old.stop()
            crew[role, n] = it.start(role, name=f"{role}-{n}-new")
        for role, n in (("worker", workers - 1), ("scheduler", schedulers - 1)):
            office.confirm(0.12)
            office.work_goes_on()
            crew[role, n].kill()
            crew[role, n] = it.start(role, name=f"{role}-{n}-last")
        assert it.counts()["pending"] > 0  # it was under load all the while
        office.confirm(1)

        until(lambda: it.at_rest(invoices), within=250, every=0.3, what="never at rest")
        for process in crew.values():
            process.stop()
            assert "Traceback" not in process.said
        assert it.leased() == []
        assert office.findings(it) == []
