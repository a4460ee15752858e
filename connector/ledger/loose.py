"""The different values of an indexed column, found by jumps along the index: it costs values, not rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CTE, SQLColumnExpression, func, select


def different(column: Any, *where: SQLColumnExpression[bool]) -> CTE:
    """Return a table `value` of what a column holds in the rows that are meant, and one NULL at its end.

    Args:
        column: the first of an index; of text, and never empty.
        where: which rows; the index's own condition, if it has one.
    """
    # Without a beginning SQLite takes another index, and reads all rows that are meant.
    values = select(func.min(column).label("value")).where(*where, column > "").cte(recursive=True)
    higher = select(func.min(column)).where(*where, column > values.c.value).correlate(values).scalar_subquery()
    return values.union_all(select(higher).where(values.c.value.is_not(None)))
