"""Answers of the API as our values. Nobody else reads its fields.

Tolerant in form: wrapped or bare objects, both paging envelopes, numbers as text, fields and states never
seen before. Strict in substance: a figure that is there but cannot be read makes the whole answer unreadable,
for taking it as "not said" would let a wrong amount pass. Source: API reference 2.1-2.3, 5.2, 7.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from connector.b2brouter.exactjson import UnreadableError, decimal, mapping
from connector.domain.recipient import Delivery
from connector.ports import (
    RemoteAccount,
    RemoteContact,
    RemoteInvoice,
    RemoteReportSetting,
    RemoteTax,
    RemoteTaxReport,
)

Fields = Mapping[str, Any]

_LONGEST_COUNT = 18
"""Digits; nothing that is counted has more, and Python refuses to read thousands of them."""
_FLAGS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    `limit` is the page size that the server says it used, `total` the rows of the whole list; None where it is
    silent.
    """

    rows: Sequence[Fields]
    limit: int | None
    total: int | None

    def is_last(self, seen: int) -> bool:
        """Whether nothing follows, `seen` rows being known with this page's.

        A page shorter than the size that it names is the last, unless the list is said to be longer: the true size
        may be a smaller one.
        """
        is_short = self.limit is not None and 0 < self.limit > len(self.rows)
        return not self.rows or (is_short and (self.total is None or self.total <= seen))


def page(body: object, key: str) -> Page:
    """Return one page, paging fields at the top or in `meta` (API reference 2.2).

    Raises:
        UnreadableError: it is not a list of objects: such an answer is never "nothing there".
    """
    answer = mapping(body)
    rows = answer.get(key)
    if not isinstance(rows, list):
        raise UnreadableError(f"no list of {key}")
    meta = answer.get("meta")
    paging = meta if isinstance(meta, dict) else answer
    return Page([mapping(row) for row in rows], _count(paging.get("limit")), _count(paging.get("total_count")))


def account(body: object) -> RemoteAccount:
    """Read an account with its settings of calculation (API reference 4.1)."""
    fields = _unwrapped(body, "account")
    return RemoteAccount(
        id=identifier(fields),
        identifier=_text(fields.get("identifier")),
        name=_text(fields.get("name")),
        tax_number=_text(fields.get("tin_value")),
        country=_text(fields.get("country")),
        rounding_method=_text(fields.get("rounding_method")),
        round_before_sum=_flag(fields.get("round_before_sum")),
        apply_taxes_per_line=_flag(fields.get("apply_taxes_per_line")),
        archived=bool(_flag(fields.get("archived"))) or fields.get("status") == "archived",
        transactions_count=_count(fields.get("transactions_count")),
        transactions_limit=_count(fields.get("transactions_limit")),
    )


def transport(body: object) -> tuple[str, bool]:
    """Read one transport of an account: its code, and whether it is enabled (API reference 6.3)."""
    fields = _unwrapped(body, "transport")
    return _code(fields), _flag(fields.get("enabled")) is not False


def report_setting(body: object) -> RemoteReportSetting:
    """Read how an account reports to a tax authority (API reference 11)."""
    fields = _unwrapped(body, "tax_report_setting")
    return RemoteReportSetting(
        code=_code(fields).lower(),
        start_date=_day(fields.get("start_date") or None),
        enabled=_flag(fields.get("enabled")) is not False,
    )


def _code(fields: Fields) -> str:
    found = _text(fields.get("code"))
    if not found:
        raise UnreadableError("an object without code")
    return found


def contact(body: object, *, request_id: str | None = None) -> RemoteContact:
    """Read a contact (API reference 5.2)."""
    fields = _unwrapped(body, "contact")
    return RemoteContact(
        id=identifier(fields),
        name=_text(fields.get("name")),
        tax_number=_text(fields.get("tin_value")),
        legal_ids=tuple(_numbers(fields, "cin", "cin1", "cin2")),
        address=next(_numbers(fields, "pin"), None),
        country=_text(fields.get("country")),
        email=_text(fields.get("email")),
        integration_code=_text(fields.get("integration_code")),
        parent_id=_text(fields.get("parent_id")),
        is_public_body=_flag(fields.get("public_sector")) is True,
        transport=_text(fields.get("transport_type_code")),
        document=_text(fields.get("document_type_code")),
        request_id=request_id,
    )


