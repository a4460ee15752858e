"""The tasks: one call each. All logic is in plain functions that tests call directly."""

from __future__ import annotations

from functools import cache
from threading import Event

from celery import Task, shared_task

from config import settings as config
from connector import errands
from connector.bootstrap import Services
from workers.turns import ARCHIVE, COMPARISON, DRAIN, LOOK, NEWS, NOTIFY, Turns

stopping = Event()

_turns = Turns(stopping=stopping.is_set)


class Errand(Task):  # type: ignore[type-arg]  # when it runs it takes none
    """A task whose messages are looked at by the ledger's clock."""

    Request = "workers.rung:Rung"


@cache
def services() -> Services:
    """Return this process's parts, made once."""
    made = Services(config.load(), stop=stopping)
    made.open_ledger()
    return made


@shared_task(base=Errand, name="drain")
def drain(*, account: str) -> None:
    """Work an account's due jobs until none is left or the minute is over."""
    _turns.answer(DRAIN, f"account {account}", lambda: errands.drain(services(), account, stopping=stopping.is_set))


@shared_task(base=Errand, name="discover")
def discover(*, source: str) -> None:
    """Look into one ERP for confirmed documents that have no job yet."""
    _turns.answer(LOOK, f"source {source}", lambda: errands.discover(services(), source))


@shared_task(base=Errand, name="follow")
def follow(*, account: str) -> None:
    """Take in what became of an account's issued documents."""
    _turns.answer(NEWS, f"news of {account}", lambda: errands.follow(services(), account, stopping=stopping.is_set))


@shared_task(base=Errand, name="notify")
def notify() -> None:
    """Tell people what they have to know."""
    _turns.answer(NOTIFY, "notifications", lambda: errands.notify(services()))


@shared_task(base=Errand, name="archive")
def archive(*, account: str) -> None:
    """Fetch and keep files of an account's issued documents."""
    _turns.answer(
        ARCHIVE,
        f"archive of {account}",
        lambda: errands.archive(services(), account, stopping=stopping.is_set),
    )


@shared_task(base=Errand, name="reconcile")
def reconcile(*, account: str) -> None:
    """Compare an account's three sides."""
    _turns.answer(
        COMPARISON,
        f"comparison of {account}",
        lambda: errands.reconcile(services(), account, stopping=stopping.is_set),
    )
