"""The start date of a source: nothing of before that day is ever sent."""

from __future__ import annotations

from datetime import date


def too_early(since: date | None, *, issued: date | None, confirmed: date | None) -> date | None:
    """Return the day for which a document is left out; None where it is not.

    One whose day of confirmation is not known goes by its issue date; one without any day is never left out.

    Args:
        since: the start date.
        issued: on which day.
        confirmed: on which day, where the start date is about that.
    """
    day = confirmed or issued
    return day if since is not None and day is not None and day < since else None
