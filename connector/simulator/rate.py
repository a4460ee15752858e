"""The limit of requests per minute, as a key meets it."""

from collections import defaultdict, deque
from datetime import datetime, timedelta
from email.utils import format_datetime

WINDOW = timedelta(seconds=60)


class RateLimit:
    """At most so many requests of a key within any 60 seconds; refused ones do not count."""

    def __init__(self) -> None:
        self._taken: dict[str, deque[datetime]] = defaultdict(deque)

    def wait_for(self, key: str, limit: int, now: datetime) -> timedelta | None:
        """Take one request from the budget, or say how long it will be before one is free."""
        taken = self._taken[key]
        while taken and taken[0] <= now - WINDOW:
            taken.popleft()
        if len(taken) < limit:
            taken.append(now)
            return None
        return taken[0] + WINDOW - now


def retry_after(form: str, wait: timedelta, now: datetime) -> str | None:
    """The header's value in the form that the switch asks for."""
    seconds = max(1, -(-wait // timedelta(seconds=1)))
    forms = {
        "seconds": str(seconds),
        "date": format_datetime(now + timedelta(seconds=seconds), usegmt=True),
        "garbage": "soon",
    }
    return forms.get(form)
