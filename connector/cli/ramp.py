"""The steps of an account's first run: shown, and opened by a person who has looked at what was issued."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import click

from connector.bootstrap import Services
from connector.cli.ending import CommandError
from connector.cli.output import Column, Output
from connector.cli.session import Session
from connector.domain.errors import UsageError
from connector.ledger import Ledger
from connector.ledger.ramp import Standing
from connector.operations.texts import amount, count

_MOST_SHOWN = 20


def standings(services: Services, ledger: Ledger) -> list[Standing]:
    """Return the accounts whose first run waits for a person."""
    found = (ledger.ramp.standing(name, services.ramp(name)) for name in services.settings.accounts)
    return [standing for standing in found if standing is not None and standing.waiting]


def record(standing: Standing) -> dict[str, Any]:
    """Return it for JSON."""
    return asdict(standing)


def told(standing: Standing) -> str:
    """Say how far a first run has come."""
    return (
        f"First run of account {standing.account}, step {standing.step} of {standing.steps}: "
        f"{standing.issued:,} issued of the {standing.allowed:,} that may go, "
        f"{count(standing.waiting, 'more waits', 'more wait')} for a person to look at them."
    )


def tell(output: Output, waiting: Iterable[Standing]) -> None:
    """Say which first runs wait, and how they go on."""
    for standing in waiting:
        output.line(told(standing))
        output.line(f"Look at them, then: connector release --ramp --account {standing.account} --note WHO")


def release(session: Session, account: str | None, note: str | None, *, dry_run: bool) -> None:
    """Open the next step of an account's first run.

    Raises:
        UsageError: the account is not said, or there is none of that name, or a script gives no note.
        CommandError: the first run is not at a point at which a person could judge it.
    """
    services, output = session.services, session.output
    name = _account(services, account)
    standing = _standing(session, name)
    if dry_run:
        _show(output, session.ledger_if_any(), standing)
        return
    if not standing.rests:
        raise CommandError(
            f"{told(standing)} There is nothing to judge by yet: "
            f"{count(standing.under_way, 'is', 'are')} still under way.",
            action="Run connector sync, see connector jobs, and cure what is held.",
            kind="ramp_not_ready",
        )
    if output.interactive:
        if not _agreed(output, session.services.ledger, standing):
            output.line("Nothing was changed.")
            return
    elif not note:
        raise UsageError(
            "Say with --note who has looked at the issued invoices.", action='Such as --note "seen by Ana".'
        )
    released = open_next(session.services.ledger, standing, note)
    if session.json:
        output.record({"account": name, "step": standing.step, "released": released})
    else:
        output.line(f"{count(released, 'invoice')} due again. The daemon, or the next connector sync, takes them up.")


def ask(output: Output, services: Services, standing: Standing) -> bool:
    """Let a person at a terminal open the next step at once; return whether it was opened."""
    if not _agreed(output, services.ledger, standing):
        output.line(f"To go on later: connector release --ramp --account {standing.account} --note WHO")
        return False
    open_next(services.ledger, standing, None)
    return True


def open_next(ledger: Ledger, standing: Standing, note: str | None) -> int:
    """Open the step after the one that was seen; return how many invoices go on.

    Raises:
        CommandError: somebody else was quicker.
    """
    from connector.cli.acts import user

    released = ledger.ramp.open_next(standing, who=user(), note=note or "looked at what was issued")
    if released is None:
        raise CommandError(
            f"Somebody else has opened the next step of account {standing.account} meanwhile.",
            action="Look again: connector release --ramp --dry-run.",
            kind="ramp_moved",
        )
    return released


def _account(services: Services, account: str | None) -> str:
    ramped = [name for name in services.settings.accounts if services.ramp(name)]
    if account is None and len(ramped) == 1:
        return ramped[0]
    if account is None:
        raise UsageError(
            "Say which account: --account NAME.", action=f"There are: {', '.join(services.settings.accounts)}."
        )
    services.account_settings(account)
    return account


def _standing(session: Session, account: str) -> Standing:
    ledger = session.ledger_if_any()
    found = ledger.ramp.standing(account, session.services.ramp(account)) if ledger else None
    if found is None:
        raise CommandError(
            f"Account {account} is in no first run: it has not begun, it is over, or no steps are set.",
            action=f"See accounts.{account}.ramp in the configuration.",
            kind="no_ramp",
        )
    return found


def _agreed(output: Output, ledger: Ledger, standing: Standing) -> bool:
    """Show what was issued and have the account's name typed: a slip of a finger must not let thousands go."""
    _show(output, ledger, standing)
    following = "all the others" if standing.next_allowed is None else f"the next {standing.next_allowed:,}"
    answer: str = click.prompt(
        f"Type {standing.account} to let {following} go, anything else to stop", default="", show_default=False
    )
    return answer.strip() == standing.account


def _show(output: Output, ledger: Ledger | None, standing: Standing) -> None:
    output.line(told(standing))
    if ledger is None or not standing.issued:
        return
    output.table(
        [
            Column("number", wraps=True),
            Column("customer", wraps=True),
            Column("total", right=True),
            Column("reference"),
            Column("state"),
        ],
        [
            (
                job.number or "–",
                job.customer or "–",
                amount(job.total, job.currency),
                job.reference or "–",
                job.remote_state or "–",
            )
            for job in ledger.ramp.issued(standing)[:_MOST_SHOWN]
        ],
    )
