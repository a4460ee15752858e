"""The tables of the ledger about people: who may come in, who did what, and what they had done to many jobs."""

from __future__ import annotations

from sqlalchemy import Boolean, ForeignKey, Identity, Index, Integer, String, Text

from connector.domain.job import Status
from connector.domain.people import Role
from connector.ledger.columns import Base, Choice, Facts, Id, Instant, Words, column, optional


class UserRow(Base):
    """A person who may sign in to the console."""

    __tablename__ = "person"

    name = column(String(64), primary_key=True)
    role = column(Choice(Role))
    password = column(String(255))  # argon2id, with its salt and cost
    language = optional(String(8))  # chosen in the console
    created_at = column(Instant)


class SessionRow(Base):
    """One browser that is signed in. Only the digest of what the browser holds is kept."""

    __tablename__ = "session"

    digest = column(String(64), primary_key=True)
    person = column(String(64), ForeignKey("person.name", ondelete="CASCADE"), index=True)
    form_key = column(String(64))  # every form of the session carries it
    seen_at = column(Instant)
    expires_at = column(Instant)


class FailedSignInRow(Base):
    """A wrong name or password, remembered for a while to slow down guessing."""

    __tablename__ = "failed_sign_in"
    __table_args__ = (Index("ix_failed_sign_in_at", "at"),)

    id = column(Id, Identity(), primary_key=True)
    at = column(Instant)
    name = column(String(64))
    address = column(String(64))


class TokenRow(Base):
    """A machine that may use the API. Only the digest of its token is kept."""

    __tablename__ = "token"

    name = column(String(64), primary_key=True)
    digest = column(String(64), unique=True)
    scopes = column(String(64))  # with spaces between them
    created_at = column(Instant)
    expires_at = optional(Instant)


class AnswerRow(Base):
    """What a request with an idempotency key was answered, or a form with a key of its own, to be answered again."""

    __tablename__ = "answer"

    token = column(String(64), primary_key=True)  # its name; of a form: digest of the session
    key = column(String(128), primary_key=True)
    request = column(String(64))  # digest: another request with the same key is refused
    status = optional(Integer)  # None: it is being worked on
    body = optional(Text)
    at = column(Instant, index=True)


class DeedRow(Base):
    """What a person, or a machine in somebody's name, did: append-only."""

    __tablename__ = "deed"
    __table_args__ = (Index("ix_deed_who", "who", "id"),)

    id = column(Id, Identity(), primary_key=True)
    at = column(Instant)
    who = column(String(128))
    what = column(String(32))
    subject = column(String(255))  # a number, an account, a user
    job_id = optional(Id)  # where it was about a single one
    bulk_id = optional(Id)
    count = optional(Integer)  # jobs that it changed
    note = optional(Text)


class BulkRow(Base):
    """One act on many jobs, done in small pieces."""

    __tablename__ = "bulk"

    id = column(Id, Identity(), primary_key=True)
    act = column(String(16))
    chosen = optional(Facts)  # the filter, as the address of its list
    who = column(String(128))
    note = column(Text)
    pace = optional(Integer)  # jobs a minute; None: as fast as it goes
    total = column(Integer)
    done = column(Integer, default=0)  # of these, by now; changed or left alone
    changed = column(Integer, default=0)
    stopped = column(Boolean, default=False)
    stopped_by = optional(String(128))
    next_at = optional(Instant, index=True)  # None: it is over
    created_at = column(Instant)
    ended_at = optional(Instant)


class BulkItemRow(Base):
    """One job of such an act, and what became of it."""

    __tablename__ = "bulk_item"

    bulk_id = column(Id, ForeignKey("bulk.id", ondelete="CASCADE"), primary_key=True)
    place = column(Integer, primary_key=True)  # the order in which they are done
    job_id = column(Id, ForeignKey("job.id"))
    status = column(Choice(Status))  # of the job when the act was begun, as are the next two
    reason = optional(Words(64))
    updated_at = column(Instant)
    result = optional(String(24))  # None: its turn has not come
