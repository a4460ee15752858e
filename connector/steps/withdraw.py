"""An unsent document whose ERP original changed is taken back, and the job starts over.

Only what we made and what was never sent is deleted (API 7.5 advises just this instead of editing lines).
"""

from __future__ import annotations

from connector.domain.errors import BlockedError, NotSentError, OutcomeUnknownError, RefusedError
from connector.domain.job import Effect, Stage
from connector.domain.remote_state import WITHDRAWABLE
from connector.ledger.records import Entry
from connector.ports import RemoteInvoice
from connector.steps.case import Case
from connector.steps.look_up import is_our_file


def start_over_if_changed(case: Case) -> bool:
    """See whether the ERP still says what the document at B2Brouter was made from; if not, withdraw it.

    Returns:
        Whether the job has to start over.

    Raises:
        BlockedError: withdrawn, and the ERP's document is not confirmed any more.
        RefusedError: it cannot be withdrawn.
    """
    invoice = case.invoice
    same = invoice.confirmed and invoice.fingerprint() == case.job.fingerprint
    # A withdrawal that was begun is finished: its lost request may delete the document at any time.
    if same and case.job.open_effect is not Effect.WITHDRAW:
        return False
    if withdraw(case):
        return True
    if same or case.job.fingerprint is None:  # which says nothing of the ERP's document: it was to be made anew
        return False
    raise RefusedError("changed_after_send", {"reference": case.job.reference or ""})


def start_over_if_missing(case: Case) -> None:
    """Make a document that was never sent and is gone from B2Brouter anew, if a person who knows of it retries.

    Raises:
        LookAgainError: it was made a moment ago.
        RefusedError: `remote_missing`, nobody has decided that yet.
    """
    if case.job.reason != "remote_missing":
        _give_time_to_show(case)
        raise RefusedError("remote_missing", {"reference": case.job.reference or ""})
    _start_over(case)


def withdraw(case: Case) -> bool:
    """Delete the unsent document; return whether it is gone. Nothing happens to one that was sent.

    Raises:
        LookAgainError: it is not there, but was made a moment ago.
        RefusedError: `withdrawal_refused`.
    """
    reference = case.job.reference or ""
    there = case.there()
    if there is not None:
        if there.state not in WITHDRAWABLE:
            if case.job.open_effect is Effect.WITHDRAW:
                case.settle_intent("refused")
            return False
        if not _made_here(case, there):
            raise RefusedError(
                "withdrawal_refused", {"reference": reference, "message": "it does not carry our mark"}
            )
        _delete(case, reference)
    elif case.job.open_effect is not Effect.WITHDRAW:
        _give_time_to_show(case)
    _start_over(case)
    return True


def _give_time_to_show(case: Case) -> None:
    """Doubt that the document is gone for as long as it may not show yet; see `Case.give_time_to_show`."""
    case.pay()
    case.give_time_to_show(Effect.CREATE, case.ledger.jobs.reached_at(case.job))


def _made_here(case: Case, there: RemoteInvoice) -> bool:
    """Our mark proves it; an answer without any mark is believed only where we did post the document."""
    if there.file_reference is None:
        return case.job.payload is not None or is_our_file(case, there)
    return there.file_reference == case.file_reference


def _delete(case: Case, reference: str) -> None:
    if case.job.open_effect is not Effect.WITHDRAW:
        case.begin(Effect.WITHDRAW)
    try:
        with case.effect():
            case.remote.delete_invoice(reference)
    except OutcomeUnknownError as error:
        # It may be repeated, but not for ever; what became of it stays an open question.
        raise NotSentError("remote_unavailable", error.details, request_id=error.request_id) from error
    except RefusedError as error:
        facts = {"reference": reference, "message": error.details.get("message", error.reason)}
        raise RefusedError("withdrawal_refused", facts, request_id=error.request_id) from error


def _start_over(case: Case) -> None:
    entry = Entry(
        what="withdrawn",
        effect=Effect.WITHDRAW,
        outcome="done",
        details={"reference": case.job.reference or ""},
    )
    case.advance(
        Stage.FOUND,
        entry=entry,
        reference=None,
        remote_state=None,
        payload=None,
        fingerprint=None,
        contact_id=None,
    )
    if not case.invoice.confirmed:
        raise BlockedError("not_confirmed")
