"""The files of a verified document, each uploaded once, before it is sent (API reference 7.10).

B2Brouter keeps a file as often as it is told. What stands there is read before anything is uploaded, and again after
a lost answer: a file is known by its name, which no other of the document has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from connector.domain.errors import RefusedError
from connector.domain.invoice import Attachment
from connector.domain.job import Effect
from connector.domain.remote_state import UNSENT, was_handed_over
from connector.ports import Attaches, File, RemoteInvoice
from connector.steps.case import Case, erp_errors
from connector.steps.look_up import wait_or_conclude
from connector.steps.withdraw import start_over_if_changed, start_over_if_missing, withdraw


def attach(case: Case) -> bool:
    """Upload what is not there yet; return whether the document can be sent, else it starts over.

    A file that changed in the ERP makes another fingerprint, and so another document.

    Raises:
        RefusedError: `attachment_unreadable`, `attachment_refused`, `attachments_unclear` or `remote_missing`.
        LookAgainError: a lost upload may still be on its way.
        NotSentError: a lost upload certainly came to nothing, or the files cannot be read now.
    """
    if case.job.open_effect is Effect.SEND or was_handed_over(case.job.remote_state):
        return True
    if start_over_if_changed(case):
        return False
    wanted = case.invoice.attachments
    if not wanted:
        return True
    there = case.there()
    if there is None:
        start_over_if_missing(case)
        return False
    if _is_twice(wanted, there) and withdraw(case):
        return False  # a file cannot be taken back alone
    missing = _missing(case, wanted, there)
    if case.job.open_effect is Effect.ATTACH:
        if missing:
            wait_or_conclude(case)
        case.settle_intent("done", file=", ".join(one.name for one in wanted))
    return not missing or _upload_all(case, missing, there)


def _missing(case: Case, wanted: Sequence[Attachment], there: RemoteInvoice) -> Sequence[Attachment]:
    """Return what is still to be uploaded.

    Raises:
        RefusedError: `attachments_unclear`: there are others, which may be ours under other names.
    """
    shown = there.attachments
    missing = [one for one in wanted if one.name not in (shown or ())]
    if shown is not None and (not missing or set(shown) <= {one.name for one in wanted}):
        return missing
    if case.job.reason == "attachments_unclear":
        return []  # a person who retries has seen to it
    listed = ", ".join(name or "?" for name in shown or ()) or "?"
    facts = {"reference": there.id, "files": ", ".join(one.name for one in wanted), "there": listed}
    raise RefusedError("attachments_unclear", facts)


def _is_twice(wanted: Sequence[Attachment], there: RemoteInvoice) -> bool:
    """Whether a lost upload was carried out beside its repetition."""
    shown = Counter(there.attachments or ())
    return any(shown[one.name] > 1 for one in wanted)


def _upload_all(case: Case, missing: Sequence[Attachment], there: RemoteInvoice) -> bool:
    names = ", ".join(one.name for one in missing)
    state = case.take_over_state(there)  # by it the document is not posted without what is missing
    if was_handed_over(state):
        case.warn("attachment_late", {"reference": there.id, "state": state, "files": names})
    if state not in UNSENT:
        return True
    files = _files(case)
    bad = [one.name for one in missing if one.name not in files or len(files[one.name].content) != one.size]
    if not bad:
        return all(_upload(case, files[one.name], is_view=one.is_view) for one in missing)
    case.reread()
    if start_over_if_changed(case):
        return False
    raise RefusedError("attachment_unreadable", {"file": ", ".join(bad)})


def _files(case: Case) -> Mapping[str, File]:
    assert isinstance(case.adapter, Attaches), "only such an adapter tells of attachments"
    with case.asking_erp(), erp_errors():
        return {file.name: file for file in case.adapter.attachments(case.job.key)}


def _upload(case: Case, file: File, *, is_view: bool) -> bool:
    """Upload one file; return whether the document was there to take it."""
    case.begin(Effect.ATTACH)
    try:
        with case.effect():
            case.remote.add_attachment(case.job.reference or "", file.name, file.content, is_view=is_view)
    except RefusedError as error:
        if error.reason == "remote_missing":
            start_over_if_missing(case)
            return False
        facts = {"file": file.name, "message": error.details.get("message", error.reason)}
        raise RefusedError("attachment_refused", facts, request_id=error.request_id) from error
    case.settle_intent("done", file=file.name)
    return True
