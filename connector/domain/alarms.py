"""The alarms: what is told at once, and again while it lasts, and when it is over.

Their texts live in `alarms.toml`, as those of the reasons do in `catalogue.toml`. An alarm is about the
installation, a reason about an invoice. A fact that is a reason's sentence is put in with `catalogue.within`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from connector.domain import catalogue
from connector.domain.catalogue import Reason, Who


class Audience(StrEnum):
    """Who is told."""

    OPERATORS = "operators"
    ACCOUNTANTS = "accountants"

    @classmethod
    def of(cls, who: Who) -> Audience:
        """Return whom a reason concerns: whatever is not for accounting is for the operators."""
        return cls.ACCOUNTANTS if who is Who.ACCOUNTANT else cls.OPERATORS


@dataclass(frozen=True, slots=True)
class Alarm:
    """One kind of alarm."""

    code: str
    tell: frozenset[Audience]
    lasting: Reason  # what it says, and the cure
    over: Reason  # what it says when it has ended

    def message(self, details: Mapping[str, str], language: str, *, ended: bool = False) -> str:
        """Return the sentence with the facts filled in; see `Reason.message`."""
        return (self.over if ended else self.lasting).message(details, language)

    def advice(self, details: Mapping[str, str], language: str) -> str:
        """Return what to do: what the contained reason advises, where there is one, and the alarm's own cure."""
        own = self.lasting.advice(details, language)
        inner = catalogue.contained("why", details)
        return f"{inner[0].advice(inner[1], language)} {own}" if inner else own


@cache
def alarms() -> Mapping[str, Alarm]:
    """Return all alarms by code."""
    text = resources.files("connector.domain").joinpath("alarms.toml").read_text(encoding="utf-8")
    return MappingProxyType({code: _alarm(code, data) for code, data in tomllib.loads(text).items()})


def alarm(code: str) -> Alarm:
    """Return one.

    Raises:
        KeyError: there is no such alarm; the caller has a bug.
    """
    return alarms()[code]


def instant(at: datetime) -> str:
    """Return an instant as the facts of an alarm have it: `placed` shows it in a reader's own time."""
    return at.isoformat(timespec="seconds")


def placed(details: Mapping[str, str], show: Callable[[datetime], str]) -> dict[str, str]:
    """Return the facts with their instants as a reader shall see them."""
    return {name: _shown(value, show) for name, value in details.items()}


def _shown(value: str, show: Callable[[datetime], str]) -> str:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return value
    return value if at.tzinfo is None else show(at)


def _alarm(code: str, data: Mapping[str, Any]) -> Alarm:
    return Alarm(
        code=code,
        tell=frozenset(map(Audience, data["tell"])),
        lasting=Reason(code, Who.OPERATOR, data["says"], data["cure"]),
        over=Reason(code, Who.NOBODY, data["ended"], data["cure"]),
    )
