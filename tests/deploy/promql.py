"""As much of PromQL as tells whether an expression can be one, and which figures and labels it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FUNCTIONS: Final = frozenset({"absent", "histogram_quantile", "increase", "rate", "scalar", "vector"})
AGGREGATIONS: Final = frozenset({"avg", "count", "max", "min", "sum"})
WORDS: Final = frozenset({"and", "bool", "by", "or", "unless", "without"})

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<range>\[\d+[smhd]\])|(?P<labels>\{[^{}]*\})|(?P<name>[a-zA-Z_:][\w:]*)|(?P<number>\d+(?:\.\d+)?)
    |(?P<operator>==|!=|<=|>=|[-+*/<>])|(?P<open>\()|(?P<close>\))|(?P<comma>,))""",
    re.VERBOSE,
)
_MATCHER: Final = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"\s*(?:,|$)')


@dataclass(frozen=True)
class Use:
    """One figure that an expression is about, and the labels by which it is narrowed."""

    figure: str
    labels: frozenset[str]


def uses(expression: str) -> list[Use]:
    """Return what an expression is about; an assertion fails where it can be none."""
    tokens = list(_tokens(expression))
    assert tokens.count(("open", "(")) == tokens.count(("close", ")")), expression
    found = []
    grouping = False
    for place, (kind, text) in enumerate(tokens):
        following = tokens[place + 1] if place + 1 < len(tokens) else ("", "")
        if kind == "name" and text in {"by", "without"}:
            grouping = True
        elif kind == "close":
            grouping = False
        elif kind == "name" and not grouping and text not in WORDS:
            if text in FUNCTIONS | AGGREGATIONS:
                assert following[0] == "open" or (text in AGGREGATIONS and following[1] in {"by", "without"}), text
            else:
                assert following[0] != "open", f"{text} is no function"
                found.append(Use(text, _labels(following[1]) if following[0] == "labels" else frozenset()))
    return found


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    at = 0
    rest = expression.strip()
    while at < len(rest):
        match = _TOKEN.match(rest, at)
        assert match is not None, f"{rest[at:]!r} in {expression!r}"
        assert match.lastgroup is not None
        yield match.lastgroup, match[match.lastgroup]
        at = match.end()


def _labels(text: str) -> frozenset[str]:
    inner = text.strip("{}")
    names, at = [], 0
    while at < len(inner):
        match = _MATCHER.match(inner, at)
        assert match is not None, text
        re.compile(match[3])
        names.append(match[1])
        at = match.end()
    return frozenset(names)