def delivery(body: object) -> Delivery | None:
    """Read how the directory says that invoices reach a recipient (API reference 6.1); None if it does not say."""
    if body is None:
        return None
    way = _nested(mapping(body), "Invoice")
    transport, document = _text(way.get("transport_type_code")), _text(way.get("document_type_code"))
    return Delivery(transport, document) if transport and document else None


def _numbers(fields: Fields, *places: str) -> Iterator[tuple[str, str]]:
    for place in places:
        scheme, value = _text(fields.get(f"{place}_scheme")), _text(fields.get(f"{place}_value"))
        if scheme and value:
            yield scheme.zfill(4), value


def invoice(body: object, *, request_id: str | None = None) -> RemoteInvoice:
    """Read an invoice, of a list or in detail (API reference 7.3)."""
    fields = _unwrapped(body, "invoice")
    recipient = _nested(fields, "contact")
    return RemoteInvoice(
        id=identifier(fields),
        type=_text(fields.get("type")),
        number=_text(fields.get("number")),
        series=_text(fields.get("series_code")),
        state=_text(fields.get("state")),
        issue_date=_day(fields.get("date")),
        currency=_text(fields.get("currency")),
        subtotal=_amount(fields.get("subtotal")),
        total=_amount(fields.get("total")),
        taxes=_taxes(fields.get("taxes")),
        is_credit_note=_flag(fields.get("is_credit_note")),
        file_reference=_text(fields.get("file_reference")),
        contact_id=_text(recipient.get("id")) or _text(fields.get("contact_id")),
        contact_tax_number=_text(recipient.get("tin_value")) or _text(_nested(fields, "buyer").get("tin_value")),
        account_id=_text(_nested(fields, "account").get("id")) or _text(fields.get("account_id")),
        legal_url=_text(fields.get("download_legal_url")),
        errors=tuple(_errors(fields)) + _beside(body, fields),
        attachments=_attachments(fields.get("attachments")),
        state_changed_at=_instant(fields.get("state_updated_at")),
        state_note=_why(fields),
        tax_report_ids=_report_ids(fields),
        deleted=bool(_flag(fields.get("deleted"))),
        request_id=request_id,
    )


def named(body: object) -> RemoteInvoice:
    """Read which document one is, and nothing else of it."""
    fields = _unwrapped(body, "invoice")
    return RemoteInvoice(id=identifier(fields), number=_text(fields.get("number")))


def news(body: object, *, request_id: str | None = None) -> RemoteInvoice:
    """Read how an invoice fares, of a list or in detail (API reference 7.3), and nothing else.

    No figure is asked for: one that cannot be read must not hide this state, nor those of all others in the list.
    """
    fields = _unwrapped(body, "invoice")
    return RemoteInvoice(
        id=identifier(fields),
        state=_text(fields.get("state")),
        state_changed_at=_instant(fields.get("state_updated_at")),
        state_note=_why(fields),
        tax_report_ids=_report_ids(fields),
        deleted=bool(_flag(fields.get("deleted"))),
        request_id=request_id,
    )


def _report_ids(fields: Fields) -> tuple[str, ...]:
    return tuple(filter(None, map(_text, _list(fields.get("tax_report_ids")))))


def _attachments(value: object) -> tuple[str, ...] | None:
    """Return the names of the files; the reference tells of their links alone, so a name may be missing."""
    if not isinstance(value, list):
        return None
    return tuple(_file_name(entry) for entry in value)


def _file_name(entry: object) -> str:
    fields = entry if isinstance(entry, dict) else {}
    return next((name for key in ("filename", "file_name", "name") if (name := _text(fields.get(key)))), "")


def tax_report(body: object) -> RemoteTaxReport:
    """Read a tax report, of a list, in detail or in an event (API reference 11)."""
    fields = _unwrapped(body, "tax_report")
    kind = _text(fields.get("type"))
    return RemoteTaxReport(
        id=identifier(fields),
        reference=_text(fields.get("invoice_id")),
        kind=kind and kind.lower(),
        label=_text(fields.get("label")),
        state=_text(fields.get("state")),
        changed_at=_instant(fields.get("updated_at")),
        url=_text(fields.get("identifier")),
        qr=_text(fields.get("qr")),
        problem="; ".join([*messages(fields.get("errors")), *messages(fields.get("warnings"))]) or None,
        corrects=bool(fields.get("correction") or fields.get("annullation")) or None,
        corrected_by=_text(fields.get("corrected_by_id")) or _text(fields.get("annulled_by_id")),
    )


