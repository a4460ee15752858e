"""`connector check`: who is told, whether that works, and which alarms last. Nobody is told anything by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connector.adapters.checks import failed, ok, warning
from connector.bootstrap import Services
from connector.domain import catalogue
from connector.domain.alarms import alarm, placed
from connector.domain.errors import UsageError
from connector.ledger import Ledger
from connector.ledger.outbox import Backlog
from connector.notify import channel
from connector.notify.heartbeat import SIGN
from connector.notify.recipients import Recipient
from connector.operations.texts import count
from connector.ports import CheckRow

_EXAMPLE = "Add a table [notifications.recipients.NAME]; connector init shows its settings."


def notification_rows(services: Services, ledger: Ledger | None) -> Iterator[CheckRow]:
    """Yield the rows; without a ledger, those about the configuration alone."""
    backlogs = ledger.outbox.backlogs() if ledger else {}
    for to in services.recipients:
        yield _recipient_row(to, backlogs)
    if not services.recipients:
        yield _nobody(services.settings.b2brouter.environment)
    if services.settings.notifications.has_heartbeat:
        yield _heartbeat_row(services, ledger)
    if ledger is not None:
        yield from _alarm_rows(ledger)


def _recipient_row(to: Recipient, backlogs: Mapping[str, Backlog]) -> CheckRow:
    name = f"recipient {to.name}"
    try:
        usable = channel.usable(to.address())
    except UsageError as error:
        return failed(name, error.message, error.action)
    if not usable:
        return failed(name, "The address is none that Apprise knows.", f"Correct notifications.recipients.{to.name}.")
    backlog = backlogs.get(to.name)
    if backlog is not None:
        told = f"{count(backlog.count, 'message')} could not be delivered since {to.clock(backlog.since)}."
        return warning(name, told, f"Try: connector notify test {to.name}")
    audiences = " and ".join(sorted(to.audiences, reverse=True))
    return ok(name, f"{audiences}, in {to.language}; alarms at once, digests {_times(to)}")


def _times(to: Recipient) -> str:
    if not to.digest_times or not to.digest_days:
        return "never"
    return f"at {', '.join(f'{at:%H:%M}' for at in to.digest_times)} ({to.zone.key})"


def _nobody(environment: str) -> CheckRow:
    told = "there are no recipients: nobody is told when something is wrong"
    if environment == "production":
        return warning("notifications", told, _EXAMPLE)
    return ok("notifications", told)


def _heartbeat_row(services: Services, ledger: Ledger | None) -> CheckRow:
    try:
        services.settings.notifications.heartbeat()
    except UsageError as error:
        return failed("heartbeat", error.message, error.action)
    last = ledger.outbox.signed(SIGN) if ledger else None
    if last is None:
        return ok("heartbeat", "none has been sent yet")
    return ok("heartbeat", f"the last one arrived at {last.isoformat(timespec='seconds')}")


def _alarm_rows(ledger: Ledger) -> Iterator[CheckRow]:
    language = catalogue.spoken()
    for one in ledger.alarms.lasting():
        kind = alarm(one.code)
        facts = placed(one.details, lambda at: at.isoformat(timespec="minutes"))
        name = f"alarm {one.code} {one.subject}".rstrip()
        yield warning(name, kind.message(facts, language), kind.advice(facts, language))
