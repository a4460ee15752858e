"""From facts to people: alarms and digests are put into the outbox, and what is due there is sent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from connector.clock import Clock
from connector.domain.errors import UsageError
from connector.ledger import Ledger
from connector.ledger.alarms import Standing
from connector.ledger.outbox import Kind, Notice, Taken
from connector.notify import channel
from connector.notify.digest import Draft, draft
from connector.notify.recipients import Recipient
from connector.notify.texts import Message, Writer

log = logging.getLogger(__name__)

FIRST_PAUSE = 30.0
"""Seconds until what could not be sent is tried again; doubled up to `LONGEST_PAUSE`."""

LONGEST_PAUSE = 3600.0


class Notifier:
    """Tells the recipients. Several may work on one ledger: each notification is with one of them at a time."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        recipients: Sequence[Recipient],
        writer: Writer,
        accounts_of: Mapping[str, Sequence[str]],
        repeat: timedelta,
        remind: timedelta,
        send: Callable[[str, Message], bool] = channel.send,
    ) -> None:
        """Prepare it.

        Args:
            ledger: with the facts and the outbox.
            clock: where the time comes from.
            recipients: who is told.
            writer: makes the messages.
            accounts_of: the accounts of each source.
            repeat: after which an alarm that lasts is told again.
            remind: after which a digest goes without news, if anything is open.
            send: hands a message over to an address.
        """
        self._ledger = ledger
        self._clock = clock
        self._recipients = recipients
        self._writer = writer
        self._accounts_of = accounts_of
        self._repeat = repeat
        self._remind = remind
        self._send = send

    def tell(self) -> None:
        """Put in what is new, and send what is due.

        Raises:
            LedgerError: the ledger failed; nothing is lost by it.
        """
        self.plan_alarms()
        self.plan_digests()
        self.deliver()

    def tell_of(self, standing: Standing) -> None:
        """Tell of one alarm, and of nothing else: this ledger is not the one to tell the rest."""
        self._plan([standing])
        self.deliver(only=standing.id)

    # ------------------------------------------------------------ alarms

    def plan_alarms(self) -> None:
        """Put in that alarms began, still last, or are over. What is in already stays as it is."""
        self._plan(self._ledger.alarms.open())

    def _plan(self, standings: Sequence[Standing]) -> None:
        if not standings:
            return
        now = self._clock.now()
        unsent = self._ledger.outbox.unsent_alarms()
        notices = [
            notice
            for standing in standings
            for to in self._recipients
            if to.hears(standing, self._accounts_of)
            for notice in self._of(standing, to, now, waiting=(to.name, standing.id) in unsent)
        ]
        self._ledger.outbox.put(notices, closing=[one.id for one in standings if one.calm(now)])

    def _of(self, standing: Standing, to: Recipient, now: datetime, *, waiting: bool) -> Sequence[Notice]:
        begun = self._notice(standing, to, now, Kind.BEGUN, 0)
        if standing.calm(now):
            return [begun, self._notice(standing, to, now, Kind.ENDED, 0)]
        times = int((now - standing.since) / self._repeat)
        if times == 0 or waiting or standing.ended_at is not None:
            return [begun]  # who has not even been told once needs no reminder
        return [begun, self._notice(standing, to, now, Kind.LASTS, times)]

    def _notice(self, standing: Standing, to: Recipient, now: datetime, kind: Kind, times: int) -> Notice:
        fact = {"code": standing.code, "details": standing.details, "since": standing.since.isoformat()}
        if standing.ended_at is not None:
            fact["ended"] = standing.ended_at.isoformat()
        return Notice(
            key=f"alarm:{standing.id}:{kind}:{times}:{to.name}",
            recipient=to.name,
            kind=kind,
            fact=fact,
            due_at=to.free_at(now, alarm=True),
            alarm_id=standing.id,
        )

    # ------------------------------------------------------------ digests

    def plan_digests(self) -> None:
        """Put in the digests whose time has come. One that has nothing to tell is ticked off."""
        now = self._clock.now()
        last = self._ledger.outbox.last_digests()
        for to in self._recipients:
            at = to.digest_due(now)
            if at is None:
                continue
            key = f"digest:{to.name}:{at.isoformat()}"
            found = _NOTHING  # the first digest of a new recipient goes the next time
            if to.name in last:
                latest, went_at = last[to.name]
                if latest == key or went_at is None:
                    continue  # what an unsent one tells of is not told by another one
                found = draft(self._ledger.outbox, to)
            fact = found.fact if found.has_news or self._reminds(to, now) else {}
            notice = Notice(
                key=key, recipient=to.name, kind=Kind.DIGEST, fact=fact, due_at=to.free_at(now, alarm=False)
            )
            self._ledger.outbox.put_digest(notice, found.told, found.gone)

    def _reminds(self, to: Recipient, now: datetime) -> bool:
        told = self._ledger.outbox.last_told(to.name)
        return told is None or now - told >= self._remind

    def preview(self, to: Recipient) -> Message | None:
        """Return the digest that would go now; None where there is nothing to tell."""
        found = draft(self._ledger.outbox, to)
        return self._writer.digest(found.fact, to) if found.fact else None

    # ------------------------------------------------------------ out

    def deliver(self, *, only: int | None = None) -> None:
        """Send what is due.

        Args:
            only: id of an alarm; nothing but what is about it.
        """
        for to in self._recipients:
            taken = self._ledger.outbox.take(to.name, alarm_id=only)
            alarms = [one for one in taken if one.kind is not Kind.DIGEST]
            if alarms:
                self._hand_over(to, alarms, self._writer.alarms(alarms, to))
            for one in taken:
                if one.kind is Kind.DIGEST:
                    self._hand_over(to, [one], self._writer.digest(one.fact, to))

    def _hand_over(self, to: Recipient, taken: Sequence[Taken], message: Message) -> None:
        if self._reaches(to, message):
            # A crash before this line has committed sends the message a second time, two minutes later.
            self._ledger.outbox.went(taken)
            log.info("recipient %s was told: %s", to.name, message.subject)
            return
        attempts = max(one.attempts for one in taken)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempts - 1, 10))
        self._ledger.outbox.came_back(taken, pause=pause)
        log.warning("recipient %s could not be told (try %s); again in %.0f s", to.name, attempts, pause)

    def _reaches(self, to: Recipient, message: Message) -> bool:
        try:
            return self._send(to.address(), message)
        except UsageError as error:
            log.error("recipient %s: %s", to.name, error.message)
            return False

    def test(self, to: Recipient) -> bool:
        """Send a test message at once, past the outbox; return whether it was taken.

        Raises:
            UsageError: the address cannot be read.
        """
        return self._send(to.address(), self._writer.test(to))


_NOTHING = Draft(fact={}, told={}, gone=())
