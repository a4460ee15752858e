"""Local rules over the canonical invoice: what would be refused, or worse, is caught before it leaves."""

from connector.validation.rules import Problem, problems

__all__ = ["Problem", "problems"]
