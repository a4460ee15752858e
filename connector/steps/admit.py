"""In an account's first run: a place of the step in force, before anything leaves, and again before it is sent."""

from __future__ import annotations

from connector.domain.remote_state import was_handed_over
from connector.steps.case import Case


def admit(case: Case) -> None:
    """Let the document pass if it has a place, or gets one. Accounts without steps cost nothing here.

    Raises:
        BlockedError: `ramp_full`, a person has to look at what was issued first.
    """
    if case.rules.ramp and case.job.open_effect is None and not was_handed_over(case.job.remote_state):
        case.ledger.ramp.admit(case.job, case.rules.ramp)
