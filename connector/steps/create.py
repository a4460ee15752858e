"""Make the document exist at B2Brouter exactly once, unsent, whatever earlier attempts left behind.

It is posted with our figures; or, where the ERP's document is a file already, imported byte for byte.

An open question is settled before anything else happens to the job.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from connector.domain import evidence, identity
from connector.domain.channels import ways_beside
from connector.domain.errors import (
    MisconfiguredError,
    OutcomeUnknownError,
    RefusedError,
    StepError,
)
from connector.domain.job import Effect, Stage
from connector.domain.recipient import Delivery, unit_of
from connector.domain.remote_state import was_handed_over
from connector.ledger.records import Entry, issuing
from connector.ports import RemoteInvoice
from connector.steps.attempts import TAKEN, all_had_these_bytes, goes_again, is_repeated, was_anothers, was_taken
from connector.steps.await_original import names_original
from connector.steps.case import Case
from connector.steps.check_vat_number import check_vat_number
from connector.steps.doubt_contact import doubt_contact
from connector.steps.find_contact import found_by_number
from connector.steps.look_up import find_ours, is_anybodys, is_marked, is_ours, wait_or_conclude
from connector.steps.validate import belongs_here, validate


def settle(case: Case) -> RemoteInvoice:
    """Answer the open question of an earlier create.

    Raises:
        NotSentError: it certainly came to nothing and may be repeated.
        RefusedError: `already_exists`, it certainly came to nothing, and the number is another document's by now.
        StepError: see `look_up`; the question stays open.
    """
    try:
        found = find_ours(case, asked_before=True)
    except RefusedError as error:
        if error.reason != "already_exists":
            raise
        is_renumbered = case.invoice.number != case.job.number
        wait_or_conclude(case, refusal=None if is_renumbered else error)
    if found is None:
        wait_or_conclude(case)
    return _arrive(case, found, "adopted", **_unlike(case, found, alike=all_had_these_bytes(case)))


def create(case: Case) -> RemoteInvoice:
    """Create the document, unless the ERP remembers that it was issued: its reference is our second memory.

    A document that exists as a file is imported as it is; all else is the same.

    Raises:
        StepError: see `Remote.create_invoice`; `number_clash`, another job owns the number.
    """
    if case.invoice.reference or case.invoice.xref:
        return _remembered(case)
    make = _posting(case) if case.invoice.file_digest is None else _importing(case, case.invoice.file_digest)
    try:
        with case.effect():
            made = make()
    except (RefusedError, MisconfiguredError) as error:
        _doubt_contact(case, error)
        found = _made_before(case, error)
        if found is None:
            raise
        alike = all_had_these_bytes(case, refused=True)
        return _take_over(case, found, **_unlike(case, found, alike=alike))
    return _arrive(case, made, "reached")


def _made_before(case: Case, error: RefusedError | MisconfiguredError) -> RemoteInvoice | None:
    """Return the document on whose account another one was refused, in whatever words; None where there is none."""
    if error.reason == "number_taken":
        return _taken(case, error)
    is_unclear = error.reason == "refused_by_b2brouter" and is_repeated(case)
    return find_ours(case, asked_before=False) if is_unclear else None


_RECIPIENT: Final = re.compile(r"(^|[.\[])(contact|client)")
"""What a parameter's name is like that names the recipient."""


def _doubt_contact(case: Case, error: RefusedError | MisconfiguredError) -> None:
    """Have the contact looked for anew where it may be what was refused; an import names none by its id.

    Raises:
        LookAgainError: see `doubt_contact`.
        NotSentError: `contact_missing`.
    """
    is_named = _RECIPIENT.search(error.details.get("param", "")) is not None
    if is_named or case.invoice.file_digest is None:
        doubt_contact(case, case.job.contact_id or "", error, is_named=is_named)


Make = Callable[[], RemoteInvoice]


def _posting(case: Case) -> Make:
    payload = _payload(case)
    case.begin(Effect.CREATE, payload=payload, version=case.remote.api_version, invoice=case.invoice)
    return lambda: case.remote.create_invoice(payload)


def _importing(case: Case, digest: str) -> Make:
    """The ledger keeps the file's digest in place of its bytes: whatever else the file says is never sent."""
    content, number, delivery = case.file(), case.invoice.number or "", _only_way(case)
    case.begin(Effect.IMPORT, payload=identity.frozen_file(digest), invoice=case.invoice)
    return lambda: case.remote.import_invoice(content, number=number, delivery=delivery)


def _only_way(case: Case) -> Delivery | None:
    """Return the only way that leads to a file's recipient: which contact gets it, B2Brouter decides by the file.

    Where several lead there, the one that people chose for the customer is told again: an import overwrites it.
    """
    buyer = case.invoice.buyer
    usual = case.remote.usual_delivery(buyer) or case.remote.usual_delivery(buyer, unit_of(case.invoice))
    ways = ways_beside(usual.transport) if usual else ()
    if usual is None or len(ways) < 2:
        return usual
    found = next(filter(None, found_by_number(case.remote, buyer)), ())
    known = [(there.transport, there.document or usual.document) for there in found]
    chosen = (Delivery(transport, document) for transport, document in known if transport in ways)
    return next((way for way in chosen if way != usual), usual)


