"""Local rules, before anything leaves: the document is confirmed, complete, consistent and of this account."""

from __future__ import annotations

from datetime import date
from typing import Final

from connector.domain import catalogue
from connector.domain.errors import BlockedError, RefusedError
from connector.domain.identity import tax_number_key
from connector.domain.invoice import Invoice
from connector.domain.start import too_early
from connector.ledger.records import Job
from connector.steps.await_original import await_original
from connector.steps.case import Case, Rules
from connector.validation import LATER, Level, Levels, Problem, judge

_DIFFERS: Final = "issuer_differs"


def validate(case: Case) -> None:
    """Let the document pass, or say why not. Broken rules that only warn go into the timeline.

    Raises:
        RefusedError: a rule is broken; `also` among the facts names further broken ones.
        BlockedError: it waits for the ERP's confirmation, or for its original.
    """
    invoice = case.invoice
    belongs_here(case)
    found = judge(invoice, now=case.clock.now(), levels=case.rules.levels)
    if found.blocks:
        raise _refusal(invoice, *found.blocks)
    await_original(case)
    for problem in found.warnings:
        case.warn(problem.reason, problem.details)


def belongs_here(case: Case) -> None:
    """See that the document counts in the ERP, is no older than what is sent, and that this account is to issue it.

    Raises:
        BlockedError: `not_confirmed`.
        RefusedError: `before_since`, `company_unmapped` or `issuer_differs`.
    """
    if not case.invoice.confirmed:
        raise BlockedError("not_confirmed")
    not_before_start(case)
    _of_this_account(case, case.invoice)


def not_before_start(case: Case) -> None:
    """See that the document is no older than what is sent, also where it was made before the start date was set.

    Raises:
        RefusedError: `before_since`.
    """
    if day := too_old(case.job, case.invoice, case.rules):
        raise RefusedError("before_since", {"date": day.isoformat(), "since": str(case.rules.since)})


def too_old(job: Job, invoice: Invoice, rules: Rules) -> date | None:
    """Return the day for which the start date leaves a document out that was found all the same, if it does.

    Its date may have been changed since, or the start date have been set.
    """
    confirmed = job.confirmed_on if rules.by_confirmation else None
    return too_early(rules.since, issued=invoice.issue_date, confirmed=confirmed)


def _refusal(invoice: Invoice, first: Problem, *others: Problem) -> RefusedError:
    also = sorted({problem.reason for problem in others} - {first.reason})
    more = {"also": ", ".join(also)} if also else {}
    return RefusedError(first.reason, {**first.details, **more, **_customer(first.reason, invoice)})


def _customer(reason: str, invoice: Invoice) -> dict[str, str]:
    """The ERP's identifier of the customer, where it tells what is one cause: names may be shared."""
    return {"buyer": invoice.buyer.key} if "buyer" in catalogue.reason(reason).cause else {}


def _of_this_account(case: Case, invoice: Invoice) -> None:
    rules = case.rules
    foreign = foreign_company(
        invoice,
        account=case.job.account,
        owner=rules.owner_tax_number,
        many_companies=rules.many_companies,
    )
    if foreign is None:
        return
    if not holds(foreign, rules.levels):
        case.warn(foreign.reason, foreign.details)
        return
    raise RefusedError(foreign.reason, dict(foreign.details))


def foreign_company(invoice: Invoice, *, account: str, owner: str | None, many_companies: bool) -> Problem | None:
    """Return what is wrong where another company issued the document than the account's owner, by its tax number.

    One account for a source of several companies serves its owner alone. The only company of a source is believed
    to be the owner unless both sides state a tax number, and they differ.
    """
    ours = tax_number_key(invoice.seller.tax_number, invoice.seller.country)
    theirs = tax_number_key(owner, invoice.seller.country)
    if ours == theirs and ours is not None:
        return None
    if not many_companies and (ours is None or theirs is None):
        return None
    company = f"{invoice.seller.name} ({ours or 'no tax number'})"
    facts = {"company": company, "account": account, "owner": owner or "an unknown company"}
    return Problem("company_unmapped" if many_companies else _DIFFERS, facts)


def holds(problem: Problem, levels: Levels) -> bool:
    """Whether a problem that no rule found holds a document, or only warns."""
    return levels.get(problem.reason, LATER.get(problem.reason, Level.BLOCK)) is Level.BLOCK
