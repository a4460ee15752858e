"""`connector adapters test`: the rules of an adapter tried on a live source, by reading alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from config import logging as log
from connector.adapters import interface_of
from connector.cli.command import Command
from connector.cli.ending import GOOD, OUTSIDE
from connector.cli.output import Column
from connector.cli.session import Session
from connector.operations.texts import count
from connector.ports import Adapter

if TYPE_CHECKING:
    from connector.adapters.trial.sample import SampleValue
    from connector.domain.invoice import Invoice


@click.command("test", cls=Command)
@click.argument("source")
@click.option(
    "--documents",
    "most",
    type=click.IntRange(1, 100_000),
    default=500,
    show_default=True,
    help="How many documents are read.",
)
@click.pass_context
def try_source(context: click.Context, source: str, most: int) -> None:
    """Try the rules of an adapter on SOURCE by reading alone.

    Prints a verdict sheet, and three documents as they were mapped beside the ERP's own totals; for the adapter
    sql also the first row of each query, with columns that are missing or of the wrong type. Nothing is written.
    """
    from connector.adapters.trial.live import Trial
    from connector.cli.secrets import secrets_of

    session: Session = context.obj
    adapter = session.services.adapter(source)
    trial = Trial(adapter, most=most, secrets=list(secrets_of(session.settings)))
    sample = _sample(adapter)
    clean = log.redaction.clean
    findings = [replace(finding, message=clean(finding.message)) for finding in trial.findings()]
    documents = trial.shown()
    if session.json:
        session.output.record(
            {
                "source": source,
                "adapter": session.services.source_settings(source).adapter,
                "interface": interface_of(adapter),
                "sample": [asdict(value) for value in sample],
                "findings": [asdict(finding) for finding in findings],
                "documents": [_as_record(document) for document in documents],
            }
        )
    else:
        _show_sample(session, sample)
        session.output.table(
            [Column("rule", wraps=True), Column("verdict"), Column("what was seen", wraps=True)],
            [(finding.rule, finding.verdict.value, finding.message) for finding in findings],
        )
        _show_documents(session, documents)
    faults = sum(finding.verdict == "fail" for finding in findings) + sum(bool(value.problem) for value in sample)
    if faults and not session.json:
        session.output.line()
        session.output.line(f"{count(faults, 'fault')} found.", style="bold red")
    context.exit(OUTSIDE if faults else GOOD)


def _sample(adapter: Adapter) -> Sequence[SampleValue]:
    from connector.adapters.trial.sample import ShowsSample

    return adapter.sample() if isinstance(adapter, ShowsSample) else []


def _show_sample(session: Session, sample: Sequence[SampleValue]) -> None:
    if not sample:
        return
    session.output.table(
        [Column("query"), Column("column"), Column("first row", wraps=True), Column("what is wrong", wraps=True)],
        [(value.query, value.column, value.value, value.problem) for value in sample],
    )
    session.output.line()


def _show_documents(session: Session, documents: Sequence[Invoice]) -> None:
    from connector.adapters.trial.live import figures

    for document in documents:
        session.output.line()
        title = f"{document.number or document.key} of {document.issue_date}, {document.buyer.name}"
        session.output.line(f"{document.kind.value.replace('_', ' ')} {title}", style="bold")
        session.output.table(
            [
                Column(document.currency or ""),
                *(Column(name, right=True) for name in ("mapped", "ERP", "difference")),
            ],
            [
                (each.name, f"{each.mapped:f}", f"{each.erp:f}", f"{each.difference:f}" if each.difference else "")
                for each in figures(document)
            ],
        )


def _as_record(document: Invoice) -> dict[str, Any]:
    from connector.adapters.trial.live import figures

    return {
        "key": document.key,
        "company": document.company,
        "kind": document.kind.value,
        "number": document.number,
        "issue_date": document.issue_date and document.issue_date.isoformat(),
        "currency": document.currency,
        "customer": document.buyer.name,
        "lines": len(document.lines),
        "figures": [
            {"name": each.name, "mapped": f"{each.mapped:f}", "erp": f"{each.erp:f}"} for each in figures(document)
        ],
    }
