"""A correction goes after what it corrects: the original is out, or it waits, or a person is told why it cannot."""

from __future__ import annotations

from collections.abc import Sequence

from connector.domain.correction import follows_original, issued_elsewhere
from connector.domain.errors import BlockedError, LookAgainError, RefusedError
from connector.domain.identity import tax_number_key
from connector.domain.invoice import ZERO, Invoice, Original
from connector.domain.job import Stage, Status
from connector.ledger.originals import GIVEN_UP
from connector.ledger.records import Job
from connector.steps.case import Case

_PAUSE = 5.0
"""Seconds until it is asked again whether discovery has ended."""


def await_original(case: Case) -> None:
    """Let a correction pass whose original is out; an invoice that corrects nothing passes at once.

    Raises:
        BlockedError: `original_waiting`, released when the original has been sent.
        RefusedError: the original is not named, not to be found, not to be issued, or waits for this one; or, where
            the account wants that held, it billed another customer or less than is taken away.
        LookAgainError: the original may not have been found yet.
    """
    invoice = case.invoice
    if not invoice.originals and invoice.is_credit_note:
        raise RefusedError("original_missing")
    if not invoice.originals or not follows_original(invoice):
        return
    # The ledger remembers one: the one that is waited for, and of several that are out the main one, looked for last.
    found = [_await(case, original) for original in reversed(invoice.originals)]
    sent = [job for job in reversed(found) if job is not None]
    for job in sent:
        _is_of_its_customer(case, invoice, job)
    if len(sent) == len(found):
        _is_not_exceeded(case, invoice, sent)


def _await(case: Case, original: Original) -> Job | None:
    """Return the job of an original that is out; None of one that was issued elsewhere."""
    found = case.ledger.originals.find(case.job, original)
    if len(found) > 1:
        ids = ", ".join(str(each.id) for each in found)
        raise RefusedError("original_ambiguous", {"number": original.number, "ids": ids})
    key = found[0].key if found else original.key
    case.job = case.ledger.jobs.remember_original(case.job, original, key)
    if not found:
        _is_elsewhere(case, original)
        return None
    if found[0].stage.reached(Stage.SENT):
        return found[0]
    _is_on_its_way(case, original, found[0])
    return None


def names_original(case: Case) -> bool:
    """Whether a document may name what it corrects: not what the ERP has given up and we never sent.

    What follows its original has waited for it, so that this asks of others alone.
    """
    original = case.invoice.original
    if original is None or original.confirmed or follows_original(case.invoice):
        return True
    return any(found.stage.reached(Stage.SENT) for found in case.ledger.originals.find(case.job, original))


def _is_on_its_way(case: Case, original: Original, job: Job) -> None:
    circle = case.ledger.originals.circle(case.job)
    if circle:
        numbers = [each.number or f"id {each.id}" for each in (*circle, circle[0])]
        raise RefusedError("original_circular", {"numbers": " → ".join(numbers)})
    facts = {"number": original.number or job.number or f"id {job.id}"}
    if job.status is Status.SKIPPED:
        _refuse(case, original, "original_skipped", facts)
    elif job.reason == "erp_deleted":
        _refuse(case, original, "original_deleted", facts)
    elif not original.confirmed:
        _refuse(case, original, "original_not_issued", facts)
    else:
        raise BlockedError("original_waiting", facts)


def _is_elsewhere(case: Case, original: Original) -> None:
    """What the ledger does not know was issued before its time or by others, if the ERP and the operator say so."""
    facts = {"number": original.number or f"key {original.key}"}
    elsewhere = issued_elsewhere(original, since=case.rules.since)
    if not elsewhere or not case.rules.external_originals:
        _refuse(case, original, "original_not_issued", facts)
        return
    if not _is_discovered(case):
        raise LookAgainError("original_waiting", facts, pause=_PAUSE)
    if original.date is None:
        raise RefusedError("original_date_missing", facts)
    _refer(case, original)


def _is_discovered(case: Case) -> bool:
    """Whether a look into the ERP has ended since the correction was found: then the ledger knows the others too."""
    ended = case.ledger.intake.state(case.job.source).get("discovered_at")
    return ended is not None and ended >= case.job.created_at


def _refuse(case: Case, original: Original, reason: str, facts: dict[str, str]) -> None:
    """Hold it, unless a person has released it from this very original."""
    if not original.number or not _was_released(case, facts["number"]):
        raise RefusedError(reason, facts)
    _refer(case, original)


def _was_released(case: Case, number: str) -> bool:
    return any(
        entry.what == "release" and entry.reason in GIVEN_UP and entry.details.get("number") == number
        for entry in case.ledger.queries.timeline(case.job.id)
    )


def _refer(case: Case, original: Original) -> None:
    day = original.date.isoformat() if original.date else "?"
    case.warn("original_external", {"number": original.number, "date": day})


def _is_of_its_customer(case: Case, invoice: Invoice, original: Job) -> None:
    mine = tax_number_key(invoice.buyer.tax_number, invoice.buyer.country)
    if mine and original.tax_number and mine != original.tax_number:
        facts = {"number": original.number or "", "party": original.customer or original.tax_number}
        case.object_to("original_of_another_customer", facts)


def _is_not_exceeded(case: Case, invoice: Invoice, originals: Sequence[Job]) -> None:
    """Several credit notes may lower one invoice; together they should not take away more than it billed.

    A credit note of several invoices says not how much it takes from which: they are looked at as one.
    """
    totals = [each.total for each in originals if each.currency == invoice.currency and each.total is not None]
    if not invoice.is_credit_note or len(totals) < len(originals):
        return
    total, credited = sum(totals, ZERO), sum(map(case.ledger.originals.credited, originals), ZERO)
    if credited > total:
        numbers = ", ".join(each.number or "" for each in originals)
        facts = {"number": numbers, "total": f"{total:f}", "credited": f"{credited:f}"}
        facts["currency"] = invoice.currency or ""
        case.object_to("credited_too_much", facts)
