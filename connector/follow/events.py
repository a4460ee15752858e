"""What webhooks told: judged in the order of the changes, as soon as there is a job to judge it for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from connector.domain.notice import report_of
from connector.domain.remote_state import News, Verdict
from connector.follow.news import Desk, Doubts
from connector.follow.plan import Plan
from connector.ledger import Ledger
from connector.ledger.inbox import Letter
from connector.ports import RemoteNews, RemoteTaxReport

_BATCH: Final = 500

_OUTCOMES: Final = {
    Verdict.TAKE: "taken",
    Verdict.CONFIRM: "known",
    Verdict.LEAVE: "older",
    Verdict.ASK: "read_again",
}

_LAG: Final = timedelta(minutes=2)
"""How far a list may be behind: so long a doubt of a report is raised again after a look that shows nothing new."""

Believes = Callable[[str, str], bool]
"""Whether what is told of the documents of one account (the first) is believed where it came to the address of
another: any key may have one address for all accounts that it sees."""


def read_inbox(
    ledger: Ledger,
    remote: RemoteNews,
    plan: Plan,
    account: str,
    doubts: Doubts,
    *,
    believes: Believes,
    may_ask: bool,
) -> None:
    """Settle all events that can be settled now.

    Args:
        ledger: with the inbox.
        remote: asked about documents whose events do not tell all.
        plan: how the account is followed.
        account: by name.
        doubts: of this pass; the events of a document that cannot be read stay.
        believes: of which other addresses events are believed; others are a hint to read what they tell of.
        may_ask: whether B2Brouter may be asked; if not, such events stay.
    """
    while letters := ledger.inbox.about_invoices(account, _BATCH):
        desk = Desk(ledger, remote, plan, doubts, may_ask=may_ask)
        if not _settle_invoices(ledger, desk, account, letters, _believed(account, letters, believes)):
            break
    while letters := ledger.inbox.about_reports(account, _BATCH):
        believed = _believed(account, letters, believes)
        if not _settle_reports(
            ledger, remote, account, letters, believed, ledger.database.clock.now() - plan.watched
        ):
            break


def _believed(account: str, letters: Sequence[Letter], believes: Believes) -> Collection[str]:
    addresses = {letter.account for letter in letters}
    return {address for address in addresses if address == account or believes(account, address)}


def _settle_invoices(
    ledger: Ledger, desk: Desk, account: str, letters: list[Letter], believed: Collection[str]
) -> int:
    """Judge a batch; return how many events were settled: not those of jobs that a worker took meanwhile."""
    jobs = ledger.following.jobs(account, {letter.subject for letter in letters})
    heard = [(letter, jobs[letter.subject]) for letter in letters if letter.subject in jobs]
    verdicts: list[Verdict] = []
    for letter, job in heard:
        news = News(state=letter.state, changed_at=letter.triggered_at or letter.received_at, event=letter.event_id)
        verdicts.append(desk.hear(job, news, letter.note, believed=letter.account in believed))
    left = desk.write()
    outcomes: dict[str, list[Letter]] = defaultdict(list)
    for (letter, job), verdict in zip(heard, verdicts, strict=True):
        if job.id not in left:
            outcomes[_OUTCOMES[verdict]].append(letter)
    for outcome, settled in outcomes.items():
        ledger.inbox.settle(settled, outcome)
    return sum(map(len, outcomes.values()))


def _settle_reports(
    ledger: Ledger,
    remote: RemoteNews,
    account: str,
    letters: list[Letter],
    believed: Collection[str],
    watched_since: datetime,
) -> int:
    """Take a batch in; return how many events were settled: not those that no look can have borne out yet.

    Where no look follows any more, the word of who is believed is all that there will be.
    """
    reports = ledger.tax_reports
    known = reports.known([letter.subject for letter in letters])
    outcomes: dict[str, list[Letter]] = defaultdict(list)
    for letter in letters:
        report = _report(remote, letter, known.get(letter.subject))
        waits_for_look = reports.closes(report) and reports.is_looked_at(report.reference, watched_since)
        if letter.account in believed and not waits_for_look:  # nobody's word alone closes a case
            news = reports.take(account, report, told=True)
            outcomes["taken" if news else "older"].append(letter)
        else:
            assert report.reference is not None
            reports.doubt(account, report.id, report.reference)
            if ledger.database.clock.now() - letter.received_at >= _LAG:
                outcomes["read_again"].append(letter)
    for outcome, settled in outcomes.items():
        ledger.inbox.settle(settled, outcome)
    return sum(map(len, outcomes.values()))


def _report(remote: RemoteNews, letter: Letter, before: RemoteTaxReport | None) -> RemoteTaxReport:
    told = remote.told_report(report_of(letter.body)) or RemoteTaxReport(id=letter.subject)
    return replace(
        told,
        id=letter.subject,
        reference=letter.document or (before.reference if before else None),
        state=letter.state,
        changed_at=letter.triggered_at or letter.received_at,
        problem=told.problem or letter.note,
    )
