"""`python -m connector.demo`: builds the stage, runs the real sync, shows every fate, and checks it."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import click

from config import environment, settings
from connector.bootstrap import Services
from connector.cli import ending
from connector.cli.output import Column, Output
from connector.cli.sync import perform
from connector.demo import programs
from connector.demo.cases import CASES, Case
from connector.demo.erp import written
from connector.demo.stage import Stage
from connector.domain import catalogue
from connector.domain.errors import ConnectorError
from connector.domain.job import Status
from connector.domain.wording import sentences
from connector.ledger import Ledger
from connector.ledger.queries import Filter
from connector.ledger.records import Job
from connector.operations.texts import duration

_PATIENCE = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of one document."""

    case: Case
    job: Job | None
    reference: str | None  # in the ERP
    xref: str | None
    way: frozenset[str]  # what its timeline has
    cured: bool = False  # whether the cures have been carried out

    @property
    def word(self) -> str:
        """The fate in a word."""
        if self.job is None:
            return "not touched"
        return "issued" if self.is_issued else str(self.job.status)

    @property
    def is_issued(self) -> bool:
        """Whether the ledger says so."""
        return self.job is not None and self.job.status is Status.DONE

    @property
    def as_expected(self) -> bool:
        """Whether ledger and ERP both say what they must."""
        told_in_erp = (self.reference is not None, self.xref is not None)
        if told_in_erp != (self.is_issued, self.is_issued):
            return False
        if self.cured and self.case.cured:
            return self.is_issued
        if not self.case.touched:
            return self.job is None
        if self.job is None or (self.case.way and self.case.way not in self.way):
            return False
        return self.is_issued if self.case.reason is None else self.job.reason == self.case.reason

    @property
    def messages(self) -> dict[str, str]:
        """Why it is held, by language; nothing where it is not."""
        if self.job is None or self.job.reason is None:
            return {}
        entry = catalogue.reason(self.job.reason)
        return {language: entry.message(self.job.details, language) for language in catalogue.LANGUAGES}

    def record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "number": self.case.number,
            "story": self.case.story,
            "fate": self.word,
            "reason": self.job.reason if self.job else None,
            "message": self.job.message if self.job else None,
            "messages": self.messages,
            "action": self.job.cure if self.job else None,
            "cured": self.case.cured if self.cured else None,
            "reference": self.reference,
            "xref": self.xref,
            "as_expected": self.as_expected,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The two passes of one process, before and after the cures."""

    before: list[Fate]
    after: list[Fate]
    faults: list[ConnectorError]
    nothing_twice: bool
    seconds: float

    @property
    def cured(self) -> list[Fate]:
        """What somebody did something about."""
        return [fate for fate in self.after if fate.case.cured]

    @property
    def unexpected(self) -> list[str]:
        """The numbers of the documents that met another fate than theirs."""
        wrong = [fate.case for fate in (*self.before, *self.after) if not fate.as_expected]
        return list(dict.fromkeys(case.number or "the draft" for case in wrong))

    @property
    def good(self) -> bool:
        """Whether all is as it must be."""
        return self.nothing_twice and not self.unexpected and not self.faults


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", is_flag=True, help="Answer in JSON, for machines.")
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Leave configuration, ERP, ledger and B2Brouter's documents in this new folder.",
)
@click.option(
    "--lang", type=click.Choice(catalogue.LANGUAGES), default=catalogue.ENGLISH, help="Language of the cures."
)
def demo(json: bool, keep: Path | None, lang: str) -> int:
    """Watch a dozen invoices of an invented ERP meet their fates, and the held ones leave once they are cured.

    The real sync runs against a local B2Brouter that loses an answer and is unavailable for a while. Exit
    status 1 if any fate is not the expected one.
    """
    environment.set_aside()
    catalogue.speak(lang)
    folder = _folder(keep)
    try:
        return _play(folder, Output(json=json), kept=keep is not None)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="connector-demo-"))
    folder = keep.resolve()
    if folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{keep} is not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _play(folder: Path, output: Output, *, kept: bool) -> int:
    with Stage(folder, today=datetime.now(UTC).date()) as stage:
        day = _live_through(stage, output)
        if kept:
            stage.keep()
    if output.json:
        output.record(
            {
                "documents": [fate.record() for fate in day.before],
                "cured": [fate.record() for fate in day.cured],
                "ok": day.good,
                "seconds": round(day.seconds, 1),
            }
        )
    else:
        _show_end(output, day)
        _suggest(output, folder if kept else None)
    return ending.GOOD if day.good else ending.OUTSIDE


def _live_through(stage: Stage, output: Output) -> Day:
    began = time.monotonic()
    services = Services(settings.load(stage.config))
    try:
        _say(output, "One ERP, one B2Brouter that misbehaves, one sync …")
        first = perform(services, sources=None, patience=_PATIENCE, stop=Event(), output=output)
        before = _fates(services.ledger, stage.erp)
        if not output.json:
            _show(output, before)
        _say(output, "Now people cure the causes, each where it lies, and the same process goes on …")
        stage.cure()
        second = perform(services, sources=None, patience=_PATIENCE, stop=Event(), output=output)
        after = _fates(services.ledger, stage.erp, cured=True)
    finally:
        services.close()
    return Day(
        before=before,
        after=after,
        faults=[*first.faults, *second.faults],
        nothing_twice=stage.nothing_twice,
        seconds=time.monotonic() - began,
    )


def _say(output: Output, text: str) -> None:
    if not output.json:
        output.line(text)


def _fates(ledger: Ledger, erp: Path, *, cured: bool = False) -> list[Fate]:
    references = written(erp)
    jobs = {job.key: job for job in ledger.queries.jobs(Filter())}
    return [_fate(ledger, case, jobs.get(str(case.id)), *references[case.id], cured=cured) for case in CASES]


def _fate(
    ledger: Ledger, case: Case, job: Job | None, reference: str | None, xref: str | None, *, cured: bool
) -> Fate:
    way = frozenset(event.what for event in ledger.queries.timeline(job.id)) if job else frozenset()
    return Fate(case=case, job=job, reference=reference, xref=xref, way=way, cured=cured)


# ---------------------------------------------------------------- for people


def _show(output: Output, fates: list[Fate]) -> None:
    output.table(
        [
            Column("number"),
            Column("what is special", wraps=True),
            Column("fate"),
            Column("reason, or reference", wraps=True),
            Column("what to do", wraps=True),
        ],
        [_row(fate) for fate in fates],
    )
    issued = sum(fate.is_issued for fate in fates)
    held = sum(fate.word == "held" for fate in fates)
    untouched = sum(fate.word == "not touched" for fate in fates)
    output.line(f"{issued} issued; {held} held for a person; {untouched} not touched.")
    output.line()
    output.line("What people are told of the failures that the integration guides warn of:", style="bold")
    output.table(
        [Column("guide"), Column("number"), Column("language"), Column("why it is held", wraps=True)],
        [
            (fate.case.guide, fate.case.number or "", language, message)
            for fate in sorted(fates, key=lambda fate: fate.case.guide)
            if fate.case.guide
            for language, message in fate.messages.items()
        ],
    )
    output.line()


def _show_end(output: Output, day: Day) -> None:
    output.table(
        [Column("number"), Column("what was done", wraps=True), Column("fate"), Column("reference")],
        [
            (
                fate.case.number or "–",
                fate.case.cured,
                fate.word,
                fate.reference or (fate.job and fate.job.reason) or "",
            )
            for fate in day.cured
        ],
    )
    left = sum(fate.is_issued for fate in day.cured)
    output.line(f"{left} of {len(day.cured)} left by themselves; all in {duration(day.seconds)}.")
    for failure in map(ending.failure_of, day.faults):
        output.line(f"Failed: {sentences(failure.message, failure.action)}", style="bold red")
    if not day.nothing_twice:
        output.line("Something was made or sent twice at B2Brouter.", style="bold red")
    if day.unexpected:
        output.line(f"Not as expected: {', '.join(day.unexpected)}.", style="bold red")
    if day.good:
        output.line(
            "All as expected: each issued exactly once; the ERP has a reference for those issued, and for no other.",
            style="green",
        )


def _row(fate: Fate) -> tuple[str, ...]:
    job = fate.job
    why = fate.reference or (job.reason if job else None) or ""
    cure = (job.cure if job else None) or ""
    return (fate.case.number or "–", fate.case.story, fate.word, why, cure)


def _suggest(output: Output, folder: Path | None) -> None:
    output.line()
    if folder is None:
        output.line(f"To go on with it yourself: {programs.interpreter()} -m connector.demo --keep DIR")
        return
    connector = programs.connector()
    output.line("What to try next:", style="bold")
    for command in (
        f"{connector} simulator --state {folder / 'simulator.db'}     (in another terminal)",
        f"export CONNECTOR_CONFIG={folder / 'connector.toml'}",
        f"{connector} check",
        f"{connector} jobs --status held",
        f"{connector} --lang ca explain B-0109     (in Catalan; es and fr, too)",
        f"{connector} explain B-0110     (its answer was lost)",
        f"{connector} explain B-0106     (a cent too much, and how it left all the same)",
        f'{connector} skip B-0109 --note "typed in by hand"',
        f"{connector} sync",
    ):
        output.line(f"  {command}")


def main() -> None:
    """Run it as a program."""
    arguments = sys.argv[1:]
    sys.exit(
        ending.of(
            lambda: demo.main(arguments, prog_name="python -m connector.demo", standalone_mode=False),
            json="--json" in arguments,
        )
    )


if __name__ == "__main__":
    main()
