"""Queue the verified document for delivery, once."""

from __future__ import annotations

from connector.domain import evidence
from connector.domain.errors import NotSentError, RefusedError
from connector.domain.job import Effect, Stage
from connector.domain.remote_state import UNSENT, has_left
from connector.ledger.records import Entry
from connector.steps.case import Case
from connector.steps.look_up import wait_or_conclude
from connector.steps.withdraw import start_over_if_changed, start_over_if_missing

QUEUED = "sending"
"""The state that an accepted send leads to (API section 9), where the answer does not show one."""

_FAILED = frozenset({"error", "invalid", "discarded"})


def send(case: Case) -> None:
    """Send, after reading the ERP's document once more; after a lost answer, look at the state first.

    Raises:
        RefusedError: `send_refused`, `remote_missing`, `changed_after_send` or `state_unclear`.
        LookAgainError: a lost send may still be on its way, or the state does not tell.
        NotSentError: a lost send certainly came to nothing.
    """
    if case.job.open_effect is Effect.SEND:
        _settle(case)
    elif has_left(case.job.remote_state):
        _adopt(case)  # found on its way already when it was verified
    elif not _changed(case) and not _left_meanwhile(case):
        _post(case)


def _left_meanwhile(case: Case) -> bool:
    """See whether a document whose state did not tell is on its way by now: sent again, it might go twice.

    Raises:
        RefusedError: `remote_missing`, or `state_unclear` for longer than the quiet time.
        LookAgainError: its state does not tell yet.
    """
    if case.job.reason != "state_unclear" or not has_left(state := _state(case)):
        return False
    _arrive(case, state, "adopted")
    return True


def _changed(case: Case) -> bool:
    case.reread()
    return start_over_if_changed(case)


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
    state = _state(case)
    if state in UNSENT:
        wait_or_conclude(case)
    _arrive(case, state, "adopted")


def _adopt(case: Case, error: RefusedError | None = None) -> None:
    """Take a document as sent because it is on its way already; a send of such a one is refused (API 7.8).

    Raises:
        RefusedError: `send_refused`, it is not on its way, and a person must see why.
    """
    state = _state(case)
    if state in UNSENT | _FAILED:
        message = error.details.get("message", "") if error else "it failed before it was sent"
        request_id = error.request_id if error else None
        raise RefusedError("send_refused", {"state": state, "message": message}, request_id=request_id)
    _arrive(case, state, "adopted")


def _state(case: Case) -> str:
    there = case.there()
    if there is None:
        raise RefusedError("remote_missing", {"reference": case.job.reference or ""})
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
