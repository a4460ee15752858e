"""All rules together, and what they say of a document under the levels that an account has chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from connector.domain.invoice import Invoice
from connector.validation import attachment_rules, form_rules, rules, tax_rules
from connector.validation.countries import COUNTRIES
from connector.validation.rule import Level, Problem, Rule

ALL: Final[tuple[Rule, ...]] = (
    *rules.RULES,
    *tax_rules.RULES,
    *form_rules.RULES,
    *attachment_rules.RULES,
    *(rule for country in COUNTRIES.values() for rule in country.rules),
)
"""Every rule, in the order in which problems are told."""

BY_ID: Final[Mapping[str, Rule]] = MappingProxyType({rule.id: rule for rule in ALL})

LATER: Final[Mapping[str, Level]] = MappingProxyType(
    {
        "credited_too_much": Level.WARN,
        "original_of_another_customer": Level.WARN,
        "issuer_differs": Level.BLOCK,
        "contact_way_differs": Level.BLOCK,
    }
)
"""Reasons that a step gives, for they need more than the document; their levels are chosen like the rules'."""

Levels = Mapping[str, Level]
"""Levels by rule that differ from the rules' own."""

AS_THEY_ARE: Final[Levels] = MappingProxyType({})
ON_TRIAL: Final[Levels] = MappingProxyType({"issuer_differs": Level.WARN})
"""Outside production: accounts for trials belong to made-up companies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is wrong with a document, the most basic first."""

    blocks: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def judge(invoice: Invoice, *, now: datetime, levels: Levels = AS_THEY_ARE) -> Judgement:
    """Return all broken rules by their level.

    Args:
        invoice: as the ERP states it.
        now: aware.
        levels: what the account has chosen; the rules' own where it says nothing.
    """
    found: dict[Level, list[Problem]] = {Level.BLOCK: [], Level.WARN: []}
    for rule in ALL:
        found[levels.get(rule.id, rule.level)] += rule(invoice, now)
    return Judgement(blocks=tuple(found[Level.BLOCK]), warnings=tuple(found[Level.WARN]))


def problems(invoice: Invoice, *, now: datetime, levels: Levels = AS_THEY_ARE) -> list[Problem]:
    """Return what holds a document; see `judge`."""
    return list(judge(invoice, now=now, levels=levels).blocks)


def levels_of(chosen: Mapping[str, str]) -> Levels:
    """Return the levels that a configuration chooses.

    Raises:
        ValueError: there is no such rule or level, or the rule's level cannot be lowered; one sentence.
    """
    return {name: _level(name, level) for name, level in chosen.items()}


def _level(name: str, level: str) -> Level:
    rule = BY_ID.get(name)
    if rule is None and name not in LATER:
        near = get_close_matches(name, [*BY_ID, *LATER], n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "docs/validation.md lists them"
        raise ValueError(f"there is no rule {name}; {hint}")
    if level not in set(Level):
        raise ValueError(f"{name} is {level!r}, but a level is block or warn")
    if rule is not None and rule.settled and Level(level) is not rule.level:
        raise ValueError(f"{name} is always {rule.level}: without it no lawful document could be made")
    return Level(level)
