"""Which calculation settings of an account give an ERP's totals: found out from documents that the ERP made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connector.domain.comparison import compare_totals
from connector.domain.invoice import Invoice
from connector.domain.rounding import WAYS, Sheet, Way, compute


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How well one way of calculating gives the ERP's totals."""

    way: Way
    documents: int  # that were tried
    misses: int
    example: str | None  # number of a document whose totals would differ, the latest tried


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """The account's present way, and the best of all."""

    used: Fit
    best: Fit  # of equally good ways the one with the fewest changes
    unusable: int  # documents whose figures cannot be told to B2Brouter at all

    @property
    def improves(self) -> bool:
        """Whether another way gives more of the ERP's totals."""
        return self.best.misses < self.used.misses


def fitting(documents: Sequence[Invoice], sheet_of: Callable[[Invoice], Sheet], used: Way) -> Fitting:
    """Try the present way on all documents, and the eleven others where it fails.

    Args:
        documents: as the ERP made them, the latest last.
        sheet_of: the figures that B2Brouter would be told; a `ValueError` says that it cannot be.
        used: the settings of the account.
    """
    told: list[tuple[Invoice, Sheet]] = []
    for document in documents:
        try:
            told.append((document, sheet_of(document)))
        except ValueError:
            continue
    present = _fit(told, used)
    best = present
    if present.misses:
        fits = [_fit(told, way) for way in WAYS]
        best = min(fits, key=lambda fit: (fit.misses, len(used.changes_to(fit.way))))
    return Fitting(used=present, best=best, unusable=len(documents) - len(told))


def _fit(told: Sequence[tuple[Invoice, Sheet]], way: Way) -> Fit:
    missed = [invoice for invoice, sheet in told if compare_totals(invoice, compute(sheet, way).figures())]
    example = (missed[-1].number or missed[-1].key) if missed else None
    return Fit(way=way, documents=len(told), misses=len(missed), example=example)
