"""`connector retry`, `hold`, `release` and `skip`: what people do to invoices, by id or by filter."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click

from connector.cli.command import command
from connector.cli.ending import CommandError
from connector.cli.filters import account_option, filter_options, wanted
from connector.cli.finding import job_ids, one_job
from connector.cli.output import Column, Output
from connector.cli.session import Session
from connector.domain.errors import UsageError
from connector.domain.invoice import Kind
from connector.domain.job import Event, is_case
from connector.ledger import Ledger
from connector.ledger.actions import HOLD, RELEASE, RETRY, SKIP, Act, Preview
from connector.ledger.causes import Cause, grouped
from connector.ledger.originals import GIVEN_UP
from connector.ledger.records import Job
from connector.operations.acts import why_not
from connector.operations.records import cause_record
from connector.operations.texts import Sums, count, one_line

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_MOST_SHOWN = 20

_WORDS: Final = {
    "retry": ("would be tried again", "due again"),
    "hold": ("would be held back", "held back"),
    "release": ("would be released", "released"),
    "skip": ("would be left out for good", "left out for good"),
}
"""What an act would do, and has done."""

_LET_BE: Final = ("issued and changed since, would be let be", "issued and changed since, let be")
"""The same for skipping the case of an issued document."""


def _options(*, note_required: bool) -> Callable[[Decorated], Decorated]:
    """Add what the four commands share."""

    def decorate(function: Decorated) -> Decorated:
        for option in (
            click.option("--note", metavar="TEXT", required=note_required, help="Why; it stays in the timeline."),
            click.option("--dry-run", is_flag=True, help="Show what would change, and stop there."),
            filter_options,
            click.argument("names", metavar="[ID]...", nargs=-1),
        ):
            function = option(function)
        return function

    return decorate


@command("retry")
@_options(note_required=False)
@account_option
def retry(session: Session, **given: Any) -> None:
    """Try invoices again now: held and waiting ones, and those that wait for their next try.

    ID is what `connector jobs` shows; an invoice's number serves as well. What had been achieved stays: an
    invoice that was sent already is only written back.
    """
    _act(session, RETRY, **given)


@command("hold")
@_options(note_required=True)
@account_option
def hold(session: Session, **given: Any) -> None:
    """Keep invoices back that are not sent yet, until they are released.

    ID is what `connector jobs` shows; an invoice's number serves as well.
    """
    _act(session, HOLD, **given)


@command("release")
@click.option("--account", metavar="NAME", help="With --ramp: whose.")
@click.option("--ramp", is_flag=True, help="Open the next step of an account's first run, after a look at the last.")
@_options(note_required=False)
def release(session: Session, *, ramp: bool, account: str | None, **given: Any) -> None:
    """Let held or skipped invoices go on from where they stood.

    A correction whose original invoice is not issued here then goes all the same, with a reference to the
    original's number and date; that needs a note.

    ID is what `connector jobs` shows; an invoice's number serves as well. With --ramp, the next step of an
    account's first run is opened instead.
    """
    if not ramp:
        if account is not None:
            raise UsageError("--account goes with --ramp.", action="See: connector release --help")
        _act(session, RELEASE, **given)
        return
    from connector.cli import ramp as first_run

    note, dry_run = given.pop("note"), given.pop("dry_run")
    if any(given.values()):
        raise UsageError("--ramp is about a whole account, not about single invoices.")
    first_run.release(session, account, note, dry_run=dry_run)


@command("skip")
@_options(note_required=True)
@account_option
def skip(session: Session, **given: Any) -> None:
    """Leave invoices out for good: handled elsewhere, or never to be sent. `release` takes it back.

    Where an issued invoice was changed in the ERP afterwards, skip lets the difference be until it changes again.
    ID is what `connector jobs` shows; an invoice's number serves as well.
    """
    _act(session, SKIP, **given)


def _act(
    session: Session, act: Act, *, names: tuple[str, ...], dry_run: bool, note: str | None, **filters: Any
) -> None:
    if not names and not any(filters.values()):
        also = "" if act is RELEASE else ", --account"  # which goes with --ramp there
        raise UsageError(
            f"Say which invoices to {act.name}: ids, or --status, --reason, --source{also}.",
            action=f"See: connector {act.name} --help",
        )
    if note is not None and not note.strip():
        raise UsageError("The note is empty.", action='Say why, such as --note "sent on paper".')
    ledger = session.ledger_if_any()
    ids = [_id(ledger, name) for name in names]
    chosen = wanted(session, ids=ids, **filters)
    preview = ledger.actions.preview(act, chosen) if ledger else Preview(fitting=[], unfit=[])
    _existing(ids, preview)
    if act is RELEASE and not dry_run:
        _decided(preview, note)
    changed = [] if dry_run or not _agreed(session.output, act, preview) else _perform(ledger, act, preview, note)
    if session.json:
        session.output.record(_record(act, preview, changed, dry_run=dry_run))
    else:
        _tell(session.output, act, preview, changed, dry_run=dry_run)


def _id(ledger: Ledger | None, name: str) -> int:
    """An id is an id here, even where a number looks like one; anything else is looked for."""
    ids = job_ids([name.removeprefix("id:")])
    return ids[0] if ids else one_job(ledger, name).id


def _existing(ids: Sequence[int], preview: Preview) -> None:
    there = {job.id for job in (*preview.fitting, *preview.unfit)}
    missing = sorted(set(ids) - there)
    if missing:
        raise CommandError(
            f"There is no such invoice, or the other options leave it out: {', '.join(map(str, missing))}.",
            action="connector jobs shows the ids. Nothing was changed.",
            kind="not_found",
        )


def _decided(preview: Preview, note: str | None) -> None:
    """To release a correction without its original is a decision, and wants a reason."""
    without = next((job for job in preview.fitting if job.reason in GIVEN_UP), None)
    if without is not None and note is None:
        raise UsageError(
            f"{without.number} would go although its original invoice is not issued here: say why.",
            action='Add a note, such as --note "the original was sent on paper".',
        )


def _agreed(output: Output, act: Act, preview: Preview) -> bool:
    """Ask a person before more than one invoice changes; a script has thought before."""
    if not output.interactive or len(preview.fitting) < 2:
        return True
    _show_preview(output, act, preview)
    return click.confirm("Go ahead?")


def _perform(ledger: Ledger | None, act: Act, preview: Preview, note: str | None) -> list[int]:
    """Do it, originals before the credit notes that follow them."""
    if ledger is None:
        return []
    who, why = user(), note or f"{act.name} from the command line"
    originals = [job for job in preview.fitting if job.kind is Kind.INVOICE]
    followers = [job for job in preview.fitting if job.kind is not Kind.INVOICE]
    done = ledger.actions.perform(act, originals, who=who, note=why)
    return done + ledger.actions.perform(act, followers, who=who, note=why)


def user() -> str:
    """Return the name of the person at this terminal, for the timeline."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


