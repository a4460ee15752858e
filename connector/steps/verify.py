"""The document at B2Brouter against the ERP's: nothing is sent before both say the same, to the last cent."""

from __future__ import annotations

from connector.domain.comparison import compare_heads, compare_totals
from connector.domain.errors import RefusedError
from connector.domain.job import Stage
from connector.ledger.records import Entry
from connector.ports import RemoteInvoice
from connector.steps.case import Case
from connector.steps.look_up import figures_of, join
from connector.steps.withdraw import start_over_if_changed



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
    there = made if made is not None and made.total is not None and made.taxes is not None else _read(case)
    facts = {"reference": there.id}
    if there.errors:
        raise RefusedError("undeliverable", {**facts, "errors": "; ".join(there.errors)})
    figures = figures_of(there)
    if heads := compare_heads(case.invoice, figures):
        raise RefusedError("remote_differs", {**facts, "differences": join(heads)})
    if totals := compare_totals(case.invoice, figures):
        raise RefusedError("totals_differ", {**facts, "differences": join(totals)})
    case.advance(Stage.VERIFIED, entry=Entry(what="reached", outcome="done"), remote_state=there.state)


def _read(case: Case) -> RemoteInvoice:
    reference = case.job.reference or ""
    there = case.remote.read_invoice(reference)
    if there is None:
        raise RefusedError("remote_missing", {"reference": reference})
    return there
