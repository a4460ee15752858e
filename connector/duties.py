"""What has to happen again and again, whoever does it: look into the ERPs, free what is stuck, see what is due.

The scheduler calls `tick` and passes a bell to ring; embedded, the bell is a thread of the same process, else
it is a message to the workers.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event

from connector.bootstrap import Services
from connector.domain.errors import (
    ConnectorError,
    EnvironmentLockedError,
    LedgerError,
)
from connector.ledger.accounts import SCHEDULER, AccountState
from connector.ledger.reconciliations import Reconciliation
from connector.supervision import has_work, hasten, let_all_wait

log = logging.getLogger(__name__)

RESCUE_EVERY = 10.0
"""Seconds between looks for lapsed leases."""

RELEASE_EVERY = 2.0
"""Seconds between looks for jobs that wait and need not: most are freed at once by what they waited for."""

PROBE_EVERY = 5.0
"""Seconds between looks for paused accounts that it is time to try."""

OFFICE_SECONDS = 30.0
"""How long the scheduler's office is held without a sign of life."""

RENEW_EVERY = 5.0
"""Seconds between signs of life of the scheduler."""

_ROUND = 0.5
"""Seconds between rounds: how soon a due job is taken up."""

_LEDGER_PAUSE = 5.0
"""Seconds until the ledger is tried again after it failed."""

FOLLOW_EVERY = 5.0
"""Seconds between looks whether there is news of issued documents."""

TIDY_EVERY = 86400.0
"""Seconds between sweeps of what webhooks told, and of what was counted, long ago."""

SORT_OUT_EVERY = 3600.0
"""Seconds between sortings of what webhooks told of documents that nobody here knows."""

NOTIFY_EVERY = 15.0
"""Seconds between looks at what people have to be told."""

RECONCILE_LOOK = 60.0
"""Seconds between looks whether it is time to compare an account's three sides again."""

_RECONCILE_AGAIN = timedelta(hours=6)
"""After this a comparison that could not be made is tried again."""

ARCHIVE_EVERY = 15.0
"""Seconds between looks for files of issued documents that are due in the archive."""

ASTRAY_EVERY = 300.0
"""Seconds between looks for jobs that nobody may work at: one may read all that are under way."""

ASTRAY_SECONDS = 1.0
"""Of such a look, about, for giving them to others: most were given by the looks into the ERPs."""

HASTEN_EVERY = 300.0
"""Seconds between looks for jobs that were written while the clock was ahead."""

BELLS_SECONDS = 1.0
"""Of each round, at most, for the bells of one duty, so that none of thousands keeps the rest waiting."""

MOST_FOLLOWED, MOST_ARCHIVED, MOST_COMPARED = 200, 100, 60
"""Accounts for which such a duty rings at one turn: where more are due than workers get through, a bell for each of
thousands would be heard in vain, and rung again at the next."""

LATE_SECONDS = 60.0
"""So late may looks into ERPs be, or by the pause between two if that is longer, until the log says so."""

BULK_SECONDS = 0.3
"""Of each round, at most, for what people have had done to many jobs at once."""

WAIT_SECONDS = 0.3
"""Of each round, about, for the jobs of what is paused: they may be a million, and others are to go on."""

_NEVER = datetime.min.replace(tzinfo=UTC)


