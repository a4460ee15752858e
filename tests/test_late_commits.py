"""A row that is committed late, with an older time, is found: by real transactions on a database that Odoo made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from connector.adapters.odoo import OdooAdapter
from connector.discovery import Discovery, Source
from connector.ledger import Ledger
from tests.adapters.databases import execute, meanwhile, query
from tests.support.clock import FakeClock
from tests.support.ledgers import jobs
from tests.support.odoo import OdooDatabase
from tests.support.services import connect_postgres

pytestmark = pytest.mark.postgres

OVERLAP, SWEEP_EVERY = 600, 3600
POST = "UPDATE account_move SET state = 'posted', write_date = %s WHERE id = %s"


@dataclass
class Scene:
    url: str
    ledger: Ledger
    clock: FakeClock
    source: Source
    drafts: list[int]

    def look(self) -> int:
        discovery = Discovery(self.ledger, clock=self.clock, overlap=OVERLAP, sweep_every=SWEEP_EVERY)
        return discovery.discover(self.source)

    def found(self, draft: int) -> bool:
        return str(draft) in {job.key for job in jobs(self.ledger)}


@pytest.fixture
def scene(odoo19: OdooDatabase, embedded_url: str) -> Iterator[Scene]:
    clock = FakeClock()
    clock.advance(
        (datetime.now(UTC) + timedelta(days=730) - clock.now()).total_seconds()
    )  # no stamp is of the future
    ledger = Ledger(embedded_url, clock=clock)
    adapter = OdooAdapter.open("erp", odoo19.url, {"lock_timeout": 0.2})
    source = Source(name="erp", adapter=adapter, since=None, companies=None, account_of=lambda _: "main")
    ids = query(
        odoo19.url, "SELECT id FROM account_move WHERE state = 'posted' AND move_type = 'out_invoice' LIMIT 2"
    )
    drafts = [row["id"] for row in ids]
    execute(odoo19.url, "UPDATE account_move SET state = 'draft' WHERE id = ANY(:ids)", ids=drafts)
    yield Scene(odoo19.url, ledger, clock, source, drafts)
    adapter.close()
    ledger.close()


def newest(url: str) -> datetime:
    moment: datetime = query(url, "SELECT MAX(write_date) AS at FROM account_move")[0]["at"]
    return moment


def test_a_late_commit_is_found_within_one_sweep(scene: Scene) -> None:
    slow_id, quick_id = scene.drafts
    before = newest(scene.url)
    with connect_postgres(scene.url) as slow, connect_postgres(scene.url) as quick:
        with slow.transaction():
            slow.execute(POST, (before.replace(microsecond=1), slow_id))
            with quick.transaction():
                quick.execute(POST, (before.replace(year=before.year + 1), quick_id))
            scene.look()
            assert (scene.found(slow_id), scene.found(quick_id)) == (False, True)
        # Committed now, with a time that discovery passed long ago: outside the overlap, too.
        scene.look()
        assert not scene.found(slow_id)
        scene.clock.advance(SWEEP_EVERY)
        assert scene.look() == 1
    assert scene.found(slow_id)


def test_a_transaction_that_ends_a_little_late_is_found_at_once(scene: Scene) -> None:
    slow_id, quick_id = scene.drafts
    now = datetime.now(UTC).replace(tzinfo=None)
    with connect_postgres(scene.url) as slow, connect_postgres(scene.url) as quick:
        with slow.transaction():
            slow.execute(POST, (now.replace(microsecond=0), slow_id))
            quick.execute(POST, (now.replace(microsecond=999_999), quick_id))
            scene.look()
            assert (scene.found(slow_id), scene.found(quick_id)) == (False, True)
        assert scene.look() == 1
    assert scene.found(slow_id)


def test_what_changes_while_pages_are_read_is_neither_lost_nor_repeated(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.discovery.PAGE", 5)
    first = scene.source.adapter.find(None, 1, since=None, companies=None)[0]

    def touch() -> None:
        execute(scene.url, f"UPDATE account_move SET write_date = '2100-01-01' WHERE id = {first.key}")

    with meanwhile("INTO job", touch):  # after the first page was read
        scene.look()

    posted = query(
        scene.url, "SELECT id FROM account_move WHERE state = 'posted' AND move_type IN ('out_invoice', 'out_refund')"
    )
    assert sorted(job.key for job in jobs(scene.ledger)) == sorted(str(row["id"]) for row in posted)


def test_reading_waits_for_no_user_and_keeps_none_waiting(scene: Scene) -> None:
    with connect_postgres(scene.url) as user, user.transaction():
        user.execute("SELECT 1 FROM account_move WHERE state = 'posted' FOR UPDATE")
        assert scene.look() > 0  # with a lock time-out of 0.2 s

    adapter = scene.source.adapter
    assert isinstance(adapter, OdooAdapter)
    with adapter._database.reading() as connection:
        connection.exec_driver_sql("SELECT COUNT(*) FROM account_move, res_partner")
        held = connection.exec_driver_sql(
            "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IS NOT NULL"
        ).scalars()
        assert set(held) == {"AccessShareLock"}
        with connect_postgres(scene.url) as user:
            user.execute("SET lock_timeout = '200ms'")
            user.execute("UPDATE account_move SET ref = 'edited' WHERE id = 1")
        limits = connection.exec_driver_sql(
            "SELECT current_setting('transaction_read_only'), current_setting('statement_timeout')"
        ).one()
    assert tuple(limits) == ("on", "1min")
