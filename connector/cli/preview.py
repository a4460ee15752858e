"""`connector preview`: what would be sent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from connector.cli.command import command
from connector.cli.ending import GOOD, OUTSIDE
from connector.cli.output import Column, Output
from connector.cli.session import Session
from connector.cli.survey import Survey, Surveys, survey
from connector.domain.job import Status
from connector.operations.preflight import check_configuration
from connector.operations.texts import count

_RESTING = (Status.HELD, Status.WAITING, Status.SKIPPED)


@command("preview")
def preview(session: Session) -> int:
    """Show what would be sent: how many, which amounts, and which would be held for what reason.

    Reads the ERPs and judges every document that was not sent yet by the local rules. Nothing is written,
    and B2Brouter is not asked. Credit notes are subtracted from the amounts.
    """
    sources = session.sources()
    check_configuration(session.services, sources)
    found = _survey(session, sources)
    if session.json:
        session.output.record(found.record())
    else:
        _show(session.output, found)
        _show_resting(session, found)
    return OUTSIDE if found.failures else GOOD


def show_pass(session: Session, sources: Sequence[str]) -> int:
    """Show what `connector sync` would work on; see `preview`."""
    began = time.monotonic()
    found = _survey(session, sources)
    if session.json:
        session.output.record({**_as_a_pass(session, found, time.monotonic() - began), **found.record()})
    else:
        _show(session.output, found)
        _show_resting(session, found)
        session.output.line("Nothing was written or sent: this was a dry run.")
    return OUTSIDE if found.failures else GOOD


def _as_a_pass(session: Session, found: Surveys, seconds: float) -> dict[str, Any]:
    """The fields of a real pass: what would be found, and the ledger as it stands."""
    ledger = session.ledger_if_any()
    statuses = ledger.queries.by_status() if ledger else dict.fromkeys(Status, 0)
    return {
        "dry_run": True,
        "found": found.total.new,
        **{str(status): number for status, number in statuses.items()},
        "issued": 0,
        "seconds": round(seconds, 3),
    }


def _survey(session: Session, sources: Sequence[str]) -> Surveys:
    ledger = session.ledger_if_any()
    output = session.output
    if not output.terminal:
        return survey(session.services, ledger, sources)
    with output.console.status("Reading") as status:
        return survey(
            session.services,
            ledger,
            sources,
            seen=lambda source, number: status.update(f"Reading {source}: {number:,}"),
        )


# ---------------------------------------------------------------- for people


def _show(output: Output, found: Surveys) -> None:
    total = found.total
    output.line(
        f"{count(total.count, 'invoice')} to send: {total.new:,} new, {total.under_way:,} under way.", style="bold"
    )
    if total.count:
        output.facts(
            [
                ("amounts", total.sums.counted() or "none"),
                ("oldest", str(total.oldest or "?")),
                ("newest", str(total.newest or "?")),
                ("ready to go", f"{total.count - total.unusable:,}"),
                ("with problems", f"{total.unusable:,}"),
                ("with a reference", f"{total.referenced:,}, which the ERP has already"),
            ]
        )
    _show_left_out(output, total)
    if total.unsaid:
        output.line(f"{count(total.unsaid, 'invoice')} sent already; only the write-back into the ERP is due.")
    if len(found.by_source) > 1:
        _show_sources(output, found)
    if total.troubles:
        _show_troubles(output, total)
    for failure in found.failures:
        output.line(f"Failed: {failure.message}", style="bold red")
        if failure.action:
            output.line(f"        {failure.action}")


def _show_left_out(output: Output, total: Survey) -> None:
    """Say what is never sent: a start date that is wrong shows here."""
    if total.too_early:
        output.line(f"Left out: {count(total.too_early, 'invoice')} from before the start date.")
    if total.unmapped:
        output.line(f"Left out: {count(total.unmapped, 'invoice')} of companies that have no account.")


def _show_resting(session: Session, found: Surveys) -> None:
    ledger = session.ledger_if_any()
    statuses = dict(ledger.queries.by_status()) if ledger else {}
    statuses[Status.WAITING] = max(0, statuses.get(Status.WAITING, 0) - found.total.waiting)
    resting = [f"{number:,} {status}" for status in _RESTING if (number := statuses.get(status, 0))]
    if resting:
        session.output.line(f"In the ledger besides: {', '.join(resting)}.")


def _show_sources(output: Output, found: Surveys) -> None:
    output.line()
    output.table(
        [
            Column("source"),
            Column("invoices", right=True),
            Column("with problems", right=True),
            Column("amounts", wraps=True),
        ],
        [(name, f"{one.count:,}", f"{one.unusable:,}", one.sums.told()) for name, one in found.by_source.items()],
    )


def _show_troubles(output: Output, total: Survey) -> None:
    output.line()
    output.line("These would be held:", style="bold")
    output.table(
        [
            Column("reason", wraps=True),
            Column("count", right=True),
            Column("such as", wraps=True),
            Column("what to do", wraps=True),
        ],
        [
            (trouble.reason, f"{trouble.count:,}", trouble.example, f"{trouble.message} {trouble.action}")
            for trouble in total.by_count
        ],
    )
