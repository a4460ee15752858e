"""What follows an unknown outcome: look, compare, adopt; never repeat before it is certain.

A positive answer is final at any time. A negative one counts only after the quiet time, longer than B2Brouter
may still be working on the lost request, and only when a second look agrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from connector.domain.comparison import Difference, RemoteFigures, compare_heads, compare_totals
from connector.domain.errors import LookAgainError, NotSentError, RefusedError
from connector.domain.identity import (
    digest_of_frozen,
    file_digest,
    is_file_reference,
    legal_id_key,
    telling_tax_number,
)
from connector.domain.invoice import Invoice, Party
from connector.domain.recipient import is_for_chorus, is_siret, siret_of
from connector.ports import RemoteInvoice
from connector.steps.attempts import withdrawn
from connector.steps.case import LONGEST_PAUSE, Case

_LOOKS_NEEDED = 2


def find_ours(case: Case, *, asked_before: bool) -> RemoteInvoice | None:
    """Return the document at B2Brouter that we made, or that our lost request made; None if there is none.

    Where the operator has existing documents adopted, also the one that others made, if it is equal. What we
    withdrew is none of these, though it may show for a while, or keep its number.

    Args:
        case: the job.
        asked_before: whether a create of ours may have got through without our hearing of it.

    Raises:
        NotSentError: the look-up itself failed; the question stays open.
        RefusedError: the number belongs to a document that is not ours (`already_exists`), or several carry our mark.
    """
    asked = case.job if asked_before else case.invoice  # which may have another number by now
    rows = case.remote.find_invoices(asked.number or "", issued_on=asked.issue_date)
    gone = withdrawn(case) if rows else frozenset[str]()
    rows = [row for row in rows if row.id not in gone]
    details = [detail for row in rows if (detail := case.remote.read_invoice(row.id)) and _same_account(case, detail)]
    marked = [detail for detail in details if is_marked(case, detail)]
    marked = marked or [detail for detail in details if is_our_file(case, detail)]
    if len(marked) > 1:
        references = ", ".join(detail.id for detail in marked)
        raise RefusedError("found_twice", {"number": case.job.number or "", "references": references})
    if marked or not details:
        return marked[0] if marked else None
    invoice = case.invoice
    rivals = [detail for detail in details if _takes_the_number(invoice, detail)]
    unmarked = [
        detail
        for detail in rivals
        if not detail.file_reference and not differences(invoice, detail) and is_for_our_contact(case, detail)
    ]
    if asked_before and len(unmarked) == 1:
        return unmarked[0]
    if case.rules.adopt_existing and len(rivals) == 1 and is_anybodys(case, rivals[0]):
        return rivals[0]
    if rivals:
        raise RefusedError("already_exists", _foreign(case, rivals[0]))
    return None


def is_ours(case: Case, detail: RemoteInvoice) -> bool:
    """Whether we made it: it carries our mark, or it is the very file that we import."""
    return is_marked(case, detail) or is_our_file(case, detail)


def is_marked(case: Case, detail: RemoteInvoice) -> bool:
    """Whether it carries our mark; an imported document carries none."""
    return detail.file_reference == case.file_reference


def is_our_file(case: Case, detail: RemoteInvoice) -> bool:
    """Whether it was made from our file, byte for byte; whoever handed it in, it is this document (API 13.2)."""
    digest = digest_of_frozen(case.job.payload) or case.invoice.file_digest
    if digest is None or is_file_reference(detail.file_reference):
        return False
    original = case.remote.read_original(detail.id)
    return original is not None and file_digest(original) == digest


def is_anybodys(case: Case, detail: RemoteInvoice) -> bool:
    """Whether others made it for this very invoice: it is equal, and no connector made it for another one."""
    foreign = not is_file_reference(detail.file_reference)
    return foreign and _same_account(case, detail) and not _all_differences(case, detail)


def is_for_our_contact(case: Case, detail: RemoteInvoice) -> bool:
    """Whether it is addressed to the contact that our request named; an answer that names none is believed."""
    return detail.contact_id in {None, case.job.contact_id}


def is_told_by_number(buyer: Party, detail: RemoteInvoice) -> bool:
    """Whether the tax numbers, which were compared, tell whose document it is."""
    return bool(telling_tax_number(buyer.tax_number, buyer.country) and detail.contact_tax_number)


def _all_differences(case: Case, detail: RemoteInvoice) -> list[Difference]:
    """Compare the recipient by its contact, too, where no tax number tells: a body may have none."""
    found = differences(case.invoice, detail)
    if found or detail.contact_id is None or is_told_by_number(case.invoice.buyer, detail):
        return found
    return other_recipient(case, detail.contact_id)


def other_recipient(case: Case, contact_id: str, *, is_doubtful: bool = True) -> list[Difference]:
    """Return what tells that a contact is not the document's recipient: it has none of its numbers.

    The establishments of a French public body share all numbers but their SIRET. One that shows no number of that
    kind is another's where it `is_doubtful` whose document it is.
    """
    wanted, known_by = numbers_of(case.invoice.buyer), _numbers_there(case, contact_id)
    telling = {number for number in known_by if is_siret(number)} if is_for_chorus(case.invoice.buyer) else known_by
    if wanted & known_by or not (telling or is_doubtful):
        return []
    erp, there = (", ".join(sorted(numbers)) or "?" for numbers in (wanted, known_by))
    return [Difference(field="recipient", erp=erp, remote=there)]


def numbers_of(buyer: Party) -> set[str]:
    """Return what tells a recipient from all others; nothing where it has no number of its own."""
    if is_for_chorus(buyer):
        return {siret_of(buyer)}
    tax = telling_tax_number(buyer.tax_number, buyer.country)
    return {legal_id_key(legal.value) for legal in buyer.legal_ids} | ({tax} if tax else set())


def _numbers_there(case: Case, contact_id: str) -> set[str]:
    """Return the tax and registered numbers of a contact; a unit has those of its body."""
    contact = case.remote.read_contact(contact_id)
    if contact is None:
        return set()
    own = {legal_id_key(value) for _, value in contact.numbers}
    tax = telling_tax_number(contact.tax_number, case.invoice.buyer.country)
    inherited = _numbers_there(case, contact.parent_id) if contact.parent_id else set()
    return own | inherited | ({tax} if tax else set())


def _same_account(case: Case, detail: RemoteInvoice) -> bool:
    """One key may see many accounts (API section 16). An answer that names no account is believed."""
    return detail.account_id is None or detail.account_id in case.rules.own_accounts


def _takes_the_number(invoice: Invoice, detail: RemoteInvoice) -> bool:
    """A number counts once per series and year (API 13.1)."""
    same_series = (detail.series or None) == (invoice.series or None)
    if detail.issue_date is None or invoice.issue_date is None:
        return same_series
    return same_series and detail.issue_date.year == invoice.issue_date.year


def _foreign(case: Case, detail: RemoteInvoice) -> dict[str, str]:
    found = _all_differences(case, detail)
    return {
        "number": case.invoice.number or "",
        "reference": detail.id,
        "state": detail.state or "?",
        "comparison": join(found) if found else "it is equal in all that can be compared",
    }


def wait_or_conclude(case: Case, *, refusal: RefusedError | None = None) -> NoReturn:
    """After a look that did not find ours: look again later, or conclude that nothing had happened.

    Args:
        case: the job.
        refusal: why the request cannot be repeated as it was, once that is concluded.

    Raises:
        LookAgainError: too early to tell.
        NotSentError: it is certain enough that the lost request had no effect; it may be repeated.
        RefusedError: `outcome_unknown`, where the account's policy is to ask a person; or the refusal.
    """
    case.count_look()
    effect = str(case.job.open_effect)
    pause = pause_before_next(waited=case.waited(), looks=case.job.looks, quiet_time=case.rules.quiet_time)
    if pause is not None:
        raise LookAgainError("looking_up", {"effect": effect}, pause=pause)
    # A person who retries has looked and found nothing there either.
    if not case.rules.repeat_unknown and case.job.reason != "outcome_unknown":
        at = case.job.open_since.isoformat(timespec="seconds") if case.job.open_since else "?"
        facts = {"effect": effect, "at": at, "quiet": f"{case.rules.quiet_time:g}"}
        raise RefusedError("outcome_unknown", facts)
    case.settle_intent("not_sent")
    raise refusal or NotSentError("not_arrived", {"effect": effect})


def pause_before_next(*, waited: float, looks: int, quiet_time: float) -> float | None:
    """Return the seconds until the next look; None when no further one is needed.

    Args:
        waited: seconds since the lost request began.
        looks: how many looks have found nothing, this one included.
        quiet_time: seconds that must pass before "not there" is believed.
    """
    if waited >= quiet_time and looks >= _LOOKS_NEEDED:
        return None
    growing = min(LONGEST_PAUSE, 2.0 * 2 ** max(0, looks - 1))
    # The last look falls just behind the quiet time; a hair later, so that clocks cannot disagree.
    return max(0.5, min(growing, quiet_time - waited + 0.05)) if waited < quiet_time else 1.0


def differences(invoice: Invoice, remote: RemoteInvoice) -> list[Difference]:
    """Compare all that an answer states with the ERP's document."""
    figures = figures_of(remote)
    return compare_heads(invoice, figures) + compare_totals(invoice, figures)


def figures_of(remote: RemoteInvoice) -> RemoteFigures:
    """Pick what is to be compared."""
    taxes = remote.taxes
    return RemoteFigures(
        type=remote.type,
        number=remote.number,
        series=remote.series,
        issue_date=remote.issue_date,
        currency=remote.currency,
        subtotal=remote.subtotal,
        total=remote.total,
        taxes=None if taxes is None else [(tax.percent, tax.base, tax.amount) for tax in taxes],
        contact_tax_number=remote.contact_tax_number,
        is_credit_note=remote.is_credit_note,
    )


def join(found: Sequence[Difference]) -> str:
    """Say the differences in one breath."""
    return "; ".join(map(str, found))
