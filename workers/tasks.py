"""The tasks: one call each. All logic is in plain functions that tests call directly."""

from __future__ import annotations

from functools import cache
from threading import Event

from celery import shared_task

from config import settings as config
from connector import duties
from connector.bootstrap import Services

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
    duties.drain(services(), account, stopping=stopping.is_set)


@shared_task(name="discover")
def discover(*, source: str) -> None:
    """Look into one ERP for confirmed documents that have no job yet."""
    duties.discover(services(), source)
