"""`connector link`: a document that exists at B2Brouter already, tied to its invoice after comparison."""

from __future__ import annotations

from dataclasses import asdict

import click

from connector.bootstrap import Services
from connector.cli.acts import user
from connector.cli.command import command
from connector.cli.ending import OUTSIDE, CommandError
from connector.cli.finding import one_job
from connector.cli.output import Column
from connector.cli.session import Session
from connector.domain.errors import DocumentNotUsableError, OutsideError, StepError
from connector.domain.invoice import Invoice
from connector.domain.job import Stage, Status
from connector.ledger import Ledger
from connector.ledger.records import Job
from connector.operations.preflight import check_account
from connector.ports import RemoteInvoice
from connector.steps.look_up import differences, join
from connector.supervision import at_the_end

_AT_REST = frozenset({Status.HELD, Status.WAITING, Status.PENDING})


@command("link")
@click.argument("name", metavar="ID")
@click.argument("reference", metavar="INVOICE_ID")
@click.option("--note", metavar="TEXT", required=True, help="Why; it stays in the timeline.")
def link(session: Session, name: str, reference: str, note: str) -> None:
    """Tie an invoice to a document that exists at B2Brouter: INVOICE_ID, as B2Brouter shows it.

    Both are compared first: type, number, date, currency, recipient, taxes and totals must be equal. The next
    sync then sends the document if it is still unsent, and writes its reference into the ERP.
    """
    services = session.services
    ledger = session.ledger_if_any()
    job = one_job(ledger, name)
    assert ledger is not None
    _may_be_linked(ledger, job, reference)
    invoice = _in_the_erp(services, job)
    there = _at_b2brouter(services, job, reference)
    _equal(session, invoice, there)
    _tie(ledger, job, invoice, there, note)
    if session.json:
        session.output.record({"id": job.id, "number": job.number, "reference": there.id, "state": there.state})
    else:
        session.output.line(
            f"{job.number} is tied to the document {there.id} at B2Brouter (state {there.state or 'unknown'})."
        )
        session.output.line("The daemon, or the next connector sync, goes on from there.")


def _may_be_linked(ledger: Ledger, job: Job, reference: str) -> None:
    if job.status not in _AT_REST:
        raise CommandError(
            f"{job.number} cannot be tied now: it is {job.status}.",
            action="Only what is held, waiting or pending can be.",
            kind="not_at_rest",
        )
    if job.stage.reached(Stage.CREATED):
        raise CommandError(
            f"{job.number} is tied to the document {job.reference} at B2Brouter already.", kind="tied_already"
        )
    others = [other for other in ledger.queries.find(reference) if _same_document(other, job, reference)]
    if others:
        raise CommandError(
            f"The document {reference} belongs to {others[0].number} (id {others[0].id}) already.",
            kind="tied_already",
        )


def _same_document(other: Job, job: Job, reference: str) -> bool:
    return other.id != job.id and other.account == job.account and other.reference == reference


def _in_the_erp(services: Services, job: Job) -> Invoice:
    document = services.erp(job.source).load([job.key]).get(job.key)
    if document is None:
        raise OutsideError(f"{job.number} is no longer in the ERP.", action="Restore it there first.")
    if isinstance(document, DocumentNotUsableError):
        raise document
    if not document.confirmed:
        raise OutsideError(f"{job.number} is not confirmed in the ERP.", action="Confirm it there first.")
    return document


def _at_b2brouter(services: Services, job: Job, reference: str) -> RemoteInvoice:
    check_account(services.settings, job.account)
    try:
        services.ensure_account(job.account)
        there = services.remote(job.account).read_invoice(reference)
    except StepError as error:
        raise at_the_end(services, job.account, error) from error
    if there is None:
        raise OutsideError(
            f"B2Brouter has no document {reference} that the account {job.account} may see.",
            action="Take the id from the document's address at B2Brouter.",
        )
    return there


def _equal(session: Session, invoice: Invoice, there: RemoteInvoice) -> None:
    found = differences(invoice, there)
    if not found:
        return
    if not session.json:
        session.output.table(
            [Column("what"), Column("in the ERP", wraps=True), Column("at B2Brouter", wraps=True)],
            [tuple(asdict(difference).values()) for difference in found],
        )
    raise CommandError(
        f"{invoice.number} and the document {there.id} differ: {join(found)}.",
        action="Correct the wrong one, or find the right document. Nothing was changed.",
        kind="differs",
        status=OUTSIDE,
        differences=[asdict(difference) for difference in found],
    )


def _tie(ledger: Ledger, job: Job, invoice: Invoice, there: RemoteInvoice, note: str) -> None:
    tied = ledger.actions.link(
        job,
        reference=there.id,
        remote_state=there.state,
        invoice=invoice,
        stage=Stage.CREATED,
        who=user(),
        note=note,
    )
    if not tied:
        raise OutsideError(f"{job.number} changed at this moment; nothing was written.", action="Try again.")
