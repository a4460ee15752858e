"""A live source tried by reading alone: a verdict sheet, and a few documents beside the ERP's own totals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from itertools import islice
from typing import Final

from connector.adapters.trial.reading import (
    Documents,
    keys_of,
    net_of,
    pages,
    require_companies_apart,
    require_confirmed,
    require_exact,
    require_heads_agree,
    require_hidden,
    require_lines_add_up,
    require_same_fingerprints,
    require_same_heads,
    require_totals_add_up,
)
from connector.adapters.trial.verdicts import Finding, NotTriedError, RuleBrokenError, judged, require
from connector.domain.errors import ConnectorError, DocumentNotUsableError
from connector.domain.invoice import ZERO, AllowanceCharge, Invoice, Tax, money
from connector.ports import Adapter, Found

_SMALL_PAGE: Final = 7
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """An amount as the mapped parts of a document give it, and as the ERP states it."""

    name: str
    mapped: Decimal
    erp: Decimal

    @property
    def difference(self) -> Decimal:
        """By how much the mapped parts are above the ERP's total."""
        return self.mapped - self.erp


class Trial:
    """Reads up to `most` documents of a source; nothing is ever written."""

    def __init__(self, adapter: Adapter, *, most: int, secrets: Sequence[str] = ()) -> None:
        self._adapter = adapter
        self._most = most
        self._secrets = secrets

    def findings(self) -> Iterator[Finding]:
        """Yield the verdict of one rule after the other."""
        rules: tuple[tuple[str, Callable[[], str]], ...] = (
            ("the check-up is content", self._check_up),
            ("the identity is the same each time and holds no password", self._identity),
            ("confirmed documents are found, in order", self._found),
            ("small pages give what large ones give", self._small_pages),
            ("finding twice gives the same keys and fingerprints", self._twice),
            ("documents of before a start date are left out", self._start_date),
            ("companies never mix", self._companies),
            ("what is found is confirmed", self._confirmed),
            ("every document can be read", self._readable),
            ("the list and the documents say the same", self._heads),
            ("unknown keys are left out", self._unknown),
            ("amounts are exact", lambda: self._each(require_exact)),
            ("the figures of each line give its net amount", lambda: self._each(require_lines_add_up)),
            ("totals add up", lambda: self._each(require_totals_add_up)),
            ("credit notes name their original", self._originals),
        )
        for name, rule in rules:
            yield judged(name, rule)

    def shown(self) -> Sequence[Invoice]:
        """Return a few documents worth a look: the newest, the one of most lines, and a credit note.

        None where the source cannot be read, which the findings tell.
        """
        try:
            usable = [document for document in self._documents.values() if isinstance(document, Invoice)]
        except (ConnectorError, RuleBrokenError):
            return []
        if not usable:
            return []
        newest_first = list(reversed(usable))
        credit_notes = [document for document in newest_first if document.is_credit_note]
        longest = max(newest_first, key=lambda document: len(document.lines))
        chosen = {document.key: document for document in (newest_first[0], longest, *credit_notes[:1], *newest_first)}
        return list(chosen.values())[:_SHOWN]

    # ------------------------------------------------------------ what is read

    @cached_property
    def _heads_read(self) -> Sequence[Found]:
        return self._first(self._most)

    @cached_property
    def _documents(self) -> Documents:
        return self._adapter.load(keys_of(self._heads_read))

    def _first(self, count: int, size: int = 200) -> list[Found]:
        return list(islice((found for page in pages(self._adapter, size) for found in page), count))

    @property
    def _some(self) -> Sequence[Found]:
        if not self._heads_read:
            raise NotTriedError("there is no confirmed document yet")
        return self._heads_read

    @property
    def _usable(self) -> Sequence[Invoice]:
        self._some  # noqa: B018  # says that there are none
        return [document for document in self._documents.values() if isinstance(document, Invoice)]

    # ------------------------------------------------------------ the rules

    def _check_up(self) -> str:
        rows = self._adapter.check()
        failed = next((row for row in rows if row.status == "failed"), None)
        if failed is not None:
            raise RuleBrokenError(f"{failed.name}: {failed.message} {failed.action}".strip())
        return "; ".join(f"{row.name}: {row.message}" for row in rows if row.status == "warning")

    def _identity(self) -> str:
        identity = self._adapter.identity()
        require(identity == self._adapter.identity(), "identity() changes from call to call")
        for secret in self._secrets:
            require_hidden(secret, [identity])
        return identity

    def _found(self) -> str:
        found = self._some
        more = " or more" if len(found) == self._most else ""
        return f"{len(found)}{more}, changed from {found[0].changed_at:%Y-%m-%d} to {found[-1].changed_at:%Y-%m-%d}"

    def _small_pages(self) -> str:
        large = self._some[: 8 * _SMALL_PAGE]
        require_same_heads(large, self._first(len(large), _SMALL_PAGE), f"in pages of {_SMALL_PAGE}")
        return ""

    def _twice(self) -> str:
        again = self._first(len(self._some))
        require_same_heads(self._some, again, "finding a second time")
        require_same_fingerprints(self._documents, self._adapter.load(keys_of(again)))
        return ""

    def _start_date(self) -> str:
        days = sorted(head.issue_date for head in self._some if head.issue_date is not None)
        if not days:
            raise NotTriedError("no document has an issue date")
        since = days[len(days) // 2]
        wanted = [head for head in self._some if head.issue_date is None or head.issue_date >= since]
        page = self._adapter.find(None, len(wanted), since=since, companies=None)
        require_same_heads(wanted, page, f"from {since} on")
        return f"tried with {since}"

    def _companies(self) -> str:
        require_companies_apart(self._adapter, self._some)
        return ", ".join(sorted({head.company for head in self._some}))

    def _confirmed(self) -> str:
        require_confirmed(keys_of(self._some), self._documents)
        return ""

    def _readable(self) -> str:
        bad = [found for found in self._documents.values() if isinstance(found, DocumentNotUsableError)]
        if bad:
            raise RuleBrokenError(f"{len(bad)} of {len(self._some)} cannot be read, such as: {bad[0].message}")
        return f"{len(self._some)} read"

    def _heads(self) -> str:
        require_heads_agree(self._some, self._documents)
        return ""

    def _unknown(self) -> str:
        loaded = self._adapter.load(["no-such-document"])
        require(not loaded, "load gives something for a key that does not exist")
        return ""

    def _each(self, rule: Callable[[Invoice], None]) -> str:
        for document in self._usable:
            rule(document)
        return ""

    def _originals(self) -> str:
        notes = [document for document in self._usable if document.is_credit_note]
        if not notes:
            raise NotTriedError("there is no credit note among the documents that were read")
        linked = [document for document in notes if document.original is not None]
        require(bool(linked), f"none of {len(notes)} credit notes does")
        return f"{len(linked)} of {len(notes)} do"


def figures(document: Invoice) -> Sequence[Figure]:
    """Return what the mapped lines and taxes come to, beside the ERP's totals."""
    unit, totals = money(document.currency or "").unit, document.totals
    net = sum((net_of(line) for line in document.lines), ZERO) + sum(map(_effect, document.allowances), ZERO)
    found = [Figure(name="net", mapped=net.quantize(unit, ROUND_HALF_UP), erp=totals.net)]
    for total in document.tax_totals:
        if total.tax.percent is not None:
            amount = (_base(document, total.tax) * total.tax.percent / 100).quantize(unit, ROUND_HALF_UP)
            found.append(Figure(name=_name(total.tax), mapped=amount, erp=total.amount))
    taxes = sum((total.amount for total in document.tax_totals), ZERO)
    return [*found, Figure(name="payable", mapped=totals.net + taxes + totals.rounding, erp=totals.payable)]


def _base(document: Invoice, tax: Tax) -> Decimal:
    lines = sum((line.net_amount for line in document.lines if tax in line.taxes), ZERO)
    return lines + sum((_effect(part) for part in document.allowances if tax in part.taxes), ZERO)


def _effect(part: AllowanceCharge) -> Decimal:
    return part.amount if part.is_charge else -part.amount


def _name(tax: Tax) -> str:
    return tax.source_name or f"{tax.kind.value} {tax.percent:f} %"
