"""What cures a held document beside the ERP: a decision of the operator, a setting at B2Brouter, a day that came.

A look into the ERP reads the documents of resting jobs anyway; each is judged again here, and what is not held by the
same reason any more goes on by itself. Nothing is decided by that: the step that held it asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Final

from connector.clock import Clock
from connector.domain.comparison import is_within
from connector.domain.correction import issued_elsewhere
from connector.domain.invoice import Invoice
from connector.domain.job import Event, Stage, Status
from connector.domain.rounding import Way
from connector.ledger import Ledger
from connector.ledger.records import Job
from connector.steps.case import Rules, VatCheck
from connector.steps.check_vat_number import is_registered
from connector.steps.validate import too_old
from connector.validation import BY_ID, LATER, Level, Levels, judge

_SILENCE: Final = 600.0
"""Seconds for which a register that gave no answer is not asked again about held documents."""

_ACCOUNT_EVERY: Final = 60.0
"""Seconds for which an account's way of calculating is taken for what it was."""

_TRIES: Final = 2
"""Under one way of calculating: the first may have met settings that were being changed."""


class Cures:
    """Judges held documents again."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Clock,
        rules: Callable[[str, str], Rules | None],
        arithmetic: Callable[[str], Way | None],
        vat_check: VatCheck | None = None,
    ) -> None:
        """Prepare it.

        Args:
            ledger: what is known of jobs, and what the register of VAT numbers has answered.
            clock: where the time comes from.
            rules: the operator's decisions, by account and source; None where these are not configured any more.
            arithmetic: asks how an account calculates at B2Brouter now; None where that cannot be learnt.
            vat_check: where customers' VAT numbers are looked up; None: nowhere.
        """
        self._ledger = ledger
        self._clock = clock
        self._rules = rules
        self._arithmetic = arithmetic
        self._vat_check = vat_check
        self._quiet_until = 0.0
        self._ways: dict[str, tuple[float, Way | None]] = {}  # by account, with the instant of the question

    def cured(self, job: Job, document: Invoice) -> bool:
        """Whether a document as it stands now is not held any more by the reason for which it rests."""
        if job.status is not Status.HELD or job.open_effect is not None:
            return False
        rules = self._rules(job.account, job.source)
        if rules is None:
            return False
        if job.reason == "totals_differ":
            return job.stage is Stage.CREATED and self._would_agree(job, rules.allow_difference)
        if job.reason == "before_since":  # which also holds what stands at B2Brouter unsent
            return too_old(job, document, rules) is None
        return not job.stage.reached(Stage.CREATED) and self._would_pass(job, document, rules)

    def _would_pass(self, job: Job, document: Invoice, rules: Rules) -> bool:
        """Whether what held it before anything left would let it pass now."""
        if job.reason == "vat_number_not_registered":
            return self._is_known(document)
        if job.reason == "original_not_issued":
            return self._may_refer(job, document, rules)
        return _is_let_go(job.reason or "", document, rules.levels, self._clock.now())

    def _is_known(self, document: Invoice) -> bool:
        check = self._vat_check
        if check is None or not check.blocks:
            return True  # nobody wants it held any more
        if self._clock.monotonic() < self._quiet_until:
            return False
        registered = is_registered(document, check, self._ledger.vat_numbers, now=self._clock.now())
        if registered is None:
            self._quiet_until = self._clock.monotonic() + _SILENCE
        return bool(registered)

    def _may_refer(self, job: Job, document: Invoice, rules: Rules) -> bool:
        """Whether its original counts as issued elsewhere by now, and the operator lets it refer to such."""
        awaited = [each for each in document.originals if each.number == job.original_number]
        original = awaited[0] if awaited else document.original
        if original is None or not rules.external_originals or not issued_elsewhere(original, since=rules.since):
            return False
        return not self._ledger.originals.find(job, original)

    def _would_agree(self, job: Job, allowed: Decimal) -> bool:
        """Whether B2Brouter's totals are within what is allowed by now, or would be the ERP's if made anew."""
        gap = job.details.get("excess")
        if gap is not None and is_within(Decimal(gap), allowed):
            return True
        fitting = job.details.get("ways", "")
        if "=" not in fitting:  # no way of calculating gives the ERP's figures: B2Brouter need not be asked
            return False
        now = self._way(job.account)
        return str(now) in fitting.split("; ") and self._tries(job, now) < _TRIES

    def _way(self, account: str) -> Way | None:
        now = self._clock.monotonic()
        known = self._ways.get(account)
        if known is None or now - known[0] >= _ACCOUNT_EVERY:
            known = self._ways[account] = now, self._arithmetic(account)
        return known[1]

    def _tries(self, job: Job, way: Way | None) -> int:
        """Return how often it was held for the same under this way already, which should have agreed."""
        facts = (str(way), job.details.get("ways"))
        return sum(
            entry.what == Event.STUCK and (entry.details.get("used"), entry.details.get("ways")) == facts
            for entry in self._ledger.queries.timeline(job.id)
        )


def _is_let_go(reason: str, document: Invoice, levels: Levels, now: datetime) -> bool:
    """Whether the rule of this name does not hold a document under these levels, on this day."""
    if reason in LATER:
        return levels.get(reason, LATER[reason]) is Level.WARN
    if reason not in BY_ID:
        return False
    found = judge(document, now=now, levels=levels)
    return reason not in {problem.reason for problem in found.blocks}
