"""The document at B2Brouter against the ERP's: nothing is sent before both say the same.

To the last cent, unless the operator allows a stated difference: then the timeline says what differs.
"""

from __future__ import annotations

from connector.domain.comparison import Difference, compare_heads, compare_totals, excess, is_within
from connector.domain.errors import RefusedError
from connector.domain.job import Effect, Stage
from connector.domain.remote_state import has_left, is_clear, was_handed_over
from connector.ledger.records import Entry
from connector.ports import RemoteInvoice
from connector.steps.case import Case
from connector.steps.explain_totals import explain_totals
from connector.steps.look_up import (
    figures_of,
    is_for_our_contact,
    is_marked,
    is_told_by_number,
    join,
    numbers_of,
    other_recipient,
)
from connector.steps.withdraw import start_over_if_changed, start_over_if_missing, withdraw


def verify(case: Case, made: RemoteInvoice | None) -> None:
    """Compare, and let the document go on to be sent.

    Args:
        case: the job, at stage created.
        made: the answer to create if it is at hand; else the document is read.

    Raises:
        RefusedError: `totals_differ`, `remote_differs`, `undeliverable`, `remote_missing` or `state_unclear`.
        LookAgainError: it is being prepared yet.
    """
    if start_over_if_changed(case):
        return
    there = made if made is not None and _is_complete(made) else case.there()
    if there is None:
        start_over_if_missing(case)
        return
    problem = _problem(case, there)
    if problem is None or _is_allowed(case, there, problem):
        entry = Entry(what="reached", outcome="done")
        case.owe(Stage.VERIFIED, entry=entry, remote_state=there.state, **_chosen_contact(case, there))
    elif not _is_mended(case, problem):
        raise problem


def verify_again(case: Case) -> bool:
    """Compare a verified document that lay there, and take over its state: others may have edited or sent it since.

    Returns:
        Whether it stands as when its files were seen to; else the job starts over, or its state is another one.

    Raises:
        RefusedError: see `verify`.
        LookAgainError: its state does not say whether it was sent.
        NotSentError: the answer shows no state.
    """
    if case.job.open_effect is Effect.SEND:
        return True  # its state alone settles that
    there = case.there()
    if there is None:
        start_over_if_missing(case)
        return False
    left = has_left(there.state)  # or failed: its errors are those of that, and told by `send`
    problem = _difference(case, there) if left else _problem(case, there)
    if problem is not None and not _is_allowed(case, there, problem):
        if not was_handed_over(there.state) and _is_mended(case, problem):
            return False
        raise problem
    known = case.job.remote_state
    return case.take_over_state(there) == known


def _is_complete(made: RemoteInvoice) -> bool:
    """Whether an answer can be judged as it is: it has the figures, and the document is not being prepared yet."""
    known = made.total is not None and made.taxes is not None
    return known and (made.state is None or is_clear(made.state))


def _problem(case: Case, there: RemoteInvoice) -> RefusedError | None:
    if there.errors:
        return RefusedError("undeliverable", {"reference": there.id, "errors": "; ".join(there.errors)})
    return _difference(case, there)


def _difference(case: Case, there: RemoteInvoice) -> RefusedError | None:
    facts = {"reference": there.id}
    figures = figures_of(there)
    if heads := compare_heads(case.invoice, figures):
        return RefusedError("remote_differs", {**facts, "differences": join(heads)})
    if other := _other_recipient(case, there):
        return RefusedError("remote_differs", {**facts, "differences": join(other)})
    if totals := compare_totals(case.invoice, figures):
        return RefusedError("totals_differ", {**facts, "differences": join(totals), **explain_totals(case, figures)})
    return None


def _other_recipient(case: Case, there: RemoteInvoice) -> list[Difference]:
    """Compare whom it is addressed to. A file's contact is B2Brouter's choice, told by its numbers if it has any."""
    if case.invoice.file_digest is not None:
        if there.contact_id is None or is_for_our_contact(case, there) or not numbers_of(case.invoice.buyer):
            return []
        case.pay()
        return other_recipient(case, there.contact_id, is_doubtful=False)
    if _is_for_its_customer(case, there):
        return []
    ours, theirs = f"contact {case.job.contact_id}", f"contact {there.contact_id}"
    return [Difference(field="recipient", erp=ours, remote=theirs)]


def _chosen_contact(case: Case, there: RemoteInvoice) -> dict[str, str]:
    """Return the contact that B2Brouter gave a file."""
    is_file = case.invoice.file_digest is not None
    return {"contact_id": there.contact_id} if is_file and there.contact_id else {}


def _is_for_its_customer(case: Case, there: RemoteInvoice) -> bool:
    """By the contact, or by a tax number, which has been compared and is that of documents that others made."""
    told = is_told_by_number(case.invoice.buyer, there)
    return told or not is_marked(case, there) or is_for_our_contact(case, there)


def _is_allowed(case: Case, there: RemoteInvoice, problem: RefusedError) -> bool:
    """Whether the totals differ by no more than the operator allows; then the timeline says so."""
    if problem.reason != "totals_differ":
        return False
    gap = excess(case.invoice, figures_of(there))
    if not is_within(gap, case.rules.allow_difference):
        return False
    case.warn(problem.reason, problem.details)
    return True


def _is_mended(case: Case, problem: RefusedError) -> bool:
    """Make a document that was held for the same anew: B2Brouter computed it once, under settings of then."""
    again = problem.reason in {"totals_differ", "undeliverable"} and case.job.reason == problem.reason
    return again and withdraw(case)
