"""What webhooks told: judged in the order of the changes, as soon as there is a job to judge it for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Final

from connector.domain.notice import report_of
from connector.domain.remote_state import News, Verdict
from connector.follow.news import Desk
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


def read_inbox(ledger: Ledger, remote: RemoteNews, plan: Plan, account: str, *, may_ask: bool) -> None:
    """Settle all events that can be settled now.

    Args:
        ledger: with the inbox.
        remote: asked about documents whose events do not tell all.
        plan: how the account is followed.
        account: by name.
        may_ask: whether B2Brouter may be asked; if not, such events stay.

    Raises:
        StepError: a document had to be read and could not be; its events stay.
    """
    while letters := ledger.inbox.about_invoices(account, _BATCH):
        if not _settle_invoices(ledger, Desk(ledger, remote, plan, may_ask=may_ask), account, letters):
            break
    while letters := ledger.inbox.about_reports(account, _BATCH):
        _settle_reports(ledger, remote, account, letters)


def _settle_invoices(ledger: Ledger, desk: Desk, account: str, letters: list[Letter]) -> int:
    """Judge a batch; return how many events were settled: not those of jobs that a worker took meanwhile."""
    jobs = ledger.following.jobs(account, {letter.subject for letter in letters})
    heard = [(letter, jobs[letter.subject]) for letter in letters if letter.subject in jobs]
    verdicts: list[Verdict] = []
    for letter, job in heard:
        news = News(state=letter.state, changed_at=letter.triggered_at or letter.received_at, event=letter.event_id)
        verdicts.append(desk.hear(job, news, letter.note))
    left = desk.write()
    outcomes: dict[str, list[Letter]] = defaultdict(list)
    for (letter, job), verdict in zip(heard, verdicts, strict=True):
        if job.id not in left:
            outcomes[_OUTCOMES[verdict]].append(letter)
    for outcome, settled in outcomes.items():
        ledger.inbox.settle(settled, outcome)
    return sum(map(len, outcomes.values()))


def _settle_reports(ledger: Ledger, remote: RemoteNews, account: str, letters: list[Letter]) -> None:
    known = ledger.tax_reports.known([letter.subject for letter in letters])
    for letter in letters:
        before = known.get(letter.subject)
        told = remote.told_report(report_of(letter.body)) or RemoteTaxReport(id=letter.subject)
        report = replace(
            told,
            id=letter.subject,
            reference=letter.document or (before.reference if before else None),
            state=letter.state,
            changed_at=letter.triggered_at or letter.received_at,
            problem=told.problem or letter.note,
        )
        news = ledger.tax_reports.take(account, report)
        ledger.inbox.settle([letter], "taken" if news else "older")
