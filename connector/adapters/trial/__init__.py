"""Rules that any adapter has to keep, tried by reading alone: on a live source as on a throw-away one."""

from connector.adapters.trial.verdicts import Finding, RuleBrokenError, Verdict, judged

__all__ = ["Finding", "RuleBrokenError", "Verdict", "judged"]
