"""The error catalogue: for every reason who must act, what happened in one sentence, and the cure.

The texts live in `catalogue.toml` and nowhere else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from string import Formatter


class Who(StrEnum):
    """Who must act on a reason."""

    ITSELF = "itself"
    ACCOUNTANT = "accountant"
    OPERATOR = "operator"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Reason:
    """One entry of the catalogue."""

    code: str
    who: Who
    says: str
    cure: str
    by_erp: bool = False

    def message(self, details: Mapping[str, str]) -> str:
        """Return the sentence with the facts filled in; a fact that is not known shows as a question mark."""
        return _fill(self.says, details)

    def advice(self, details: Mapping[str, str]) -> str:
        """Return the cure with the facts filled in."""
        return _fill(self.cure, details)


@cache
def reasons() -> Mapping[str, Reason]:
    """Return the whole catalogue by code."""
    text = resources.files("connector.domain").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return {
        code: Reason(code=code, who=Who(entry["who"]), **{k: v for k, v in entry.items() if k != "who"})
        for code, entry in tomllib.loads(text).items()
    }


def reason(code: str) -> Reason:
    """Return one entry.

    Raises:
        KeyError: the code is not in the catalogue; the caller has a bug.
    """
    return reasons()[code]


def cured_by_erp() -> Collection[str]:
    """Return the codes that a change in the ERP may cure."""
    return [code for code, entry in reasons().items() if entry.by_erp]


class _Facts(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def _fill(template: str, details: Mapping[str, str]) -> str:
    return Formatter().vformat(template, (), _Facts(details))
