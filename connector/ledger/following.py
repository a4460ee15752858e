"""The states of issued documents as the ledger has them: what is newer is written, older news changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    bindparam,
    column,
    func,
    or_,
    select,
    update,
)

from connector.domain.job import AT_REST, Stage, Status
from connector.domain.remote_state import REASONS, UNWATCHED, News, Verdict, case_of, judge
from connector.ledger import cases, timeline
from connector.ledger.database import Database
from connector.ledger.inbox import FOLLOWED
from connector.ledger.loose import different
from connector.ledger.records import Entry
from connector.ledger.tables import AccountRow, JobRow, TaxReportRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A sent job, as far as following it needs."""

    id: int
    key: str
    account: str
    stage: Stage
    status: Status
    reason: str | None
    reference: str
    remote_state: str | None
    state_changed_at: datetime | None
    state_event: str | None
    state_note: str | None
    state_recorded_at: datetime | None
    acknowledged: bool

    @property
    def known(self) -> News | None:
        """The state that the ledger has; None before the first news."""
        if self.remote_state is None or self.state_changed_at is None:
            return None
        return News(state=self.remote_state, changed_at=self.state_changed_at, event=self.state_event)


_COLUMNS = tuple(getattr(JobRow, name) for name in Followed.__dataclass_fields__)
_UNTOLD = select(different(JobRow.source, JobRow.state_unrecorded).c.value)
_TO_MARK = select(different(JobRow.account, JobRow.mark_due).c.value)
_WATCHED = or_(JobRow.remote_state.is_(None), JobRow.remote_state.not_in(UNWATCHED))


def _sent(rows_of: Any) -> Select[Any]:
    """Return the question when the first and the last document of each account was sent, account by account.

    Each end has a question of its own, for alone it is the first of an index; a group would be read whole.
    """
    account = rows_of(bindparam("accounts", type_=JSON)).table_valued(column("value", String())).c.value
    expected = and_(JobRow.sent_at >= bindparam("since"), JobRow.reference.is_not(None))
    ends = []
    for end in (func.min(JobRow.sent_at), func.max(JobRow.sent_at)):
        reported = select(end).join(TaxReportRow, TaxReportRow.reference == JobRow.reference)
        ends += [
            select(end).where(expected, JobRow.account == account, _WATCHED).scalar_subquery(),
            reported.where(expected, TaxReportRow.account == account, ~TaxReportRow.settled).scalar_subquery(),
        ]
    return select(account, *ends)


