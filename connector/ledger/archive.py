"""The ledger as the archive sees it: which files of issued documents are due, kept, and in which list."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, and_, func, or_, select, update

from connector.domain.archive import LONGEST_WAIT, NOT_READY, Keeping, Piece, pause
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.tables import AccountRow, ArchiveListRow, ArchiveRow, EventRow, JobRow

COUNTED: Final = 100_000
"""Nobody needs to know more exactly how much is still to be kept."""

_ENROLLED: Final = 500
"""Documents whose files are noted in one transaction."""

_LATE: Final = timedelta(minutes=10)
"""How much later than its time of sending a document may be committed."""

_LOOK_BACK: Final = timedelta(days=30)
"""How far the first look of a day goes back: a clock that was wrong for a while, or a machine that was paused, leaves
documents behind the mark."""

_OPEN: Final = ArchiveRow.keeping.in_([Keeping.DUE, Keeping.STORING])
_UNLISTED: Final = and_(ArchiveRow.keeping == Keeping.KEPT, ArchiveRow.list_number.is_(None))
_GIVEN_UP: Final = select(ArchiveRow.account).where(ArchiveRow.keeping == Keeping.ABSENT).limit(COUNTED).subquery()
_ABSENT: Final = select(_GIVEN_UP.c.account, func.count()).group_by(_GIVEN_UP.c.account)
_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of an issued document."""

    id: int
    job_id: int
    account: str
    piece: Piece
    keeping: Keeping
    tries: int
    due_at: datetime
    reason: str | None
    details: dict[str, str]
    missing_since: datetime | None
    name: str | None
    sha256: str | None
    size: int | None
    list_number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file whose turn it is, with what is needed to get it."""

    file: File
    number: str | None
    reference: str | None
    payload: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownList:
    """A list of the archive."""

    number: int
    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What of an account is still to be kept, or was given up."""

    files: int = 0
    since: datetime | None = None  # when the document was sent that waits longest
    absent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many files of one kind have come so far."""

    piece: Piece
    keeping: Keeping
    files: int
    bytes: int


_FILE: Final = tuple(getattr(ArchiveRow, name) for name in File.__dataclass_fields__)
_JOB: Final = tuple(getattr(JobRow, name) for name in ("number", "reference", "payload"))


class Archive:
    """What is known of the archive."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    # ------------------------------------------------------------ what is due

    def enrol(self, account: str, pieces: Collection[Piece]) -> int:
        """Note the files of documents that were sent since the last time; return of how many documents.

        The first time, those of all that were ever sent; once a day, of those that a wrong clock left behind besides.
        """
        started = self._database.clock.now()
        mark, documents = self._begin(account, started), 0
        while page := self._sent(account, mark):
            mark = page[-1].sent_at
            documents += len(page)
            self._note(account, page, pieces, reached=mark)
            if len(page) < _ENROLLED:
                break
        self._note(account, [], pieces, reached=started)
        return documents

    def _begin(self, account: str, now: datetime) -> datetime | None:
        query = select(AccountRow.archived_to).where(AccountRow.name == account)
        with self._database.read() as connection:
            mark: datetime | None = connection.execute(query).scalar_one_or_none()
        if mark is None:
            return None
        first, last = _of_today(now)
        return mark - _LATE if first <= mark <= last else min(mark - _LATE, now - _LOOK_BACK)

    def _sent(self, account: str, since: datetime | None) -> Sequence[Any]:
        """The next documents by time of sending whose files are not noted."""
        noted = select(ArchiveRow.id).where(ArchiveRow.job_id == JobRow.id).exists()
        query = (
            select(JobRow.id, JobRow.sent_at)
            .where(JobRow.account == account, JobRow.sent_at.is_not(None), ~noted)
            .order_by(JobRow.sent_at, JobRow.id)
            .limit(_ENROLLED)
        )
        if since is not None:
            query = query.where(JobRow.sent_at >= since)
        with self._database.read() as connection:
            return connection.execute(query).all()

    def _note(self, account: str, page: Sequence[Any], pieces: Collection[Piece], *, reached: datetime) -> None:
        now = self._database.clock.now()
        same = {"account": account, "keeping": Keeping.DUE, "due_at": now, "tries": 0}
        rows = [{"job_id": job.id, "piece": piece, **same} for job in page for piece in pieces]
        with self._database.write() as connection:
            if rows:
                insert = insert_dialect(self._database)(ArchiveRow)
                connection.execute(insert.on_conflict_do_nothing(), rows)
            mark = insert_dialect(self._database)(AccountRow).values(name=account, probes=0, archived_to=reached)
            connection.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"archived_to": reached}))

    def accounts_due(self) -> list[str]:
        """Return the accounts with files that are due, or with documents sent of which no file is noted yet.

        Once a day, those also for which that is not known, for their mark is of another day.
        """
        now = self._database.clock.now()
        first, last = _of_today(now)
        due = select(ArchiveRow.account).where(_OPEN, ArchiveRow.due_at <= now).distinct()
        mark = AccountRow.archived_to
        later = select(JobRow.id).where(JobRow.account == AccountRow.name, JobRow.sent_at > mark)
        later = later.where(JobRow.sent_at <= last)  # what was dated ahead is found by the next look back
        unseen = select(AccountRow.name).where(or_(mark.is_(None), mark < first, mark > last, later.exists()))
        with self._database.read() as connection:
            return sorted({*connection.execute(due).scalars(), *connection.execute(unseen).scalars()})

    def claim(self, account: str, limit: int, *, seconds: float) -> list[Wanted]:
        """Take the files that are due longest; nobody else takes them within so many seconds."""
        now = self._database.clock.now()
        due = select(ArchiveRow.id).where(ArchiveRow.account == account, _OPEN, ArchiveRow.due_at <= now)
        with self._database.read() as connection:  # to find nothing costs no write
            if connection.execute(due.limit(1)).first() is None:
                return []
        longest = due.order_by(ArchiveRow.due_at, ArchiveRow.id).limit(limit)
        with self._database.write() as connection:
            ids = connection.execute(longest.with_for_update(skip_locked=True)).scalars().all()
            mine = ArchiveRow.id.in_(ids)
            query = select(*_FILE, *_JOB).join(JobRow, JobRow.id == ArchiveRow.job_id).where(mine)
            rows = connection.execute(query.order_by(ArchiveRow.id)).all()
            connection.execute(update(ArchiveRow).where(mine).values(due_at=now + timedelta(seconds=seconds)))
        return [_wanted(row) for row in rows]

    def let_go(self, wanted: Collection[Wanted]) -> None:
        """Give claimed files back: they are due as they were."""
        with self._database.write() as connection:
            for one in wanted:
                self._write(connection, one.file, due_at=one.file.due_at)

    def postpone(self, wanted: Wanted, reason: str, details: Mapping[str, str]) -> Keeping:
        """Ask for a file again later; where B2Brouter had none for weeks, not any more. Return how it stands."""
        now, file = self._database.clock.now(), wanted.file
        tries, missing_since = file.tries + 1, file.missing_since
        if reason == NOT_READY and missing_since is None:
            missing_since = now
        over = reason == NOT_READY and missing_since is not None and now - missing_since > LONGEST_WAIT
        keeping = Keeping.ABSENT if over else file.keeping
        values = {"keeping": keeping, "tries": tries, "reason": reason, "details": dict(details)}
        values |= {"missing_since": missing_since}
        with self._database.write() as connection:
            self._write(connection, file, due_at=now + pause(tries), **values)
        return keeping

    def ask_again(self) -> int:
        """Have the files asked for again that had been given up; return how many."""
        values = {"keeping": Keeping.DUE, "tries": 0, "missing_since": None, "due_at": self._database.clock.now()}
        absent = ArchiveRow.keeping == Keeping.ABSENT
        with self._database.write() as connection:
            return connection.execute(update(ArchiveRow).where(absent).values(values)).rowcount

    # ------------------------------------------------------------ what is kept

    def storing(self, file: File, *, name: str, sha256: str, size: int) -> None:
        """Write down, before a file goes into the archive, which one it will be."""
        values = {"keeping": Keeping.STORING, "name": name, "sha256": sha256, "size": size}
        with self._database.write() as connection:
            self._write(connection, file, **values)

    def refetch(self, file: File) -> None:
        """Forget what was announced: it never reached the archive."""
        with self._database.write() as connection:
            self._write(connection, file, keeping=Keeping.DUE, name=None, sha256=None, size=None)

    def kept(self, file: File) -> None:
        """Write down that a file is in the archive."""
        now = self._database.clock.now()
        done = {"keeping": Keeping.KEPT, "kept_at": now, "tries": 0, "reason": None, "details": None}
        with self._database.write() as connection:
            self._write(connection, file, **done)

    def _write(self, connection: Connection, file: File, **values: Any) -> None:
        guard = and_(ArchiveRow.id == file.id, _OPEN)
        connection.execute(update(ArchiveRow).where(guard).values(values))

    # ------------------------------------------------------------ lists

    def unlisted(self, limit: int) -> list[Wanted]:
        """Return kept files that no list names yet, oldest first."""
        query = (
            select(*_FILE, *_JOB)
            .join(JobRow, JobRow.id == ArchiveRow.job_id)
            .where(_UNLISTED)
            .order_by(ArchiveRow.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [_wanted(row) for row in connection.execute(query)]

    def last_list(self) -> KnownList | None:
        """Return the newest list."""
        query = select(*_LIST).order_by(ArchiveListRow.number.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return KnownList(**row._mapping) if row else None

    def listed(self, made: KnownList, names: Collection[str]) -> None:
        """Remember a list, and which files it names."""
        now = self._database.clock.now()
        row = {"number": made.number, "name": made.name, "sha256": made.sha256, "made_at": now}
        insert = insert_dialect(self._database)(ArchiveListRow).values(row).on_conflict_do_nothing()
        named = list(names)
        with self._database.write() as connection:
            connection.execute(insert)
            for start in range(0, len(named), _PAGE):
                these = and_(_UNLISTED, ArchiveRow.name.in_(named[start : start + _PAGE]))
                connection.execute(update(ArchiveRow).where(these).values(list_number=made.number))

    def lists(self) -> list[KnownList]:
        """Return all lists in their order."""
        with self._database.read() as connection:
            rows = connection.execute(select(*_LIST).order_by(ArchiveListRow.number)).all()
        return [KnownList(**row._mapping) for row in rows]

    # ------------------------------------------------------------ what is asked

    def counts(self) -> list[Count]:
        """Return how many files have come how far."""
        size = func.coalesce(func.sum(ArchiveRow.size), 0)
        query = (
            select(ArchiveRow.piece, ArchiveRow.keeping, func.count(), size)
            .group_by(ArchiveRow.piece, ArchiveRow.keeping)
            .order_by(ArchiveRow.piece, ArchiveRow.keeping)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [Count(piece=row[0], keeping=row[1], files=int(row[2]), bytes=int(row[3] or 0)) for row in rows]

    def backlog(self) -> Mapping[str, Backlog]:
        """Return by account what is still to be kept, and what was given up; of `COUNTED` files each at most."""
        some = select(ArchiveRow.account, ArchiveRow.job_id).where(_OPEN).limit(COUNTED).subquery()
        query = (
            select(some.c.account, func.count(), func.min(JobRow.sent_at))
            .join(JobRow, JobRow.id == some.c.job_id)
            .group_by(some.c.account)
        )
        with self._database.read() as connection:
            due = {row[0]: Backlog(files=int(row[1]), since=row[2]) for row in connection.execute(query)}
            absent = {row[0]: int(row[1]) for row in connection.execute(_ABSENT)}
        return {name: replace(due.get(name, Backlog()), absent=absent.get(name, 0)) for name in due | absent}

    def longest_wanted(self) -> Wanted | None:
        """Return the file that is still to be fetched whose document was sent first."""
        query = select(*_FILE, *_JOB).join(JobRow, JobRow.id == ArchiveRow.job_id).where(_OPEN)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(JobRow.sent_at, ArchiveRow.id).limit(1)).one_or_none()
        return _wanted(row) if row else None

    def files_of(self, job_id: int) -> list[File]:
        """Return the files of a document."""
        query = select(*_FILE).where(ArchiveRow.job_id == job_id).order_by(ArchiveRow.piece)
        with self._database.read() as connection:
            return [File(**row._mapping) for row in connection.execute(query)]

    def announced(self) -> Iterator[File]:
        """Yield the files that are, or may be, in the archive."""
        after = 0
        named = select(*_FILE).where(ArchiveRow.name.is_not(None)).order_by(ArchiveRow.id).limit(_PAGE)
        while True:
            with self._database.read() as connection:
                rows = connection.execute(named.where(ArchiveRow.id > after)).all()
            if not rows:
                return
            yield from (File(**row._mapping) for row in rows)
            after = rows[-1].id

    def issued(self, start: date | None, end: date | None, account: str | None) -> Iterator[int]:
        """Yield the jobs of documents that were sent, by their day of issue; both days included."""
        query = select(JobRow.id).where(JobRow.sent_at.is_not(None))
        if start is not None:
            query = query.where(JobRow.issue_date >= start)
        if end is not None:
            query = query.where(JobRow.issue_date <= end)
        if account is not None:
            query = query.where(JobRow.account == account)
        with self._database.read() as connection:
            ids = connection.execute(query.order_by(JobRow.issue_date, JobRow.id)).scalars().all()
        yield from ids

    def acts(self, job_id: int) -> list[Mapping[str, Any]]:
        """Return what people did to a document, with their notes."""
        columns = (EventRow.at, EventRow.what, EventRow.who, EventRow.note)
        query = select(*columns).where(EventRow.job_id == job_id, EventRow.who.is_not(None)).order_by(EventRow.id)
        with self._database.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


_LIST: Final = (ArchiveListRow.number, ArchiveListRow.name, ArchiveListRow.sha256)


def _of_today(now: datetime) -> tuple[datetime, datetime]:
    """Return between which instants a mark counts: written today, and not by a clock that was ahead."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0), now + _LATE


def _wanted(row: Any) -> Wanted:
    values = dict(row._mapping)
    file = File(**{name: values[name] for name in File.__dataclass_fields__})
    return Wanted(file=file, **{column.key: values[column.key] for column in _JOB})
