"""Local rules over the canonical invoice: what would be refused, or worse, is caught before it leaves."""

from connector.validation.judgement import (
    ALL,
    AS_THEY_ARE,
    BY_ID,
    LATER,
    ON_TRIAL,
    Judgement,
    Levels,
    judge,
    levels_of,
    problems,
)
from connector.validation.rule import Level, Problem, Rule

__all__ = [
    "ALL",
    "AS_THEY_ARE",
    "BY_ID",
    "LATER",
    "ON_TRIAL",
    "Judgement",
    "Level",
    "Levels",
    "Problem",
    "Rule",
    "judge",
    "levels_of",
    "problems",
]
