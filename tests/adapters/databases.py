"""What the tests of adapters do to a database behind the adapter's back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, event, text


def execute(url: str, *statements: str, **values: Any) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement), values)
    engine.dispose()


def query(url: str, statement: str, **values: Any) -> list[dict[str, Any]]:
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(text(statement), values).mappings()]
    engine.dispose()
    return rows


@contextmanager
def meanwhile(part: str, do: Callable[[], None]) -> Iterator[None]:
    """Do something once, right before a statement that has this text in it."""
    done: list[str] = []

    def act(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if part in statement and not done:
            done.append(statement)
            do()

    event.listen(Engine, "before_cursor_execute", act)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", act)
    assert done, f"no statement has {part!r}"
