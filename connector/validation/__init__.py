"""Local rules over the canonical invoice: what would be refused, or worse, is caught before it leaves."""

from connector.validation.judgement import ALL, BY_ID, LATER, Judgement, Levels, judge, levels_of, problems
from connector.validation.rule import Level, Problem, Rule

__all__ = [
    "ALL",
    "BY_ID",
    "LATER",
    "Judgement",
    "Level",
    "Levels",
    "Problem",
    "Rule",
    "judge",
    "levels_of",
    "problems",
]
