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

from config import settings
from connector.bootstrap import Services
from connector.cli import ending
from connector.cli.output import Column, Output
from connector.cli.sync import perform
from connector.cli.texts import duration
from connector.demo.cases import CASES, Case
from connector.demo.erp import written
from connector.demo.stage import Stage
from connector.domain.job import Status
from connector.foreground import Result
from connector.ledger import Ledger
from connector.ledger.queries import Filter
from connector.ledger.records import Job

_PATIENCE = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of one document."""

    case: Case
    job: Job | None
    reference: str | None  # in the ERP
    xref: str | None
    way: frozenset[str]  # what its timeline has

    @property
    def word(self) -> str:
        """The fate in a word."""
        if self.job is None:
            return "not touched"
        return "issued" if self.job.status is Status.DONE else str(self.job.status)

    @property
    def as_expected(self) -> bool:
        """Whether ledger and ERP both say what they must."""
        issued = self.job is not None and self.job.status is Status.DONE
        told_in_erp = (self.reference is not None, self.xref is not None)
        if told_in_erp != (issued, issued):
            return False
        if not self.case.touched:
            return self.job is None
        if self.job is None or (self.case.way and self.case.way not in self.way):
            return False
        return issued if self.case.reason is None else self.job.reason == self.case.reason

    def record(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "number": self.case.number,
            "story": self.case.story,
            "fate": self.word,
            "reason": self.job.reason if self.job else None,
            "message": self.job.message if self.job else None,
            "action": self.job.cure if self.job else None,
            "reference": self.reference,
            "xref": self.xref,
            "as_expected": self.as_expected,
        }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", is_flag=True, help="Answer in JSON, for machines.")
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Leave configuration, ERP, ledger and B2Brouter's documents in this new folder.",
)
def demo(json: bool, keep: Path | None) -> int:
    """Watch a dozen invoices of an invented ERP meet their fates.

    The real sync runs against a local B2Brouter that loses an answer and is unavailable for a while. Exit
    status 1 if any fate is not the expected one.
    """
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
    began = time.monotonic()
    if not output.json:
        output.line("One ERP, one B2Brouter that misbehaves, one sync …")
    with Stage(folder, today=datetime.now(UTC).date()) as stage:
        services = Services(settings.load(stage.config))
        try:
            result = perform(services, sources=None, patience=_PATIENCE, stop=Event(), output=output)
            fates = _fates(services.ledger, stage.erp)
        finally:
            services.close()
        if kept:
            stage.keep()
    good = all(fate.as_expected for fate in fates) and not result.faults
    seconds = time.monotonic() - began
    if output.json:
        output.record({"documents": [fate.record() for fate in fates], "ok": good, "seconds": round(seconds, 1)})
    else:
        _show(output, fates, result, seconds)
        _suggest(output, folder if kept else None)
    return ending.GOOD if good else ending.OUTSIDE


def _fates(ledger: Ledger, erp: Path) -> list[Fate]:
    references = written(erp)
    jobs = {job.key: job for job in ledger.queries.jobs(Filter())}
    return [_fate(ledger, case, jobs.get(str(case.id)), *references[case.id]) for case in CASES]


def _fate(ledger: Ledger, case: Case, job: Job | None, reference: str | None, xref: str | None) -> Fate:
    way = frozenset(event.what for event in ledger.queries.timeline(job.id)) if job else frozenset()
    return Fate(case=case, job=job, reference=reference, xref=xref, way=way)


# ---------------------------------------------------------------- for people


def _show(output: Output, fates: list[Fate], result: Result, seconds: float) -> None:
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
    issued = sum(fate.word == "issued" for fate in fates)
    held = sum(fate.word == "held" for fate in fates)
    untouched = sum(fate.word == "not touched" for fate in fates)
    output.line(
        f"{issued} issued, each exactly once; {held} held for a person; {untouched} not touched;"
        f" in {duration(seconds)}."
    )
    wrong = [fate.case.number or "the draft" for fate in fates if not fate.as_expected]
    for failure in map(ending.failure_of, result.faults):
        output.line(f"Failed: {failure.message} {failure.action}", style="bold red")
    if wrong:
        output.line(f"Not as expected: {', '.join(wrong)}.", style="bold red")
    else:
        output.line("All as expected: the ERP has a reference for those issued, and for no other.", style="green")


def _row(fate: Fate) -> tuple[str, ...]:
    job = fate.job
    why = fate.reference or (job.reason if job else None) or ""
    cure = (job.cure if job else None) or ""
    return (fate.case.number or "–", fate.case.story, fate.word, why, cure)


def _suggest(output: Output, folder: Path | None) -> None:
    output.line()
    if folder is None:
        output.line("To go on with it yourself: python -m connector.demo --keep DIR")
        return
    output.line("What to try next:", style="bold")
    for command in (
        f"connector simulator --state {folder / 'simulator.db'}     (in another terminal)",
        f"export CONNECTOR_CONFIG={folder / 'connector.toml'}",
        "connector check",
        "connector jobs --status held",
        "connector explain B-0110     (its answer was lost)",
        "connector explain B-0106     (a cent too much)",
        'connector skip B-0109 --note "typed in by hand"',
        "connector sync",
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
