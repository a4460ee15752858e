"""An invoice's totals side by side, as the ERP and B2Brouter have them at this moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from connector.bootstrap import Services
from connector.domain.correction import remote_sign
from connector.domain.errors import OutsideError
from connector.domain.invoice import Invoice
from connector.ledger.records import Job
from connector.ports import RemoteInvoice
from connector.steps.case import erp_errors, usable


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure on both sides; None where that side does not say it."""

    name: str  # subtotal, tax or total
    rate: Decimal | None = None  # of a tax, per cent
    erp: Decimal | None
    remote: Decimal | None

    @property
    def differs(self) -> bool:
        """Whether both sides say it, and not the same."""
        return self.erp is not None and self.remote is not None and self.erp != self.remote


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Both sides of one invoice."""

    currency: str | None
    lines: list[Line]
    state: str | None  # at B2Brouter
    is_there: bool  # whether B2Brouter was asked, and has the document


def compared(services: Services, job: Job) -> Compared:
    """Read the ERP's document and, where the job has a reference, B2Brouter's.

    Raises:
        ConnectorError: the ERP cannot be read, or the document is not in it.
        StepError: B2Brouter does not answer, or refuses.
    """
    if job.source not in services.settings.sources:
        raise OutsideError(f"The source {job.source} is not in the configuration any more.")
    with erp_errors():
        invoice = usable(services.erp(job.source).load([job.key]).get(job.key))
    remote = services.remote(job.account).read_invoice(job.reference) if job.reference else None
    return Compared(
        currency=invoice.currency,
        lines=list(_lines(invoice, remote)),
        state=remote.state if remote else None,
        is_there=remote is not None,
    )


def _lines(invoice: Invoice, remote: RemoteInvoice | None) -> Iterator[Line]:
    sign = remote_sign(invoice)
    totals = invoice.totals
    yield Line(name="subtotal", erp=totals.net * sign, remote=remote.subtotal if remote else None)
    erp: dict[Decimal, Decimal] = {}
    for tax in invoice.tax_totals:
        rate = tax.tax.percent or Decimal(0)
        erp[rate] = erp.get(rate, Decimal(0)) + tax.amount * sign
    there: dict[Decimal, Decimal] = {}
    for entry in (remote.taxes or ()) if remote else ():
        there[entry.percent] = there.get(entry.percent, Decimal(0)) + entry.amount
    for rate in sorted({*erp, *there}, reverse=True):
        yield Line(name="tax", rate=rate, erp=erp.get(rate), remote=there.get(rate))
    yield Line(name="total", erp=totals.payable * sign, remote=remote.total if remote else None)
