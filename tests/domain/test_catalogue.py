"""The catalogue and the code say the same: no reason without an entry, no sentence with a gap."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import connector
from connector.domain import catalogue
from connector.domain.catalogue import Who

ROOT = Path(connector.__file__).parent
ERRORS = {
    "NotSentError",
    "OutcomeUnknownError",
    "LookAgainError",
    "OutOfTimeError",
    "RefusedError",
    "BlockedError",
    "MisconfiguredError",
    "AccountDownError",
    "AccountError",
    "Problem",
}
NAMED = {"Decision": "reason", "Rule": "reason", "Entry": "reason", "settle": "reason"}
FILLED_ELSEWHERE = {
    # by `supervision`, which knows the account
    "access_refused": {"account"},
    # by `steps`, which rewrite these before anybody sees them
    "contact_taken": {"party", "code"},
    "number_taken": {"number"},
    "send_refused": {"state"},
    "outcome_unknown": {"effect", "at", "quiet"},
}
CLIENT = {"status", "code", "message", "reference", "account_id"}
"""What the client puts into every error that an answer, or its absence, leads to."""


class Raised:
    """One place in the code that names a reason."""

    def __init__(self, file: Path, node: ast.Call, code: str, facts: set[str] | None) -> None:
        self.where = f"{file.relative_to(ROOT)}:{node.lineno}"
        self.code = code
        self.facts = facts  # None where they come from elsewhere

    def __repr__(self) -> str:
        return f"{self.where} {self.code}"


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted(ROOT.rglob("*.py")):
        if "simulator" not in file.parts:
            yield file, ast.parse(file.read_text(encoding="utf-8"))


def raised() -> list[Raised]:
    found = []
    for file, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            code = _text(node.args[0]) if name in ERRORS and node.args else None
            if name in NAMED:
                code = next((_text(k.value) for k in node.keywords if k.arg == NAMED[name]), None)
            if code is not None:
                facts = _facts(node, file) if name in ERRORS else None
                found.append(Raised(file, node, code, facts))
    return found


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _facts(node: ast.Call, file: Path) -> set[str] | None:
    """The keys of a dictionary that is written down on the spot, or of the variable that holds one."""
    if len(node.args) < 2:
        return set() if not any(k.arg == "details" for k in node.keywords) else None
    return _keys(node.args[1], file)


def _keys(node: ast.expr, file: Path) -> set[str] | None:
    if isinstance(node, ast.Dict):
        keys: set[str] = set()
        for key, value in zip(node.keys, node.values, strict=True):
            inner = {_text(key)} if key is not None else _keys(value, file)
            if inner is None:
                return None
            keys |= {text for text in inner if text}
        return keys
    if isinstance(node, ast.Name):
        written = [
            _keys(assign.value, file)
            for assign in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(assign, ast.Assign | ast.AugAssign) and _target(assign) == node.id
        ]
        known = [keys for keys in written if keys is not None]
        return set.union(*known) if known and len(known) == len(written) else None
    return None


def _target(assign: ast.Assign | ast.AugAssign) -> str | None:
    target = assign.targets[0] if isinstance(assign, ast.Assign) else assign.target
    return target.id if isinstance(target, ast.Name) else None


RAISED = raised()


def placeholders(code: str) -> set[str]:
    entry = catalogue.reason(code)
    texts = (entry.says, entry.cure)
    return {name for text in texts for _, name, _, _ in Formatter().parse(text) if name}


def test_the_scan_sees_the_code() -> None:
    assert len(RAISED) > 60
    assert {"not_confirmed", "looking_up", "totals_differ", "iban_wrong"} <= {place.code for place in RAISED}


@pytest.mark.parametrize("place", RAISED, ids=repr)
def test_every_reason_in_the_code_is_in_the_catalogue(place: Raised) -> None:
    assert place.code in catalogue.reasons()


@pytest.mark.parametrize("place", [place for place in RAISED if place.facts is not None], ids=repr)
def test_every_sentence_finds_its_facts(place: Raised) -> None:
    assert place.facts is not None
    given = place.facts | FILLED_ELSEWHERE.get(place.code, set())
    if "b2brouter" in place.where:
        given |= CLIENT

    assert placeholders(place.code) <= given


def test_every_entry_is_used_somewhere() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file, _ in sources())

    unused = [name for name in catalogue.reasons() if f'"{name}"' not in code]

    assert unused == []


@pytest.mark.parametrize("entry", catalogue.reasons().values(), ids=lambda entry: entry.code)
def test_an_entry_is_a_sentence_and_says_who_acts_and_how(entry: catalogue.Reason) -> None:
    assert entry.says[0].isupper() or entry.says.startswith("{")
    assert entry.says.endswith((".", "}"))
    assert entry.cure.endswith(".")
    assert entry.who in Who
    assert len(entry.code) <= 64


def test_facts_are_filled_in_and_unknown_ones_show() -> None:
    entry = catalogue.reason("vat_number_wrong")

    assert entry.message({"number": "ESX", "party": "Norte"}) == "The tax number ESX of Norte is not valid."
    assert entry.message({}) == "The tax number ? of ? is not valid."
    assert entry.message({"number": "{party}", "party": "{x}"}) == "The tax number {party} of {x} is not valid."


def test_an_unknown_code_is_a_bug() -> None:
    with pytest.raises(KeyError):
        catalogue.reason("no_such_reason")


def test_what_itself_cures_needs_nobody_and_what_the_erp_cures_is_listed() -> None:
    assert "vat_number_wrong" in catalogue.cured_by_erp()
    assert "outcome_unknown" not in catalogue.cured_by_erp()
    assert catalogue.reason("looking_up").who is Who.ITSELF
