"""The promises of the reading half that can be judged by what it gives, whatever the ERP holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from connector.adapters.figures import rounds_to
from connector.adapters.trial.verdicts import RuleBrokenError, require
from connector.domain.errors import DocumentNotUsableError
from connector.domain.invoice import Invoice, Line, money
from connector.ports import UNKNOWN_COMPANY, Adapter, Found, Position

PAGE: Final = 1000

Documents = Mapping[str, Invoice | DocumentNotUsableError]


def pages(
    adapter: Adapter,
    size: int = PAGE,
    *,
    after: Position | None = None,
    since: date | None = None,
    companies: Sequence[str] | None = None,
) -> Iterator[Sequence[Found]]:
    """Yield page after page, as discovery asks for them.

    Raises:
        RuleBrokenError: a page is too long, out of order, or gives again what the last one gave.
    """
    while True:
        page = adapter.find(after, size, since=since, companies=companies)
        require(len(page) <= size, f"find was asked for {size} documents and gave {len(page)}")
        _require_order(after, page)
        yield page
        if len(page) < size:
            return
        after = page[-1].position


def listed(adapter: Adapter, size: int = PAGE, **filters: Any) -> list[Found]:
    """Return all heads; see `pages`."""
    return [found for page in pages(adapter, size, **filters) for found in page]


def keys_of(heads: Iterable[Found]) -> list[str]:
    """Return the keys of these documents, in their order."""
    return [head.key for head in heads]


def _require_order(after: Position | None, page: Sequence[Found]) -> None:
    last = after
    for found in page:
        stamp = found.changed_at
        require(
            stamp.tzinfo is not None and stamp.utcoffset() == timedelta(0),
            f"changed_at of document {found.key} is {stamp!r}, which is not an aware time in UTC",
        )
        if last is not None:
            require(
                last.changed_at <= stamp,
                f"find gives document {found.key} ({stamp}) after {last.key} ({last.changed_at}): that is no order",
            )
            require(
                (last.changed_at, last.key) != (stamp, found.key),
                f"find gives document {found.key} again, which it gave just before",
            )
        last = found.position


def require_same_heads(first: Sequence[Found], second: Sequence[Found], what: str) -> None:
    """See that two looks gave the same."""
    for one, other in zip(first, second, strict=False):
        require(one == other, f"{what}: {one} became {other}")
    lost = sorted(set(keys_of(first)) ^ set(keys_of(second)))
    require(len(first) == len(second), f"{what}: {len(first)} became {len(second)} documents ({', '.join(lost[:5])})")


def require_same_fingerprints(first: Documents, second: Documents) -> None:
    """See that unchanged documents have the fingerprint that they had."""
    for key, document in first.items():
        other = second.get(key)
        if isinstance(document, Invoice) and isinstance(other, Invoice):
            require(
                document.fingerprint() == other.fingerprint(),
                f"document {key} was read twice and has two fingerprints: {_differences(document, other)}",
            )
        else:
            require(type(document) is type(other), f"document {key} could be read once, and once it could not")


def require_confirmed(keys: Sequence[str], documents: Documents) -> None:
    """See that all that is listed is confirmed, and can be loaded."""
    for key in keys:
        document = documents.get(key)
        require(document is not None, f"find gives document {key}, which load does not know")
        if isinstance(document, Invoice):
            require(document.confirmed, f"find gives document {key}, which load says is not confirmed")


def require_heads_agree(heads: Sequence[Found], documents: Documents) -> None:
    """See that the list and the document say the same."""
    for head in heads:
        document = documents.get(head.key)
        if not isinstance(document, Invoice):
            continue
        pairs: dict[str, tuple[Any, Any]] = {
            "key": (head.key, document.key),
            "company": (head.company, document.company),
            "number": (head.number, document.number),
            "kind": (head.kind, document.kind),
            "issue_date": (head.issue_date, document.issue_date),
            "currency": (head.currency, document.currency),
            "total": (head.total, document.totals.payable),
        }
        for name, (listed_as, loaded_as) in pairs.items():
            require(
                listed_as == loaded_as, f"{name} of document {head.key} is {listed_as} in find, {loaded_as} in load"
            )


def require_exact(document: Invoice) -> None:
    """See that there is no binary fraction in a document.

    Raises:
        RuleBrokenError: names the first field that holds one.
    """
    place = next(_floats(document, ""), None)
    require(place is None, f"{place} of document {document.key} is a float; amounts are Decimal")


def require_lines_add_up(document: Invoice) -> None:
    """See that each line's price, quantity and discounts give its net amount."""
    for number, line in enumerate(document.lines, start=1):
        computed = net_of(line)
        require(
            rounds_to(computed, line.net_amount, document.currency),
            f"line {number} of document {document.key}: {line.quantity} at {line.net_price} less discounts gives"
            f" {computed}, the net amount is {line.net_amount}",
        )


def require_totals_add_up(document: Invoice) -> None:
    """See that net amount, tax and withholding make what is payable, and each tax what is its sum."""
    totals, unit = document.totals, money(document.currency or "").unit
    computed = totals.net + totals.tax + totals.withholding + totals.rounding
    require(
        abs(computed - totals.payable) < unit,
        f"document {document.key}: {totals.net} net, {totals.tax} tax and {totals.withholding} withheld give"
        f" {computed}, payable is {totals.payable}",
    )
    stated = sum((total.amount for total in document.tax_totals), Decimal(0))
    require(
        abs(stated - totals.tax - totals.withholding) < unit,
        f"document {document.key}: the taxes sum up to {stated}, not to {totals.tax + totals.withholding}",
    )


def net_of(line: Line) -> Decimal:
    """Return what a line's price, quantity, discounts and charges come to."""
    gross = line.quantity * line.net_price / line.base_quantity
    return gross + sum((part.amount if part.is_charge else -part.amount for part in line.allowances), Decimal(0))


def require_companies_apart(adapter: Adapter, heads: Sequence[Found], size: int = PAGE) -> None:
    """See that asking for a company gives its documents alone, and that each belongs to one that is known."""
    known = {company.key for company in adapter.companies()}
    heads = [head for head in heads if head.company != UNKNOWN_COMPANY]
    for head in heads:
        require(head.company in known, f"document {head.key} is of company {head.company}, which companies() lacks")
    for company in sorted({head.company for head in heads}):
        wanted = [head for head in heads if head.company == company]
        found: list[Found] = []
        for page in pages(adapter, size, companies=[company]):
            found += page
            if len(found) >= len(wanted):
                break
        strangers = [head for head in found if head.company != company]
        if strangers:
            raise RuleBrokenError(
                f"find for company {company} gives document {strangers[0].key} of company {strangers[0].company}"
            )
        missing = sorted(set(keys_of(wanted)) - set(keys_of(found)))
        require(not missing, f"find for company {company} does not give its document {', '.join(missing[:5])}")
    require(not adapter.find(None, 1, since=None, companies=[]), "find for no company at all gives a document")


def require_hidden(secret: str, texts: Iterable[str]) -> None:
    """See that a password is in none of these texts; the message does not tell it either."""
    for text in texts:
        require(secret not in text, f"the password is told: {text.replace(secret, '***')}")


def _floats(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, float):
        yield place
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _floats(getattr(value, field.name), f"{place}.{field.name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _floats(item, f"{place}[{position}]")


def _differences(one: Invoice, other: Invoice) -> str:
    names = [field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)]
    return ", ".join(names) or "no field differs"
