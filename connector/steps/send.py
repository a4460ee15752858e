"""Queue the verified document for delivery, once."""

from __future__ import annotations

from connector.domain import evidence, identity
from connector.domain.errors import NotSentError, RefusedError
from connector.domain.job import Effect, Stage
from connector.domain.remote_state import UNSENT, has_left
from connector.ledger.records import Entry
from connector.ports import RemoteInvoice
from connector.steps.case import Case
from connector.steps.look_up import wait_or_conclude
from connector.steps.validate import not_before_start
from connector.steps.withdraw import start_over_if_changed, start_over_if_missing

QUEUED = "sending"
"""The state that an accepted send leads to (API section 9), where the answer does not show one."""

_FAILED = frozenset({"error", "invalid", "discarded"})


def send(case: Case) -> None:
    """Send, after reading the ERP's document once more; after a lost answer, look at the state first.

    Raises:
        RefusedError: `send_refused`, `remote_missing`, `changed_after_send`, `erp_reference_exists`, `before_since`
            or `state_unclear`.
        LookAgainError: a lost send may still be on its way, or the state does not tell.
        NotSentError: a lost send certainly came to nothing.
    """
    if case.job.open_effect is Effect.SEND:
        _settle(case)
    elif has_left(case.job.remote_state):
        _adopt(case)  # found on its way already when it was verified
    elif not _changed(case):
        _see_that_nobody_issued_it(case)
        not_before_start(case)
        _post(case)


def _changed(case: Case) -> bool:
    case.reread()
    return start_over_if_changed(case)


def _see_that_nobody_issued_it(case: Case) -> None:
    """The ERP's reference is our second memory: another ledger may have issued the document since ours was made.

    Raises:
        RefusedError: `erp_reference_exists`.
    """
    reference, xref = case.invoice.reference, case.invoice.xref
    ours = identity.xref(case.remote.environment, case.remote.account_id, case.job.reference or "")
    if reference not in {None, "", case.job.reference} or xref not in {None, "", ours}:
        raise RefusedError("erp_reference_exists", {"reference": reference or "?", "xref": xref or "?"})


def _post(case: Case) -> None:
    case.begin(Effect.SEND)
    try:
        with case.effect():
            state = case.remote.send_invoice(case.job.reference or "")
    except RefusedError as error:
        if error.reason == "remote_missing":
            start_over_if_missing(case)
        elif error.reason == "send_refused":
            _adopt(case, error)
        else:
            raise
        return
    _arrive(case, state or QUEUED, "reached")


def _settle(case: Case) -> None:
    """After a lost answer: `new` means that it was not queued, anything later means that it was.

    A request that is still running may queue it yet, so `new` is believed only after the quiet time.
    """
    there = case.there()
    if there is None:
        _settle_missing(case)
        return
    state = _told(there)
    if state in UNSENT:
        wait_or_conclude(case)
    _arrive(case, state, "adopted")


def _settle_missing(case: Case) -> None:
    """The document cannot tell any more whether it was queued. News of its being on its way can; else a person does.

    Raises:
        LookAgainError: the lost send may still be running.
        RefusedError: `remote_missing`, nobody has decided yet that it was never sent.
    """
    reference, asked = case.job.reference or "", case.job.open_since
    left = [state for state in case.ledger.inbox.states_to_come(reference) if has_left(state)]
    if left:
        _arrive(case, left[-1], "adopted")
        return
    is_decided = case.job.reason == "remote_missing" and case.job.looks > 0  # since it was sent, not before
    case.count_look()
    if asked is not None:
        case.give_time_to_show(Effect.SEND, asked)
    if not is_decided:
        raise RefusedError("remote_missing", {"reference": reference})
    case.settle_intent("not_sent")
    start_over_if_missing(case)


def _adopt(case: Case, error: RefusedError | None = None) -> None:
    """Take a document as sent because it is on its way already; a send of such a one is refused (API 7.8).

    Raises:
        RefusedError: `send_refused`, it is not on its way, and a person must see why.
    """
    there, state = _there(case)
    if state in UNSENT | _FAILED:
        known = "; ".join(there.errors) or "it failed before it was sent"
        message = error.details.get("message", "") if error else known
        request_id = error.request_id if error else None
        raise RefusedError("send_refused", {"state": state, "message": message}, request_id=request_id)
    _arrive(case, state, "adopted")


def _there(case: Case) -> tuple[RemoteInvoice, str]:
    """Return the document at B2Brouter, and its state."""
    there = case.there()
    if there is None:
        raise RefusedError("remote_missing", {"reference": case.job.reference or ""})
    return there, _told(there)


def _told(there: RemoteInvoice) -> str:
    if there.state is None:  # unclear is not "new": read again
        raise NotSentError("remote_unavailable", {"message": "the answer shows no state"})
    return there.state


def _arrive(case: Case, state: str, what: str) -> None:
    entry = Entry(
        what=what,
        effect=Effect.SEND,
        outcome="done",
        request_id=case.remote.last_request_id(),
        answer=evidence.packed(case.remote.last_answer()) if what == "reached" else None,
        details={"state": state},
    )
    case.advance(Stage.SENT, entry=entry, remote_state=state)