def adopt(case: Case) -> RemoteInvoice | None:
    """Take over an equal document that others made at B2Brouter before us, where the operator wants that.

    It is looked for before anything is posted, one call more for every document. One that is still unsent must
    pass the same rules as ours, for it will be sent; what others have sent is only taken note of.

    Where another's document had our number at the last look, it is looked for again in any case: the number guard
    may be off.

    Returns:
        The document; None where there is none, or where none is looked for.

    Raises:
        RefusedError: `already_exists`, it differs; `number_clash`, it belongs to another job.
        StepError: the look-up failed, or an unsent one does not pass validation.
    """
    invoice = case.invoice
    known_by = invoice.number and invoice.issue_date and not (invoice.reference or invoice.xref)
    if not known_by or not (case.rules.adopt_existing or was_anothers(case, invoice.number or "")):
        return None
    belongs_here(case)
    case.job = case.ledger.jobs.claim(case.job, invoice)
    found = find_ours(case, asked_before=False)
    if found is None:
        return None
    if not was_handed_over(found.state):
        validate(case)
        check_vat_number(case)
    alike = case.job.fingerprint == case.invoice.fingerprint() and all_had_these_bytes(case)
    return _take_over(case, found, **_unlike(case, found, alike=alike))


def _take_over(case: Case, found: RemoteInvoice, **values: Any) -> RemoteInvoice:
    """Go on with a document that is there already; what was frozen here did not make one that is not ours."""
    ours = is_ours(case, found)
    values = issuing(case.invoice) | ({} if ours else {"payload": None}) | values
    return _arrive(case, found, "adopted" if ours else "taken_over", **values)


def _unlike(case: Case, found: RemoteInvoice, *, alike: bool) -> dict[str, Any]:
    """Return what makes an unsent document of ours start over, unless it says what the bytes frozen now say.

    Our mark proves whose it is, not which of our requests made it: of that, the comparison sees head and totals.
    """
    return {} if alike or was_handed_over(found.state) or not is_marked(case, found) else {"fingerprint": None}


def _remembered(case: Case) -> RemoteInvoice:
    """Adopt the document whose reference the ERP holds: this ledger is younger than that, or was restored.

    Raises:
        RefusedError: `erp_reference_exists`, it is not a document that we made for this one.
    """
    reference = case.invoice.reference or ""
    ours = identity.xref(case.remote.environment, case.remote.account_id, reference)
    if reference and case.invoice.xref in {None, ours}:
        case.pay()
        there = case.remote.read_invoice(reference)
        if there is not None and _is_remembered(case, there):
            # From here on the ERP's content of now is what the document is held against.
            return _take_over(case, there)
    facts = {"reference": reference or "?", "xref": case.invoice.xref or "?"}
    raise RefusedError("erp_reference_exists", facts)


def _is_remembered(case: Case, there: RemoteInvoice) -> bool:
    """We made it; or, where existing documents are adopted, an earlier integration did, and it is equal."""
    if is_ours(case, there):
        return True
    return case.rules.adopt_existing and is_anybodys(case, there)


def _payload(case: Case) -> bytes:
    """The bytes of a lost attempt that was not found go again as they were, unless the document changed."""
    invoice, frozen = case.invoice, case.job.payload
    if frozen is not None and case.job.fingerprint == invoice.fingerprint() and goes_again(case):
        return frozen
    if case.own_email and not invoice.buyer_email:
        invoice = replace(invoice, buyer_email=case.own_email)
    if not names_original(case):
        invoice = replace(invoice, original=None)
    return case.remote.invoice_payload(
        invoice, contact_id=case.job.contact_id or "", file_reference=case.file_reference
    )


def _taken(case: Case, error: RefusedError | MisconfiguredError) -> RemoteInvoice:
    """Somebody's create succeeded: ours, in an earlier life of this ledger, or another's.

    A document that is not found although its number is taken may only be late in the list: it is looked for
    during one quiet time from then on, and only when the number is still taken after that, a person is asked.
    That the number is taken is remembered whatever becomes of the look-up: this create made nothing.
    """
    number = case.invoice.number or ""
    try:
        found = find_ours(case, asked_before=False)
        if found is None and was_taken(case, number):
            facts = {**error.details, "number": number}
            raise RefusedError("number_taken", facts, request_id=error.request_id) from error
    except RefusedError:
        case.settle_intent("refused")
        raise
    except StepError as failure:
        failure.details[TAKEN] = number
        raise
    if found is None:
        facts = {"effect": str(case.job.open_effect), TAKEN: number}
        raise OutcomeUnknownError("looking_up", facts, request_id=error.request_id) from error
    return found


def _arrive(case: Case, made: RemoteInvoice, what: str, **values: Any) -> RemoteInvoice:
    entry = Entry(
        what=what,
        effect=case.job.open_effect or Effect.CREATE,
        outcome="done",
        request_id=made.request_id,
        answer=evidence.packed(case.remote.last_answer()) if what == "reached" else None,
        details={"reference": made.id},
    )
    reach = case.owe if what == "reached" else case.advance
    reach(Stage.CREATED, entry=entry, reference=made.id, remote_state=made.state, **values)
    return made
