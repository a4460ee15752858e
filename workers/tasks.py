"""The tasks: one call each. All logic is in plain functions that tests call directly."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from threading import Event

from celery import Task, shared_task

from config import settings as config
from connector import errands
from connector.bootstrap import Services
from connector.crew import logged
from workers.turns import Turns

stopping = Event()

_turns = Turns()


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
    _answer(f"account {account}", lambda: errands.drain(services(), account, stopping=stopping.is_set))


@shared_task(base=Errand, name="discover")
def discover(*, source: str) -> None:
    """Look into one ERP for confirmed documents that have no job yet."""
    _answer(f"source {source}", lambda: errands.discover(services(), source))


@shared_task(base=Errand, name="follow")
def follow(*, account: str) -> None:
    """Take in what became of an account's issued documents."""
    _answer(f"news of {account}", lambda: errands.follow(services(), account, stopping=stopping.is_set))


@shared_task(base=Errand, name="notify")
def notify() -> None:
    """Tell people what they have to know."""
    _answer("notifications", lambda: errands.notify(services()))


@shared_task(base=Errand, name="archive")
def archive(*, account: str) -> None:
    """Fetch and keep files of an account's issued documents."""
    _answer(
        f"archive of {account}",
        lambda: errands.archive(services(), account, stopping=stopping.is_set),
        behind="archive",
    )


@shared_task(base=Errand, name="reconcile")
def reconcile(*, account: str) -> None:
    """Compare an account's three sides."""
    _answer(
        f"comparison of {account}",
        lambda: errands.reconcile(services(), account, stopping=stopping.is_set),
        behind="comparison",
    )


def _answer(name: str, act: Callable[[], None], *, behind: str | None = None) -> None:
    with _turns.take(name, behind=behind) as ours:
        if ours:
            logged(name, act)
