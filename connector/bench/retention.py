"""What a ledger of many invoices weighs in PostgreSQL, what erasing the old ones takes, and what it leaves of them.

Whatever is asked of a ledger is asked before and after. One invoice of ten has a timeline, for it weighs the same for
each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import URL, text

from connector.bench import ledgers
from connector.bench.discovery import Rooms
from connector.bench.frame import Cost, Machine, Row, in_a_process, timed
from connector.bench.ledger import asked
from connector.ledger import Ledger

_TOLD: Final = 10
_YEAR: Final = timedelta(days=365)

_SIZES: Final = """
    SELECT relname, pg_table_size(oid) AS rows, pg_indexes_size(oid) AS indexes FROM pg_class
    WHERE relname IN ('job', 'event')
"""
_JOB: Final = "SELECT avg(pg_column_size(job.*)) FROM job WHERE {old}"
_TIMELINE: Final = """
    SELECT sum(pg_column_size(event.*)) / count(DISTINCT job_id) FROM event
    WHERE job_id IN (SELECT id FROM job WHERE {old})
"""
_OLD: Final = "status = 'done' AND reason IS NULL AND sent_at < :before"


@dataclass(frozen=True, slots=True)
class Weight:
    """What one invoice weighs on the average, in bytes, without indexes."""

    job: float
    timeline: float


@dataclass(frozen=True, slots=True)
class Size:
    """What a table takes of the disk, in bytes."""

    rows: int
    indexes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The result."""

    jobs: int
    sizes: Mapping[str, Size]  # by table, before anything is erased
    before: Weight
    after: Weight
    erasing: Row
    asked_before: Sequence[Cost]
    asked_after: Sequence[Cost]
    machine: Machine = field(default_factory=Machine.this)

    def record(self) -> Mapping[str, Any]:
        """Return it for machines."""
        return {
            "benchmark": "retention on PostgreSQL",
            "jobs": self.jobs,
            "sizes": {name: asdict(size) for name, size in self.sizes.items()},
            "before": asdict(self.before),
            "after": asdict(self.after),
            "erasing": self.erasing.record(),
            "asked_before": [cost.record() for cost in self.asked_before],
            "asked_after": [cost.record() for cost in self.asked_after],
            "machine": asdict(self.machine),
        }


def measure(count: int, erased: int, times: int, *, postgres: URL | None) -> Iterator[Retention]:
    """Fill a ledger where there is a server, ask, erase about so many of its oldest invoices, ask again."""
    if postgres is not None:
        yield _measured(count, erased, times, postgres)


def _measured(count: int, erased: int, times: int, server: URL) -> Retention:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="connector-bench-")))
        url = stack.enter_context(Rooms(folder, server).room("ledger"))
        ledger = Ledger(url)
        ledgers.fill(ledger, count, told=_TOLD)
        ledger.close()
        return in_a_process(run, url, count, erased, times)


def run(url: str, count: int, erased: int, times: int) -> Retention:
    """Do all of it with a ledger that is filled; in a process of its own."""
    ledger = Ledger(url)
    before = ledger.database.clock.now() - _YEAR * (1 - erased / count)
    asked_before = [Cost.of([one]) for one in asked(url, times)]
    sizes, weight = _sizes(ledger), _weight(ledger, before)
    with timed(0) as span:
        span.items = ledger.erasure.erase(before, who="bench", note="measured").jobs
    with ledger.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    result = Retention(
        jobs=count,
        sizes=sizes,
        before=weight,
        after=_weight(ledger, before),
        erasing=Row.of("erasing", [span]),
        asked_before=asked_before,
        asked_after=[Cost.of([one]) for one in asked(url, times)],
    )
    ledger.close()
    return result


def _sizes(ledger: Ledger) -> dict[str, Size]:
    with ledger.database.read() as connection:
        return {row.relname: Size(row.rows, row.indexes) for row in connection.execute(text(_SIZES))}


def _weight(ledger: Ledger, before: Any) -> Weight:
    """Return what those weigh that were sent before an instant."""
    with ledger.database.read() as connection:
        job, timeline = (
            float(connection.execute(text(query.format(old=_OLD)), {"before": before}).scalar_one())
            for query in (_JOB, _TIMELINE)
        )
    return Weight(job=round(job, 1), timeline=round(timeline, 1))
