"""Who is told, of what, when, and in which language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from zoneinfo import ZoneInfo

from connector.domain.alarms import Audience, alarm
from connector.domain.catalogue import Language
from connector.ledger.alarms import Standing
from connector.notify.calendar import QuietHours, latest


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One recipient: a person, a mailing list, a channel."""

    name: str
    address: Callable[[], str] = field(repr=False)  # a secret; may raise `UsageError`
    audiences: frozenset[Audience]
    language: Language
    zone: ZoneInfo
    digest_times: Sequence[time]
    digest_days: frozenset[int]  # Monday is 0
    quiet: QuietHours | None = None
    alarms_in_quiet_hours: bool = False
    accounts: frozenset[str] = frozenset()  # empty: all

    def hears_of(self, account: str) -> bool:
        """Whether an account is this recipient's business."""
        return not self.accounts or account in self.accounts

    def hears(self, standing: Standing, accounts_of: Mapping[str, Sequence[str]]) -> bool:
        """Whether an alarm is this recipient's business.

        Args:
            standing: the alarm; one that is about no account or source is everybody's.
            accounts_of: the accounts of each source.
        """
        if not self.audiences & alarm(standing.code).tell:
            return False
        source, account = standing.details.get("source"), standing.details.get("account")
        about = accounts_of.get(source, []) if source else [account] if account else []
        return not about or any(map(self.hears_of, about))

    def digest_due(self, now: datetime) -> datetime | None:
        """Return the last instant at which a digest was due."""
        return latest(now, self.digest_times, self.digest_days, self.zone)

    def free_at(self, now: datetime, *, alarm: bool) -> datetime:
        """Return from when on something may be told that is due now."""
        if self.quiet is None or (alarm and self.alarms_in_quiet_hours):
            return now
        return self.quiet.over_at(now, self.zone)

    def clock(self, at: datetime) -> str:
        """Return an instant as this recipient reads it."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M} ({self.zone.key})"