def signing_secret(body: object) -> str:
    """Read the secret of a webhook that was just made (API reference 10.1)."""
    secret = _text(_unwrapped(body, "web_hook").get("signing_secret"))
    if not secret:
        raise UnreadableError("a webhook without secret")
    return secret


def state(body: object) -> str | None:
    """Return the state that an answer shows, if it shows one; an empty answer shows none."""
    if body is None:
        return None
    return _text(_unwrapped(body, "invoice").get("state"))


def identifier(fields: Fields) -> str:
    """Return the id of an object as text: a number in the API, a text in its mocks (API reference 2.1).

    Raises:
        UnreadableError: there is none.
    """
    found = _text(fields.get("id"))
    if not found:
        raise UnreadableError("an object without id")
    return found


# ---------------------------------------------------------------- values


def _unwrapped(body: object, key: str) -> Fields:
    answer = mapping(body)
    inner = answer.get(key)
    return inner if isinstance(inner, dict) else answer


def _nested(fields: Fields, key: str) -> Fields:
    inner = fields.get(key)
    return inner if isinstance(inner, dict) else {}


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value) or None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else _FLAGS.get(str(value))


def _count(value: object) -> int | None:
    text = _text(value)
    if not text or len(text) > _LONGEST_COUNT or not (text.isascii() and text.isdigit()):
        return None
    return int(text)


def _amount(value: object) -> Decimal | None:
    return None if value is None else decimal(value)


def _day(value: object) -> date | None:
    """Return the day of a date, with or without a time behind it."""
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError as error:
        raise UnreadableError("not a date") from error


def _instant(value: object) -> datetime | None:
    """Return an aware instant in UTC; one that cannot be read is not known, and nothing of value hangs on it."""
    try:
        instant = datetime.fromisoformat(str(value or ""))
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


def _why(fields: Fields) -> str | None:
    """Return why a document was refused or not delivered (API reference 9): the receiver's words and code first."""
    for text, code in (("refuse_reason", "refuse_reason_code"), ("error_message", "error_code")):
        told = [part for part in (_text(fields.get(text)), _text(fields.get(code))) if part]
        if told:
            return " / ".join(told)
    return "; ".join(messages(fields.get("errors"))) or None


def _taxes(value: object) -> tuple[RemoteTax, ...] | None:
    """Return the breakdown; None where there is none, or where entries lack percent or amount, as in rows."""
    if not isinstance(value, list):
        return None
    entries = [mapping(entry) for entry in value]
    if any(entry.get("percent") is None or entry.get("amount") is None for entry in entries):
        return None
    return tuple(_tax(entry) for entry in entries)


def _tax(entry: Fields) -> RemoteTax:
    return RemoteTax(
        percent=decimal(entry["percent"]), base=_amount(entry.get("base")), amount=decimal(entry["amount"])
    )


def _errors(fields: Fields) -> Iterable[str]:
    """Yield what keeps a stored document from being delivered (API reference 3.1, last row)."""
    yield from messages(fields.get("errors"))
    yield from messages(fields.get("error_message"))


def _beside(body: object, fields: Fields) -> tuple[str, ...]:
    answer = mapping(body)
    return () if answer is fields else tuple(messages(answer.get("errors")))


def messages(value: object) -> Iterable[str]:
    """Yield the texts of an `errors` entry, whether texts, objects, or lists of them by field."""
    if isinstance(value, list):
        for entry in value:
            yield from messages(entry)
    elif isinstance(value, dict):
        yield from _of_object(value)
    elif isinstance(value, str) and value.strip():
        yield " ".join(value.split())


def _of_object(entry: Fields) -> Iterable[str]:
    for name in ("message", "error", "description"):
        if entry.get(name):
            yield from messages(entry[name])
            return
    for field, value in entry.items():
        yield from (f"{field} {text}" for text in messages(value))
