"""What recipients read, made from facts: subject and text, in the recipient's language and time."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, Final
from urllib.parse import urlencode

from connector.domain import catalogue
from connector.domain.alarms import alarm, placed
from connector.domain.catalogue import ENGLISH
from connector.ledger.outbox import Kind, Taken
from connector.notify.recipients import Recipient

PRODUCTION: Final = "production"

_LONGEST_SUBJECT: Final = 120

_MOST_ALIKE: Final = 20
"""Alarms of one kind that a message tells one by one: in a large outage every account has one."""


@dataclass(frozen=True, slots=True)
class Message:
    """What goes to a recipient."""

    subject: str
    text: str


class Writer:
    """Writes messages. The environment stands in every subject: nobody may take a test for the real thing."""

    def __init__(self, *, environment: str, console: str | None) -> None:
        """Prepare it.

        Args:
            environment: of B2Brouter.
            console: public address of the console, for links; None where it has none.
        """
        self._environment = environment
        self._console = console.rstrip("/") if console else None

    def alarms(self, taken: Sequence[Taken], to: Recipient) -> Message:
        """Return one message about what there is to tell of alarms: of each, the latest, and some of many alike."""
        latest = {one.alarm_id: one for one in taken}
        paragraphs = list(self._alarms(latest.values(), to))
        [first, *others] = latest.values()
        subject = say("alarms", to.language, count=str(len(latest))) if others else self._alarm_line(first, to)
        return self._message(subject, paragraphs, to)

    def digest(self, fact: Mapping[str, Any], to: Recipient) -> Message:
        """Return the message of a digest; see `digest.draft` for its facts."""
        return self._message(
            say("digest", to.language, counted=_counted(fact["all"], to.language)),
            list(self._digest(fact, to)),
            to,
        )

    def test(self, to: Recipient) -> Message:
        """Return a message that only shows that it arrives."""
        subject = say("test", to.language, recipient=to.name)
        return self._message(subject, [f"{subject}.", say("test_text", to.language)], to)

    # ------------------------------------------------------------ alarms

    def _alarms(self, latest: Iterable[Taken], to: Recipient) -> Iterator[str]:
        kinds: dict[tuple[str, bool], list[Taken]] = {}
        for one in latest:
            kinds.setdefault((one.fact["code"], one.kind is Kind.ENDED), []).append(one)
        for alike in kinds.values():
            yield from (self._alarm(one, to) for one in alike[:_MOST_ALIKE])
            if len(alike) > _MOST_ALIKE:
                yield say("alike", to.language, count=str(len(alike) - _MOST_ALIKE))

    def _alarm(self, one: Taken, to: Recipient) -> str:
        kind, facts = alarm(one.fact["code"]), _facts(one.fact, to)
        since = to.clock(datetime.fromisoformat(one.fact["since"]))
        lines = [self._alarm_line(one, to)]
        if one.kind is Kind.ENDED:
            ended = to.clock(datetime.fromisoformat(one.fact["ended"]))
            lines += [kind.message(facts, to.language), say("lasted", to.language, since=since, ended=ended)]
            return "\n".join(map(_one_line, lines))
        lines.append(say("since" if one.kind is Kind.BEGUN else "lasts", to.language, since=since))
        lines.append(say("cure", to.language, cure=kind.advice(facts, to.language)))
        return "\n".join(map(_one_line, lines))

    def _alarm_line(self, one: Taken, to: Recipient) -> str:
        ended = one.kind is Kind.ENDED
        message = alarm(one.fact["code"]).message(_facts(one.fact, to), to.language, ended=ended)
        return say("over" if ended else "alarm", to.language, message=message)

    # ------------------------------------------------------------ digests

    def _digest(self, fact: Mapping[str, Any], to: Recipient) -> Iterator[str]:
        if fact["new"]:
            yield say("news", to.language, counted=_counted(fact["news"], to.language))
        for number, cause in enumerate(fact["new"], 1):
            yield "\n".join(self._cause(number, cause, to.language))
        if fact["further"]["count"]:
            causes, counted = str(fact["further"]["causes"]), _counted(fact["further"], to.language)
            yield say("further", to.language, causes=causes, counted=counted)
        if fact["open"]["count"]:
            told = fact["open"]
            yield say("open", to.language, counted=_counted(told, to.language), oldest=told["oldest"] or "?")
        everything = self._jobs({"attention": "1"}) if self._console else "connector jobs --by-cause"
        yield say("see", to.language, where=everything)

    def _cause(self, number: int, cause: Mapping[str, Any], language: str) -> Iterator[str]:
        entry, details = catalogue.reason(cause["reason"]), cause["details"]
        sentence = catalogue.summed_up(cause["reason"], details, cause["count"], _sums(cause), language)
        yield f"{number}. {_one_line(sentence)}"
        yield f"   {say('cure', language, cure=_one_line(entry.advice(details, language)))}"
        yield f"   {say('who', language, who=catalogue.term('acts', entry.who, language))}"
        if cause["oldest"]:
            yield f"   {say('oldest', language, oldest=cause['oldest'])}"
        numbers, more = ", ".join(cause["numbers"]), cause["count"] - len(cause["numbers"])
        shown = say("more", language, numbers=numbers, count=str(more)) if more else numbers
        yield f"   {say('numbers', language, numbers=shown)}"
        if self._console is not None:
            yield f"   {self._jobs(cause['filter'])}"

    def _jobs(self, wanted: Mapping[str, str]) -> str:
        """Where the console lists jobs."""
        return f"{self._console}/jobs?{urlencode(wanted)}"

    # ------------------------------------------------------------ all of them

    def _message(self, subject: str, paragraphs: Sequence[str], to: Recipient) -> Message:
        mark = self._environment
        if mark != PRODUCTION:
            mark = say("test_environment", to.language, environment=self._environment)
        sender = say("sender", to.language, environment=self._environment)
        foot = f"-- \n{sender}" if self._console is None else f"-- \n{sender}\n{self._console}"
        return Message(_shortened(f"[{mark}] {_one_line(subject)}"), "\n\n".join([*paragraphs, foot]) + "\n")


def say(phrase: str, language: str, **blanks: str) -> str:
    """Return a phrase with its blanks filled in."""
    texts = _phrases()[phrase]
    return (texts.get(language) or texts[ENGLISH]).format_map(blanks)


@cache
def _phrases() -> Mapping[str, Mapping[str, str]]:
    text = resources.files("connector.notify").joinpath("phrases.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _facts(fact: Mapping[str, Any], to: Recipient) -> dict[str, str]:
    show: Callable[[datetime], str] = to.clock
    return placed(fact["details"], show)


def _sums(part: Mapping[str, Any]) -> dict[str, Decimal]:
    return {currency: Decimal(value) for currency, value in part["sums"].items()}


def _counted(part: Mapping[str, Any], language: str) -> str:
    return catalogue.counted(part["count"], _sums(part), language)


def _one_line(text: str) -> str:
    """Facts come from outside: none of them may begin a line, least of all a mail's header."""
    return " ".join(text.split())


def _shortened(subject: str) -> str:
    return textwrap.shorten(subject, _LONGEST_SUBJECT, placeholder=" …")
