"""What one ERP did not accept while it took other things: it rests, each time longer, and nobody waits behind it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from connector.clock import Clock
from connector.domain.errors import ConnectorError, SchemaChangedError

_FIRST: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(hours=1)

_MOST_IN_A_ROW: Final = 10
"""After so many refusals in a row it is the table that is wrong, and no document."""

What = tuple[str, str, str]
"""What is told: the account, whether it is a state or a report, and of which document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refusal:
    news: object  # what was told; other news is worth another try
    since: datetime
    again: datetime
    pause: timedelta  # until then
    error: ConnectorError


class Refusals:
    """Those of one source, in this process: another one, or the next one, tries for itself."""

    def __init__(self, clock: Clock) -> None:
        """Begin with none."""
        self._clock = clock
        self._refused: dict[What, _Refusal] = {}
        self._in_a_row = 0

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._refused)

    def rests(self, what: What, news: object) -> bool:
        """Whether these news are left alone for now."""
        refusal = self._refused.get(what)
        return refusal is not None and refusal.news == news and self._clock.now() < refusal.again

    def has(self, what: What, news: object) -> bool:
        """Whether these news were refused before."""
        refusal = self._refused.get(what)
        return refusal is not None and refusal.news == news

    @contextmanager
    def behind(self, what: What, news: object) -> Iterator[None]:
        """Tell the ERP something; where it does not accept it, go on with the next.

        Raises:
            SchemaChangedError: it has accepted nothing for a while.
        """
        try:
            yield
        except SchemaChangedError as error:
            self._refuse(what, news, error)
            self._in_a_row += 1
            if self._in_a_row == _MOST_IN_A_ROW:
                self._in_a_row = 0
                raise
        else:
            self._in_a_row = 0
            if self._refused.pop(what, None) is not None:
                self._try_all_again()

    def _refuse(self, what: What, news: object, error: ConnectorError) -> None:
        now, before = self._clock.now(), self._refused.get(what)
        pause = min(2 * before.pause, _LONGEST) if before is not None and before.news == news else _FIRST
        since = now if before is None else before.since
        self._refused[what] = _Refusal(news=news, since=since, again=now + pause, pause=pause, error=error)

    def _try_all_again(self) -> None:
        """Whatever was wrong with one of them may be mended for the others too."""
        now = self._clock.now()
        self._refused = {what: replace(refusal, again=now) for what, refusal in self._refused.items()}

    def forget_but(self, account: str, kind: str, untold: Collection[What]) -> None:
        """Forget what is not to be told any more."""
        over = [what for what in self._refused if what[:2] == (account, kind) and what not in untold]
        for what in over:
            del self._refused[what]

    @property
    def oldest(self) -> tuple[datetime, ConnectorError] | None:
        """Since when something is refused, and why; None where nothing is."""
        first = min(self._refused.values(), key=lambda refusal: refusal.since, default=None)
        return None if first is None else (first.since, first.error)
