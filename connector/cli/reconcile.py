"""`connector reconcile`: ERP, ledger and B2Brouter side by side."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from connector.cli.acts import user
from connector.cli.command import command
from connector.cli.ending import GOOD, NEEDS_A_PERSON, CommandError
from connector.cli.output import Column, Output
from connector.cli.session import Session
from connector.cli.signals import stopping
from connector.domain.cells import as_cells
from connector.domain.errors import OutsideError, StepError, UsageError
from connector.ledger.reconciliations import Difference
from connector.operations.preflight import check_configuration
from connector.operations.records import difference_record
from connector.operations.texts import amount, count
from connector.supervision import at_the_end, look_soon, prepare, seen, take_note

if TYPE_CHECKING:
    from connector.bootstrap import Services
    from connector.reconcile.reconciler import Compared

_DAY: Final = click.DateTime(["%Y-%m-%d"])
_ON_A_TERMINAL: Final = 200
_COLUMNS: Final = (
    Column("number", wraps=True),
    Column("total", right=True),
    *(Column(title, wraps=True) for title in ("reason", "what", "what to do", "command")),
)
_FIELDS: Final = (
    "reason who account source company key id number issue_date currency total reference message action command"
).split()


@command("reconcile")
@click.option("--account", help="Only this account.")
@click.option("--source", help="Only this source; then what B2Brouter alone knows is left aside.")
@click.option("--from", "start", type=_DAY, help="First day of issue; by default where the source begins.")
@click.option("--to", "end", type=_DAY, help="Last day of issue.")
@click.option("--csv", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write the differences there.")
@click.option("--write-back", is_flag=True, help="Write references again that the ERP has lost.")
def reconcile(
    session: Session,
    account: str | None,
    source: str | None,
    start: datetime | None,
    end: datetime | None,
    file: Path | None,
    write_back: bool,
) -> int:
    """Compare ERP, ledger and B2Brouter; name every difference, why, and the command that cures it.

    Nothing is issued or sent. Exit status 3: at least one difference needs a person.
    """
    from connector.reconcile.reconciler import Period

    days = (None if start is None else start.date(), None if end is None else end.date())
    if None not in days and days[0] > days[1]:  # type: ignore[operator]
        raise UsageError("--from is later than --to.")
    accounts = _accounts(session, account, source)
    session.services.open_ledger()
    with ExitStack() as stack, stopping(session.services.stop):
        teller = _Teller(session, stack, file, write_back=write_back)
        for name in accounts:
            period = Period(start=days[0] or _beginning(session.services, name), end=days[1])
            teller.account = name
            teller.done(_compare(session.services, name, source, period, teller.tell))
    return teller.summed_up()


def _accounts(session: Session, account: str | None, source: str | None) -> Sequence[str]:
    services = session.services
    sources = session.sources(source)
    check_configuration(services, sources)
    if account is not None:
        services.account_settings(account)
    wanted = [name for name in services.settings.accounts if account in {None, name}]
    return [name for name in wanted if set(services.sources_of(name)) & set(sources)]


def _beginning(services: Services, account: str) -> date | None:
    """The earliest day that any source of an account is about; None where one is about all days."""
    days = [services.source_settings(name).since for name in services.sources_of(account)]
    return None if None in days else min(filter(None, days), default=None)


def _compare(
    services: Services, account: str, source: str | None, period: Any, tell: Callable[[Difference], None]
) -> Compared:
    names = services.sources_of(account) if source is None else [source]
    only_some = set(names) != set(services.sources_of(account))
    try:
        prepare(services, account)
        compared = services.reconciler.reconcile(
            account,
            seen(services, names),
            services.remote(account),
            period,
            only_some=only_some,
            tell=tell,
        )
    except StepError as error:
        raise at_the_end(services, account, error) from error
    if compared is None:
        raise CommandError(
            f"Account {account} was not compared to the end, or is being compared by another process.",
            action="Try again later.",
            kind="not_compared",
            status=1,
        )
    if not only_some:
        take_note(services, compared)
    look_soon(services, compared)
    return compared


class _Teller:
    """Tells differences as they are found, and counts them."""

    def __init__(self, session: Session, stack: ExitStack, file: Path | None, *, write_back: bool) -> None:
        self._services = session.services
        self._output: Output = session.output
        self._write_back = write_back
        self._rows: list[tuple[str, ...]] = []
        self._compared: list[Compared] = []
        self._written = 0
        self._csv = self._opened(stack, file)
        self.account = ""

    def _opened(self, stack: ExitStack, file: Path | None) -> csv.DictWriter[str] | None:
        if file is None:
            return None
        try:
            stream = stack.enter_context(closing(file.open("w", encoding="utf-8-sig", newline="")))
        except OSError as error:
            told = f"{file} cannot be written: {error.strerror}."
            raise OutsideError(told, action="Name another file with --csv, in a folder that is there.") from error
        writer = csv.DictWriter(stream, _FIELDS)
        writer.writeheader()
        return writer

    def tell(self, found: Difference) -> None:
        """Tell one; write its reference back, where that was asked for."""
        if self._write_back and found.reason == "reference_missing":
            adapters = {} if found.source is None else {found.source: self._services.erp(found.source)}
            self._written += self._services.reconciler.write_back(adapters, found, who=user())
        record = difference_record(self.account, found)
        if self._csv is not None:
            self._csv.writerow(as_cells(record))
        if self._output.json:
            self._output.record(record)
        elif len(self._rows) < _ON_A_TERMINAL or not self._output.terminal:
            total = amount(found.total, found.currency) if found.total is not None else "–"
            cells = (found.reason, found.message(), found.advice(), found.command)
            self._rows.append((found.number or "–", total, *cells))

    def done(self, compared: Compared) -> None:
        """Take what an account came to."""
        self._compared.append(compared)

    def summed_up(self) -> int:
        """Tell what it all came to; return the exit status."""
        reasons: Counter[str] = sum((one.by_reason for one in self._compared), Counter())
        for_person = sum(one.for_person for one in self._compared) - self._written
        if self._output.json:
            self._output.record(
                {
                    "differences": reasons.total(),
                    "need_person": for_person,
                    "written_back": self._written,
                    "by_reason": dict(sorted(reasons.items())),
                    "accounts": [_account_record(one) for one in self._compared],
                }
            )
        else:
            self._tell(reasons, for_person)
        return NEEDS_A_PERSON if for_person else GOOD

    def _tell(self, reasons: Counter[str], for_person: int) -> None:
        if self._rows:
            self._output.table(_COLUMNS, self._rows)
        if len(self._rows) < reasons.total():
            self._output.line(f"These are the first {len(self._rows)}; all of them with --csv FILE or --json.")
        for one in self._compared:
            sides = f"{one.erp:,} in the ERP, {one.ledger:,} here, {one.remote:,} at B2Brouter"
            self._output.line(f"Account {one.account}: {sides}; {count(one.differences, 'difference')}.")
        if self._written:
            self._output.line(f"{count(self._written, 'reference')} written into the ERP again.")
        if for_person:
            self._output.line(f"{for_person:,} for a person.")


def _account_record(one: Compared) -> dict[str, Any]:
    period = one.period
    return {
        "account": one.account,
        "from": period.start.isoformat() if period.start else None,
        "to": period.end.isoformat() if period.end else None,
        "erp": one.erp,
        "ledger": one.ledger,
        "remote": one.remote,
        "differences": one.differences,
    }
