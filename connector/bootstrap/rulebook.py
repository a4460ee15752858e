"""What the operator has decided about accounts, as the steps and the following need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from config.sections.accounts import AccountSettings
from config.settings import Settings
from connector.domain.errors import UsageError
from connector.follow import Plan
from connector.ledger.accounts import AccountState
from connector.ledger.records import Job
from connector.steps.case import DirectoryRules, Rules
from connector.validation import AS_THEY_ARE, ON_TRIAL, Levels, levels_of


class Rulebook:
    """The decisions of one configuration. Work that has begun goes by the book that it began with."""

    def __init__(self, settings: Settings, state_of: Callable[[str], AccountState | None]) -> None:
        """Decide nothing yet.

        Args:
            settings: the configuration.
            state_of: returns what the ledger knows of an account.
        """
        self._settings = settings
        self._state_of = state_of
        self._levels: dict[str, Levels] = {}
        self._missed: set[str] = set()

    def knows(self, account: str) -> bool:
        """Whether an account is configured."""
        return account in self._settings.accounts

    def misses(self, account: str) -> bool:
        """Whether an account is not configured and nobody has asked before: it is named once, not at every bell."""
        if self.knows(account) or account in self._missed:
            return False
        self._missed.add(account)
        return True

    def account(self, name: str) -> AccountSettings:
        """Return the settings of an account.

        Raises:
            UsageError: there is no such account.
        """
        settings = self._settings.accounts.get(name)
        if settings is None:
            raise UsageError(f"There is no account {name} in the configuration.")
        return settings

    def account_of(self, job: Job) -> str | None:
        """Return the account that issues for the company of a job; None where none does."""
        source = self._settings.sources.get(job.source)
        return source.account_of(job.company) if source else None

    def rules(self, account: str, source: str, many_companies: Callable[[], bool]) -> Rules:
        """Return what holds for the documents of a source that an account issues.

        Args:
            account: one of the configuration.
            source: one of the configuration.
            many_companies: returns whether several issue in the ERP; asked where one account stands for all of it.
        """
        state = self._state_of(account)
        general, chosen, erp = self._settings.b2brouter, self.account(account), self._settings.sources[source]
        return Rules(
            quiet_time=general.quiet_time,
            call_seconds=general.timeout,
            repeat_unknown=_repeat_unknown(chosen, state.number_guard if state else None),
            owner_tax_number=state.tax_number if state else None,
            # Answers may call the account by id or by identifier; the configuration may say either.
            own_accounts=frozenset(filter(None, (chosen.account_id, state.remote_id if state else None))),
            many_companies=erp.account is not None and many_companies(),
            levels=self.levels(account),
            adopt_existing=erp.existing == "adopt",
            external_originals=erp.external_originals == "reference",
            since=erp.since,
            by_confirmation=erp.since_by == "confirmed_at",
            allow_difference=chosen.allow_difference or Decimal(0),
            ramp=() if state and state.ramp_over else self.ramp(account),
            directory=self._directory(chosen),
        )

    def _directory(self, account: AccountSettings) -> DirectoryRules | None:
        if not account.asks_directory(self._settings.b2brouter.environment):
            return None
        return DirectoryRules(
            found_seconds=account.directory_found_days * 86400,
            missing_seconds=account.directory_missing_hours * 3600,
        )

    def ramp(self, account: str) -> Sequence[int]:
        """Return how many invoices each step of an account's first run allows; nothing where there are no steps.

        An account that has left the configuration has none.
        """
        settings = self._settings.accounts.get(account)
        return settings.ramp_in(self._settings.b2brouter.environment) if settings else ()

    def levels(self, account: str) -> Levels:
        """Return the levels of validation rules that an account has chosen."""
        if account not in self._levels:
            usual = AS_THEY_ARE if self._settings.b2brouter.environment == "production" else ON_TRIAL
            self._levels[account] = {**usual, **levels_of(self.account(account).rules)}
        return self._levels[account]

    def plan(self, account: str) -> Plan:
        """Return how an account is followed; one that has left the configuration marks nothing."""
        follow, settings = self._settings.follow, self._settings.accounts.get(account)
        return Plan(
            days=follow.days,
            shortest=follow.look_every,
            longest=follow.look_at_most,
            with_webhooks=follow.look_with_webhooks,
            acknowledge=settings.acknowledge if settings else False,
            mark_as=settings.mark_as if settings else {},
        )


def _repeat_unknown(account: AccountSettings, number_guard: bool | None) -> bool:
    """The operator's word counts; left to us, a number that is known not to be guarded is never sent twice."""
    wish = account.unknown_outcome
    return wish == "repeat" or (wish == "auto" and number_guard is not False)