_SENT = {"sqlite": _sent(func.json_each), "postgresql": _sent(func.json_array_elements_text)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A piece of news to be written down."""

    job: Followed
    news: News
    note: str | None
    marks: bool = False  # to be acknowledged or marked at B2Brouter, as configured


class Following:
    """The ledger as following sees it."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def jobs(self, account: str, references: Collection[str]) -> Mapping[str, Followed]:
        """Return an account's jobs of these documents that may be written to now, by reference."""
        query = select(*_COLUMNS).where(JobRow.reference.in_(list(references)), JobRow.account == account, FOLLOWED)
        with self._database.read() as connection:
            rows = connection.execute(query).all() if references else []
        return {row.reference: Followed(**row._mapping) for row in rows}

    def take(self, changes: Sequence[Change]) -> set[int]:
        """Write news down, and open or close the cases that it makes.

        Returns:
            The jobs that were left alone because they moved since they were read: their news is to be kept.
        """
        if not changes:
            return set()
        now = self._database.clock.now()
        with self._database.write() as connection:
            return {change.job.id for change in changes if not self._take(connection, change, now)}

    def _take(self, connection: Connection, change: Change, now: datetime) -> bool:
        job, news = change.job, change.news
        other = (news.state, change.note) != (job.remote_state, job.state_note)
        values: dict[str, Any] = {"state_changed_at": news.changed_at, "state_event": news.event}
        entries: list[Entry] = []
        if other:
            needs = case_of(news.state, job.reference, change.note)
            values |= {"remote_state": news.state, "state_note": change.note, "updated_at": now}
            values |= {"state_unrecorded": True, "mark_due": change.marks}
            values |= _case(job, news, needs)
            entries.append(_entry(change.news, needs))
        guard = and_(_as_read(job), JobRow.status == job.status, JobRow.reason.is_not_distinct_from(job.reason))
        written = connection.execute(update(JobRow).where(guard).values(**values)).rowcount
        if written:
            timeline.append(connection, now, [(job.id, job.stage, entry) for entry in entries])
            if "reason" in values and values["reason"] is None:
                cases.judge(connection, JobRow.id == job.id, now)
        return bool(written)

    def confirm(self, job: Followed, event: str) -> None:
        """Remember that an event told of a state that was read before."""
        with self._database.write() as connection:
            connection.execute(update(JobRow).where(_as_read(job)).values(state_event=event))

    # ------------------------------------------------------------ when to look

    def sent(self, accounts: Collection[str], *, since: datetime) -> Mapping[str, tuple[datetime, datetime]]:
        """Return when the first and the last document was sent of which news is expected, by account that has any.

        Also of one that is closed: a tax authority may not have answered yet.
        """
        values = {"accounts": list(accounts), "since": since}
        with self._database.read() as connection:
            rows = connection.execute(_SENT[connection.dialect.name], values).all() if accounts else []
        ends = {account: [at for at in found if at is not None] for account, *found in rows}
        return {account: (min(found), max(found)) for account, found in ends.items() if found}

    def looked(self, account: str, began: datetime, *, proved: bool | None) -> None:
        """Remember a whole look at the states.

        Args:
            account: by name.
            began: when it did.
            proved: whether webhooks had told of all that changed; None where nothing did.
        """
        values: dict[str, Any] = {"polled_at": began, "poll_after": None}
        if proved is not None:
            values["webhooks_proved_at"] = began if proved else None
        self._account(account, values)

    def look_back(self, account: str, instant: datetime) -> None:
        """Have the next look begin as if the last one had begun earlier: it comes sooner, and sees more."""
        self._account(account, {"polled_at": instant})

    def look_later(self, account: str, instant: datetime | None) -> None:
        """Do not look before an instant, for a look failed; None: it did not."""
        self._account(account, {"poll_after": instant})

    def _account(self, account: str, values: Mapping[str, Any]) -> None:
        with self._database.write() as connection:
            connection.execute(update(AccountRow).where(AccountRow.name == account).values(**values))

    # ------------------------------------------------------------ what the ERP is told

    def untold(self) -> set[str]:
        """Return the sources with states that their ERP has not been told, whether or not it can be."""
        with self._database.read() as connection:
            return set(connection.execute(_UNTOLD).scalars()) - {None}

    def unrecorded(self, account: str, source: str, limit: int) -> list[Followed]:
        """Return jobs whose state the ERP has not been told yet; their reference stands there."""
        due = and_(JobRow.state_unrecorded, JobRow.source == source, JobRow.account == account)
        return self._done(due, limit)

    def recorded(self, told: Mapping[Followed, datetime]) -> None:
        """Remember what the ERP was told, each with the time that went with it; newer news stays to be told."""
        with self._database.write() as connection:
            for job, at in told.items():
                connection.execute(update(JobRow).where(JobRow.id == job.id).values(state_recorded_at=at))
                connection.execute(update(JobRow).where(_as_read(job)).values(state_unrecorded=False))

    # ------------------------------------------------------------ marks at B2Brouter

    def accounts_to_mark(self) -> set[str]:
        """Return the accounts with jobs that are to be acknowledged or marked."""
        with self._database.read() as connection:
            return set(connection.execute(_TO_MARK).scalars()) - {None}

    def to_mark(self, account: str, limit: int, *, after: int) -> list[Followed]:
        """Return jobs that are to be acknowledged or marked, in the order of their ids, of which `after` is less."""
        return self._done(and_(JobRow.mark_due, JobRow.account == account, JobRow.id > after), limit)

    def marked(self, job: Followed, *, acknowledged: bool, entries: Sequence[Entry]) -> None:
        """Remember that it was done, or refused; newer news stays to be acted on."""
        now = self._database.clock.now()
        with self._database.write() as connection:
            connection.execute(update(JobRow).where(JobRow.id == job.id).values(acknowledged=acknowledged))
            connection.execute(update(JobRow).where(_as_read(job)).values(mark_due=False))
            timeline.append(connection, now, [(job.id, job.stage, entry) for entry in entries])

    def _done(self, which: ColumnElement[bool], limit: int) -> list[Followed]:
        query = select(*_COLUMNS).where(which, JobRow.status == Status.DONE).order_by(JobRow.id).limit(limit)
        with self._database.read() as connection:
            return [Followed(**row._mapping) for row in connection.execute(query)]

    def note(self, job: Followed, entry: Entry) -> None:
        """Append to the timeline of a job; nothing else changes."""
        with self._database.write() as connection:
            timeline.append(connection, self._database.clock.now(), [(job.id, job.stage, entry)])


def _as_read(job: Followed) -> ColumnElement[bool]:
    """Whether the state is still the one that was read, and nobody has the job in hand."""
    return and_(
        JobRow.id == job.id,
        JobRow.reference == job.reference,
        JobRow.status != Status.RUNNING,
        JobRow.remote_state.is_not_distinct_from(job.remote_state),
        JobRow.state_changed_at.is_not_distinct_from(job.state_changed_at),
    )


def _case(job: Followed, news: News, needs: tuple[str, dict[str, str]] | None) -> dict[str, Any]:
    """What a state does to the case of a document; one that is still being worked on is judged when it rests.

    A case that a person let be stays so when no more than its why is learnt.
    """
    if job.status not in AT_REST:
        return {}
    if needs is not None:
        let_be = job.reason not in REASONS and judge(job.known, news) is Verdict.CONFIRM
        return {} if let_be else {"reason": needs[0], "details": needs[1]}
    return {"reason": None, "details": None} if job.reason in REASONS else {}


def _entry(news: News, needs: tuple[str, dict[str, str]] | None) -> Entry:
    told = "read" if news.event is None else "told"
    if needs is not None:
        return Entry(what="state", outcome=told, reason=needs[0], details=needs[1])
    return Entry(what="state", outcome=told, details={"state": news.state})
