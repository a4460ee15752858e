"""How each account and each source fares, as the console and the API show it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.bootstrap import Services
from connector.ledger.accounts import AccountState
from connector.ledger.archive import Backlog
from connector.ledger.ramp import Standing
from connector.ledger.reconciliations import Reconciliation
from connector.ledger.sources import Pause
from connector.meter import last_told_minute


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStanding:
    """How an account fares."""

    name: str
    configured: bool
    state: AccountState | None  # None: it was never used
    ramp: Standing | None
    webhook_secret: bool  # whether its webhook can be believed
    webhook_at: datetime | None  # when the last event came
    requests: int  # to B2Brouter, in the last minute that was counted
    backlog: Backlog | None  # of the archive; None: there is no archive
    compared: Reconciliation | None

    @property
    def troubled(self) -> bool:
        """Whether it is paused, or its last comparison could not be made or has something for a person."""
        paused = self.state is not None and self.state.paused_reason is not None
        return paused or (self.compared is not None and bool(self.compared.fault or self.compared.for_person))

    @property
    def webhook_proved_at(self) -> datetime | None:
        """Since when looks have found nothing that webhooks had not told; None: they cannot be relied on."""
        return self.state.webhooks_proved_at if self.state else None

    @property
    def comparison_asked(self) -> bool:
        """Whether somebody has asked for a comparison that has not ended yet."""
        asked = self.state.compare_asked_at if self.state else None
        return asked is not None and (self.compared is None or self.compared.started_at < asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStanding:
    """How far discovery has come in a source."""

    name: str
    adapter: str
    looked_at: datetime | None
    swept_at: datetime | None
    late: bool
    pause: Pause | None

    @property
    def troubled(self) -> bool:
        """Whether it is paused, or was not looked into for too long."""
        return self.late or self.pause is not None


def accounts(services: Services) -> list[AccountStanding]:
    """Return the accounts of the configuration, then those that have left it.

    The ledger is asked for all of them at once: there may be thousands, and this is asked for each page.
    """
    states = {state.name: state for state in services.ledger.accounts.all()}
    requests = services.ledger.calls.in_minute(last_told_minute(services.clock.now()))
    backlog = services.ledger.archive.backlog() if services.settings.archive.on else None
    ramps = services.ledger.ramp.standings(services.ramp)
    told = services.ledger.inbox.last_of_each()
    compared = services.ledger.reconciliations.last_of_each()
    left = [name for name in states if name not in services.settings.accounts]

    def standing(name: str) -> AccountStanding:
        settings = services.settings.accounts.get(name)
        return AccountStanding(
            name=name,
            configured=settings is not None,
            state=states.get(name),
            ramp=ramps.get(name),
            webhook_secret=settings is not None and settings.signs_webhooks,
            webhook_at=told.get(name),
            requests=requests.get(name, 0),
            backlog=None if backlog is None else backlog.get(name, Backlog()),
            compared=compared.get(name),
        )

    return [standing(name) for name in (*services.settings.accounts, *left)]


def sources(services: Services) -> list[SourceStanding]:
    """Return the sources of the configuration."""
    longest = timedelta(seconds=3 * services.settings.scheduler.discover_every + 60)
    paused, now = services.ledger.sources.paused(), services.clock.now()
    states = services.ledger.intake.states()

    def standing(name: str, adapter: str) -> SourceStanding:
        state = states.get(name, {})
        looked: datetime | None = state.get("discovered_at")
        late = name not in paused and (looked is None or now - looked > longest)
        swept = state.get("swept_at")
        return SourceStanding(
            name=name, adapter=adapter, looked_at=looked, swept_at=swept, late=late, pause=paused.get(name)
        )

    return [standing(name, settings.adapter) for name, settings in services.settings.sources.items()]
