"""What is asked of a ledger while something is done: how long the answers took, and how they are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Lock
from time import perf_counter, process_time
from typing import Any, Final

from sqlalchemy import Engine, event

from connector.bench.frame import Taken
from connector.ledger.database import Database

_PLANNED: Final = ("SELECT", "UPDATE", "WITH")


class Watched:
    """Seconds that an engine's statements have taken so far, all threads together, as their callers see it."""

    def __init__(self, engine: Engine) -> None:
        """Watch from now on."""
        self.seconds = 0.0
        self._lock = Lock()
        event.listen(engine, "before_cursor_execute", self._begun)
        event.listen(engine, "after_cursor_execute", self._ended)

    def _begun(self, _connection: Any, _cursor: Any, _text: str, _values: Any, context: Any, _many: bool) -> None:
        context.bench_began = perf_counter()

    def _ended(self, _connection: Any, _cursor: Any, _text: str, _values: Any, context: Any, _many: bool) -> None:
        with self._lock:
            self.seconds += perf_counter() - context.bench_began


def taken(name: str, watched: Watched, times: int, act: Callable[[], object]) -> Taken:
    """Do something several times over, and measure each time."""
    found = Taken(name)
    for _ in range(times):
        answered, clock, computing = watched.seconds, perf_counter(), process_time()
        act()
        found.clock.append(1000 * (perf_counter() - clock))
        found.computing.append(1000 * (process_time() - computing))
        found.statements.append(1000 * (watched.seconds - answered))
    return found


@contextmanager
def planned(database: Database) -> Iterator[list[str]]:
    """Collect the plans of all statements that are executed in the block, a line for each step of a plan.

    Each is asked for just before its statement is executed for the first time, in the same transaction and with the
    same values.
    """
    lines: list[str] = []
    seen: set[str] = set()
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN (COSTS OFF) "

    def ask(connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().startswith(_PLANNED) and statement not in seen:
            seen.add(statement)
            with closing(connection.connection.cursor()) as cursor:
                cursor.execute(explain + statement, values)
                lines.extend(str(row[-1]) for row in cursor.fetchall())

    event.listen(database.engine, "before_cursor_execute", ask)
    try:
        yield lines
    finally:
        event.remove(database.engine, "before_cursor_execute", ask)
