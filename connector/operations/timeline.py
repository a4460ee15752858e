"""What happened to an invoice, entry by entry, in words; the catalogue has them in the other languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from connector.domain import catalogue
from connector.domain.job import Effect, Stage
from connector.ledger.queries import TimelineEvent
from connector.ledger.records import OFF, WRITE_BACK

_EFFECTS: Final[Mapping[Effect | None, str]] = {
    None: "step",
    Effect.CONTACT: "making of the contact",
    Effect.CREATE: "creation at B2Brouter",
    Effect.IMPORT: "import by B2Brouter",
    Effect.ATTACH: "attaching of a file",
    Effect.SEND: "sending",
    Effect.RECORD: "write-back into the ERP",
    Effect.WITHDRAW: "withdrawal of the unsent document",
}
_REACHED: Final[Mapping[Stage, str]] = {
    Stage.FOUND: "Starts over",
    Stage.CONTACT_READY: "The recipient is contact {contact} at B2Brouter ({how})",
    Stage.CREATED: "Created at B2Brouter as {reference}, not sent yet",
    Stage.VERIFIED: "B2Brouter's totals are the ERP's",
    Stage.SENT: "Handed over for delivery; state {state}",
    Stage.RECORDED: "Reference {reference} and cross-reference written into the ERP",
}
_PLAIN: Final[Mapping[str, str]] = {
    "found": "Found in the ERP",
    "kept": "Reference {reference} and cross-reference kept in the ledger; write-back into the ERP is off",
    "withdrawn": "The unsent {reference} is gone from B2Brouter: starts over",
    "lease_lapsed": "Its worker went silent; the invoice was freed",
    "handed_over": "Goes from account {before} to {account}, which issues for its company now",
    "released": "Tried again by itself: what held it has changed, most often in the ERP",
    "link": "Tied by a person to the document {reference} at B2Brouter",
    "retry": "A person had it tried again",
    "hold": "A person held it back",
    "release": "A person released it",
    "skip": "A person left it out for good",
    "dismissed": "A person let it be",
    "state": "State at B2Brouter: {state}",
    "tax_report": "Tax report {report} ({kind}): {state}",
    "acknowledged": "Marked at B2Brouter as taken note of",
    "marked": "Marked at B2Brouter as {state}",
    "mark_refused": "B2Brouter refuses the mark: {message}",
    "recorded_again": "Its reference was written into the ERP once more",
    "restored": "The ERP's document is again as it was issued, or as a person let it be",
}
_ABOUT_EFFECTS: Final[Mapping[tuple[str, str], str]] = {
    ("intent", ""): "About to begin: {effect}",
    ("looked_up", ""): "Looked for the {effect}: not there",
    ("outcome", ""): "The {effect} certainly had no effect",
    ("outcome", "refused"): "The {effect} was refused",
    ("outcome", "done"): "Attached at B2Brouter: {file}",
    ("adopted", ""): "Found at B2Brouter as {reference} and taken over: it was not made twice",
    ("taken_over", ""): "Others had made it at B2Brouter as {reference}, equal in all that counts: taken over",
    ("adopted", "send"): "It was on its way already; state {state}",
}
_STATES: Final = frozenset({"state", "tax_report"})
_LET_GO: Final[Mapping[str, str]] = {
    "postponed": "Again later",
    "blocked": "Waits",
    "stuck": "Held",
    "returned": "Handed back",
    "warned": "Warning",
    "changed": "Changed after issue",
}


def says(event: TimelineEvent, attempt: int | None = None) -> str:
    """Return one entry as a sentence: with who did it and their note, and the id to quote to B2Brouter."""
    text = _says(event)
    if attempt is not None and attempt > 1:
        text += _word(" (attempt {attempt})", attempt=str(attempt))
    if event.who:
        text += _word(", by {who}", who=event.who)
    if event.note:
        text += f": {event.note}"
    if event.request_id:
        text += _word(" (request {id})", id=event.request_id)
    return text


def attempt_of(events: Sequence[TimelineEvent]) -> list[int | None]:
    """Return, for each intent, which one of its effect it is; None for other entries."""
    counts: dict[Effect | None, int] = {}
    numbers: list[int | None] = []
    for event in events:
        if event.what == "intent":
            counts[event.effect] = counts.get(event.effect, 0) + 1
        numbers.append(counts[event.effect] if event.what == "intent" else None)
    return numbers


def _says(event: TimelineEvent) -> str:
    if event.what == "reached":
        return _fill(_PLAIN["kept"] if event.details.get(WRITE_BACK) == OFF else _REACHED[event.stage], event)
    if event.what in _STATES and event.reason:
        return f"{_fill(_PLAIN[event.what], event)}. {_reason(event)}"
    if event.what in _LET_GO:
        return f"{_word(_LET_GO[event.what])}: {_reason(event)}"
    return _fill(_ABOUT_EFFECTS.get((event.what, _told_apart(event))) or _PLAIN.get(event.what, event.what), event)


def _told_apart(event: TimelineEvent) -> str:
    """What changes the wording of an entry: the outcome, or which effect it was."""
    if event.what == "outcome":
        return event.outcome if event.outcome in {"refused", "done"} else ""
    return "send" if event.what == "adopted" and event.effect is Effect.SEND else ""


def _fill(template: str, event: TimelineEvent) -> str:
    names = ("contact", "how", "reference", "state", "file", "report", "kind", "message")
    unknown = dict.fromkeys(names, "?")
    facts = {**unknown, **event.details, "effect": _word(_EFFECTS[event.effect])}
    for name in ("how", "state"):
        facts[name] = catalogue.translated(name, facts[name])
    return _word(template, **{name: facts[name] for name in catalogue.placeholders(template)})


def _reason(event: TimelineEvent) -> str:
    return catalogue.reason(event.reason).message(event.details) if event.reason else _word("no reason given")


def _word(phrase: str, **facts: str) -> str:
    """Say a phrase in the language that was chosen; the catalogue has it by its English words."""
    return catalogue.term("timeline", phrase, **facts)
