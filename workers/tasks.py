"""The tasks: one call each. All logic is in plain functions that tests call directly."""

from __future__ import annotations

import logging
from functools import cache
from threading import Event

from celery import shared_task

from config import settings as config
from connector import errands
from connector.archive.storage import ArchiveError
from connector.bootstrap import Services

log = logging.getLogger(__name__)

stopping = Event()


@cache
def services() -> Services:
    """Return this process's parts, made once."""
    made = Services(config.load(), stop=stopping)
    made.open_ledger()
    return made


@shared_task(name="drain")
def drain(*, account: str) -> None:
    """Work an account's due jobs until none is left or the minute is over."""
    errands.drain(services(), account, stopping=stopping.is_set)


@shared_task(name="discover")
def discover(*, source: str) -> None:
    """Look into one ERP for confirmed documents that have no job yet."""
    errands.discover(services(), source)


@shared_task(name="follow")
def follow(*, account: str) -> None:
    """Take in what became of an account's issued documents."""
    errands.follow(services(), account, stopping=stopping.is_set)


@shared_task(name="notify")
def notify() -> None:
    """Tell people what they have to know."""
    errands.notify(services())


@shared_task(name="archive")
def archive(*, account: str) -> None:
    """Fetch and keep files of an account's issued documents."""
    try:
        errands.archive(services(), account, stopping=stopping.is_set)
    except ArchiveError as error:
        log.error("%s %s", error.message, error.action)


@shared_task(name="reconcile")
def reconcile(*, account: str) -> None:
    """Compare an account's three sides."""
    errands.reconcile(services(), account, stopping=stopping.is_set)