class Duties:
    """The scheduler's round. Only the holder of the office does anything."""

    def __init__(
        self,
        services: Services,
        ring: Callable[[str], None],
        discover: Callable[[str], None],
        follow: Callable[[str], None],
        notify: Callable[[], None],
        archive: Callable[[str], None],
        reconcile: Callable[[str], None],
        *,
        has_room: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """Prepare the round.

        Args:
            services: the parts.
            ring: starts the work for an account, somewhere.
            discover: starts a look into a source, somewhere.
            follow: starts the taking in of news about an account's issued documents, somewhere.
            notify: starts the telling of people, somewhere.
            archive: starts the keeping of an account's files, somewhere.
            reconcile: starts the comparison of an account's three sides, somewhere.
            has_room: whether a look into a source may be started now; where not, it keeps its turn.
        """
        self._services = services
        self._ring = ring
        self._discover = discover
        self._follow = follow
        self._notify = notify
        self._archive = archive
        self._reconcile = reconcile
        self._has_room = has_room
        self._due: dict[str, float] = {}
        self._failing: set[str] = set()
        self._had: dict[str, set[str]] = {}  # by duty, whose turn is over while others wait for theirs
        self._issuing: Collection[str] = ()  # accounts with jobs that are due
        self._astray: Collection[str] = ()  # accounts with jobs of sources that do not lead there any more
        self._looked_as = services.settings.sources
        self._order: Mapping[str, datetime] = {}  # when each source was last looked into before we were in office
        self._looks_are_late = False
        self._in_office = False

    def tick(self) -> None:
        """Do whatever is due now; a duty that fails comes round again and keeps no other from its turn.

        Raises:
            EnvironmentLockedError: the ledger is another's.
            LedgerError: the ledger failed; the next round tries again.
        """
        settings = self._services.settings
        self._duty(RESCUE_EVERY, "rescue", self._rescue)
        self._duty(RESCUE_EVERY, "let wait", self._let_wait)
        self._duty(0, "bulks", partial(self._services.ledger.bulks.work, BULK_SECONDS))
        self._duty(RELEASE_EVERY, "release", self._release)
        self._duty(HASTEN_EVERY, "hasten", partial(hasten, self._services))
        self._duty(ASTRAY_EVERY, "astray", self._look_for_what_is_astray)
        self._duty(0, "issue", self._issue)
        self._duty(PROBE_EVERY, "probe", self._probe)
        if self._is_in_office():
            self._look_into_erps()
        self._duty(FOLLOW_EVERY, "follow", self._take_news)
        self._duty(SORT_OUT_EVERY, "sort out", self._services.ledger.inbox.sort_out)
        self._duty(TIDY_EVERY, "tidy", self._tidy)
        self._duty(NOTIFY_EVERY, "notify", self._notify)
        # What is to be issued comes first, for all use the same budget of requests.
        if settings.archive.on:
            self._duty(ARCHIVE_EVERY, "archive", self._keep_files)
        self._duty(RECONCILE_LOOK, "reconcile", self._compare)

    def _duty(self, seconds: float, duty: str, act: Callable[[], object]) -> None:
        """Do a duty of the office if it is due; not once another has the office, for the one before may take long."""
        if self._is_in_office():
            self._every(seconds, duty, act)

    def _is_in_office(self) -> bool:
        """Give a sign of life if it is time to; return whether the office is ours."""
        self._every(RENEW_EVERY, "office", self._stand)
        return self._in_office

    def _every(self, seconds: float, duty: str, act: Callable[[], object]) -> None:
        """Do a duty if it is due. That it fails is logged when it begins and when it ends."""
        if self._services.stop.is_set() or not self._is_due(duty, seconds):
            return
        try:
            act()
        except (LedgerError, EnvironmentLockedError):
            raise
        except ConnectorError as error:
            if self._begins_to_fail(duty):
                log.error("%s fails and is tried again: %s %s", duty, error.message, error.action)
        except Exception:
            if self._begins_to_fail(duty):
                log.exception("%s fails unexpectedly and is tried again", duty)
        else:
            if duty in self._failing:
                self._failing.remove(duty)
                log.info("%s works again", duty)

    def _begins_to_fail(self, duty: str) -> bool:
        known = duty in self._failing
        self._failing.add(duty)
        return not known

    def _rescue(self) -> None:
        ledger = self._services.ledger
        freed = ledger.jobs.rescue()
        if freed:
            log.warning("%s jobs of vanished workers were freed", freed)
        for source in ledger.sources.resume_over():
            log.info("the pause of source %s is over", source)

    def _let_wait(self) -> None:
        if not let_all_wait(self._services, seconds=WAIT_SECONDS):
            del self._due["let wait"]  # the rest is the next round's

    def _take_news(self) -> None:
        """Have news of issued documents taken in where there is any, or where it is time to look for it."""
        due = self._services.follower.due(self._services.settings.accounts)
        self._for_each("follow", due, self._follow, MOST_FOLLOWED)

    def _tidy(self) -> None:
        self._services.ledger.inbox.tidy()
        self._services.ledger.calls.tidy()

    def _release(self) -> None:
        self._services.ledger.jobs.release_ready()
        self._services.ledger.ramp.refill(self._services.ramp)

    def _issue(self) -> None:
        """Ring for the accounts with due jobs, in any order: where there are too few threads, the first get them."""
        due = [name for name in self._services.ledger.jobs.due_accounts() if self._has_work(name)]
        random.shuffle(due)
        self._issuing = due
        self._for_each("issue", due, self._ring)

    def _look_into_erps(self) -> None:
        """Have ERPs looked into, those due longest first, for a part of the round: there may be thousands."""
        self._see_changes()
        every, clock = self._services.settings.scheduler.discover_every, self._services.clock
        due = self._looks_due(now=clock.monotonic())
        end = clock.monotonic() + BELLS_SECONDS
        for source in due:
            if clock.monotonic() >= end:
                break
            if self._has_room(source):
                self._every(every, _look(source), partial(self._discover, source))
        self._tell_lateness(max(every, LATE_SECONDS))

    def _looks_due(self, now: float) -> list[str]:
        """Return the sources whose turn it is, those due longest first; of these, by the ledger."""
        at = {source: self._due.get(_look(source), -math.inf) for source in self._services.settings.sources}
        due = [source for source, when in at.items() if when <= now]
        return sorted(due, key=lambda source: (at[source], self._order.get(source, _NEVER)))

    def _tell_lateness(self, limit: float) -> None:
        """Say in the log when looks come so many seconds late, and when they come in time again."""
        now = self._services.clock.monotonic()
        due = [self._due.get(_look(source), now) for source in self._services.settings.sources]
        late = now - min(due, default=now)
        if late > limit and not self._looks_are_late:
            log.warning(
                "looks into ERPs come %.0f seconds late, in turn: there are too few workers for %s sources and "
                "discover_every of %.0f seconds, or many ERPs do not answer",
                late,
                len(due),
                self._services.settings.scheduler.discover_every,
            )
            self._looks_are_late = True
        elif late <= limit / 2 and self._looks_are_late:
            log.info("looks into ERPs come in time again")
            self._looks_are_late = False

    def _see_changes(self) -> None:
        """Have a source looked into at once whose settings are others now: somebody waits for what they let in."""
        sources = self._services.settings.sources
        if sources is self._looked_as:
            return
        for name in [name for name, known in self._looked_as.items() if sources.get(name) != known]:
            self._due.pop(_look(name), None)
        self._looked_as = sources

    def _for_each(
        self, duty: str, names: Iterable[str], ring: Callable[[str], None], most: int | None = None
    ) -> None:
        """Ring for many, for a part of the round: the next one goes on with those that had no turn.

        Of more than `most` the rest is left to the duty's next turn, and comes before those that had theirs.
        """
        clock = self._services.clock
        had, end = self._had.setdefault(duty, set()), clock.monotonic() + BELLS_SECONDS
        left = [name for name in names if name not in had]
        for name in left[:most]:
            if not self._is_in_office() or self._services.stop.is_set():
                return
            if clock.monotonic() >= end:
                del self._due[duty]  # the rest is the next round's
                return
            had.add(name)
            ring(name)
        if most is None or len(left) <= most:
            had.clear()

    def _has_work(self, account: str) -> bool:
        """Whether any of what is due is of a source that leads to the account; one that is gone is named once."""
        return account not in self._astray or has_work(self._services, account)

    def _look_for_what_is_astray(self) -> None:
        sources = self._services.settings.sources.items()
        issuers = {name: source.issuers for name, source in sources}
        astray = self._services.ledger.ages.astray(issuers)
        self._astray = astray.keys()
        self._bring_back({source for found in astray.values() for source in found.sources})

    def _bring_back(self, sources: set[str]) -> None:
        """Give what is astray to who issues for it now: a person let it go on since, or somebody had it in hand."""
        ledger, known = self._services.ledger, self._services.settings.sources
        end = self._services.clock.monotonic() + ASTRAY_SECONDS
        for name in sorted(known.keys() & sources - {*ledger.sources.paused(), *ledger.sources.locked()}):
            left = end - self._services.clock.monotonic()
            if left <= 0:
                return
            ledger.handover.assign(name, known[name].account_of, seconds=left)

    def _probe(self) -> None:
        self._for_each("probe", self._services.ledger.accounts.to_probe(), self._ring)

    def _compare(self) -> None:
        idle = (account for account in to_reconcile(self._services) if account not in self._issuing)
        self._for_each("reconcile", idle, self._reconcile, MOST_COMPARED)

    def _keep_files(self) -> None:
        due = self._services.ledger.archive.accounts_due()
        known = self._services.settings.accounts
        idle = [account for account in due if account in known and account not in self._issuing]
        random.shuffle(idle)  # where not all find room, not always the same go without
        self._for_each("archive", idle, self._archive, MOST_ARCHIVED)

    def _stand(self) -> None:
        """Take the office, or keep it, or learn that another has it."""
        held = self._services.ledger.offices.hold(SCHEDULER, seconds=OFFICE_SECONDS)
        if held is not self._in_office:
            if held:
                self._begin_looks()
            log.info("this process %s the scheduler", "is" if held else "is no longer")
            self._in_office = held

    def _begin_looks(self) -> None:
        """Have all ERPs looked into, those first at which nobody has looked for longest."""
        self._order = {source: look.at for source, look in self._services.ledger.looks.last().items()}
        now = self._services.clock.monotonic()
        self._due |= {_look(source): now for source in self._services.settings.sources}

    def leave(self) -> None:
        """Give the office up, so that another process takes over at once."""
        if self._in_office:
            self._services.ledger.offices.leave(SCHEDULER)
            self._in_office = False

    def _is_due(self, duty: str, every: float) -> bool:
        now = self._services.clock.monotonic()
        if now < self._due.get(duty, now):
            return False
        self._due[duty] = now + every
        return True


def _look(source: str) -> str:
    return f"discover {source}"


def rounds(duties: Duties, stop: Event) -> None:
    """Make the scheduler's rounds until `stop` is set; a ledger that fails is tried again and again."""
    try:
        while not stop.is_set():
            pause = _ROUND
            try:
                duties.tick()
            except LedgerError as error:
                log.error("%s %s", error.message, error.action)
                pause = _LEDGER_PAUSE
            stop.wait(pause)
    finally:
        stop.set()  # whatever else ends the rounds ends the rest of the process too, and in time


def to_reconcile(services: Services) -> list[str]:
    """Return the accounts whose three sides it is time to compare again, or a person has asked for it."""
    ledger, settings = services.ledger, services.settings
    begun = ledger.reconciliations.last_begun(services.clock.now().date() - timedelta(days=settings.reconcile.days))
    left_alone = {*ledger.sources.paused(), *ledger.sources.locked()}
    able = [
        state
        for state in ledger.accounts.all()
        if state.name in settings.accounts
        and state.paused_reason is None
        and (sources := services.sources_of(state.name))
        and left_alone.isdisjoint(sources)
    ]
    any_new = settings.reconcile.every_days and any(state.name not in begun for state in able)
    with_documents = ledger.reconciliations.accounts_to_compare() if any_new else set()
    return [
        state.name
        for state in able
        if _must_be_compared(services, state, begun.get(state.name), has_documents=state.name in with_documents)
    ]


def _must_be_compared(
    services: Services, state: AccountState, last: Reconciliation | None, *, has_documents: bool
) -> bool:
    asked = state.compare_asked_at
    if asked is not None and (last is None or last.started_at < asked):
        return True
    every = timedelta(days=services.settings.reconcile.every_days)
    if not every:
        return False
    if last is None:
        return has_documents
    pause = min(every, _RECONCILE_AGAIN) if last.fault or last.finished_at is None else every
    return services.clock.now() - last.started_at >= pause
