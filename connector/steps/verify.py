"""The document at B2Brouter against the ERP's: nothing is sent before both say the same, to the last cent."""

from __future__ import annotations

from connector.domain.comparison import compare_heads, compare_totals
from connector.domain.errors import RefusedError
from connector.domain.job import Stage
from connector.ledger.records import Entry
from connector.ports import RemoteInvoice
from connector.steps.case import Case
from connector.steps.look_up import figures_of, join
from connector.steps.withdraw import start_over_if_changed, start_over_if_missing, withdraw


def verify(case: Case, made: RemoteInvoice | None) -> None:
    """Compare, and let the document go on to be sent.

    Args:
        case: the job, at stage created.
        made: the answer to create if it is at hand; else the document is read.

    Raises:
        RefusedError: `totals_differ`, `remote_differs`, `undeliverable` or `remote_missing`.
    """
    if start_over_if_changed(case):
        return
    complete = made is not None and made.total is not None and made.taxes is not None
    there = made if complete else case.remote.read_invoice(case.job.reference or "")
    if there is None:
        start_over_if_missing(case)
        return
    problem = _problem(case, there)
    if problem is None:
        case.advance(Stage.VERIFIED, entry=Entry(what="reached", outcome="done"), remote_state=there.state)
    elif not _is_mended(case, problem):
        raise problem


def _problem(case: Case, there: RemoteInvoice) -> RefusedError | None:
    facts = {"reference": there.id}
    if there.errors:
        return RefusedError("undeliverable", {**facts, "errors": "; ".join(there.errors)})
    figures = figures_of(there)
    if heads := compare_heads(case.invoice, figures):
        return RefusedError("remote_differs", {**facts, "differences": join(heads)})
    if totals := compare_totals(case.invoice, figures):
        return RefusedError("totals_differ", {**facts, "differences": join(totals)})
    return None


def _is_mended(case: Case, problem: RefusedError) -> bool:
    """Make the document anew where a person retries: B2Brouter computed it once, under settings of then."""
    again = problem.reason in {"totals_differ", "undeliverable"} and case.job.reason == problem.reason
    return again and withdraw(case)