# ---------------------------------------------------------------- telling


def _why_not(act: Act, job: Job) -> str:
    """Say why an act does not fit an invoice."""
    match why_not(act, job):
        case "running":
            return "it is being worked on at this moment"
        case "open_effect":
            return f"it is not known yet whether the {job.open_effect} reached B2Brouter"
        case "issued":
            return "it is issued already"
        case status:
            return f"it is {status}"


def _record(act: Act, preview: Preview, changed: Sequence[int], *, dry_run: bool) -> dict[str, Any]:
    return {
        "act": act.name,
        "dry_run": dry_run,
        "count": len(preview.fitting),
        "sums": _sums(preview.fitting).record(),
        "causes": [cause_record(cause) for cause in _causes(preview.fitting)],
        "ids": [job.id for job in preview.fitting],
        "changed": list(changed),
        "unfit": [
            {"id": job.id, "number": job.number, "status": str(job.status), "why": _why_not(act, job)}
            for job in preview.unfit
        ],
    }


def _told_apart(act: Act, jobs: Sequence[Job]) -> list[tuple[Sequence[Job], tuple[str, str]]]:
    """Return the jobs with the words for what happens to them; at least one entry, even for no job."""
    cases = [job for job in jobs if _is_let_be(act, job)]
    others = [job for job in jobs if not _is_let_be(act, job)]
    found: list[tuple[Sequence[Job], tuple[str, str]]] = [(cases, _LET_BE)] if cases else []
    return [*found, (others, _WORDS[act.name])] if others or not cases else found


def _is_let_be(act: Act, job: Job) -> bool:
    return act is SKIP and is_case(job.status, job.reason)


def _causes(jobs: Sequence[Job]) -> list[Cause]:
    return grouped(job for job in jobs if job.reason)


def _sums(jobs: Sequence[Job]) -> Sums:
    sums = Sums()
    for job in jobs:
        sums.add(job.kind, job.total, job.currency)
    return sums


def _tell(output: Output, act: Act, preview: Preview, changed: Sequence[int], *, dry_run: bool) -> None:
    if dry_run:
        _show_preview(output, act, preview)
        output.line("Nothing was changed: this was a dry run.")
        return
    performed = set(changed)
    for jobs, words in _told_apart(act, [job for job in preview.fitting if job.id in performed]):
        output.line(f"{count(len(jobs), 'invoice')} {words[1]}.")
    if len(changed) < len(preview.fitting):
        output.line(f"{len(preview.fitting) - len(changed)} changed meanwhile and were left alone.")
    _show_unfit(output, act, preview)
    if changed and act.event is Event.RELEASED:
        output.line("The daemon, or the next connector sync, takes them up.")


def _show_preview(output: Output, act: Act, preview: Preview) -> None:
    for jobs, words in _told_apart(act, preview.fitting):
        output.line(f"{count(len(jobs), 'invoice')} {words[0]}: {_sums(jobs).told()}.")
    for cause in _causes(preview.fitting)[:_MOST_SHOWN]:
        output.line(f"  {one_line(cause.message())}")
    shown = preview.fitting[:_MOST_SHOWN]
    if shown:
        output.table(
            [Column("id", right=True), Column("number", wraps=True), Column("status"), Column("reason", wraps=True)],
            [(str(job.id), job.number or "–", str(job.status), job.reason or "") for job in shown],
        )
    if len(shown) < len(preview.fitting):
        output.line(f"… and {len(preview.fitting) - len(shown):,} more.")
    _show_unfit(output, act, preview)


def _show_unfit(output: Output, act: Act, preview: Preview) -> None:
    if not preview.unfit:
        return
    output.line(f"{count(len(preview.unfit), 'invoice')} left alone:")
    output.table(
        [Column("id", right=True), Column("number", wraps=True), Column("why", wraps=True)],
        [(str(job.id), job.number or "–", _why_not(act, job)) for job in preview.unfit[:_MOST_SHOWN]],
    )
