"""Which contact at B2Brouter stands for a recipient: made once, whatever the concurrency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, case, func, or_, select, update

from connector.crashpoints import crashpoint
from connector.domain.errors import LeaseLostError
from connector.ledger import owner as owners
from connector.ledger.database import Database
from connector.ledger.jobs import insert_or_ignore
from connector.ledger.tables import ContactLinkRow as Link
from connector.together import Together


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactLink:
    """What is known of a recipient's contact."""

    account: str
    identity: str
    contact_id: str | None
    customer: str | None  # of the ERP, whose data the contact has; the others use it as it is
    payload: bytes | None  # what the ERP said of that customer when B2Brouter was last told; None: never told
    own_email: str | None  # the customer's, which the contact had not when it was found: it goes on the documents
    ask_at: datetime | None  # the directory gave no answer when the contact was made: ask again
    open_since: datetime | None  # a create was intended, its outcome is not known yet
    taken: bool  # the number belongs to a contact that no list shows yet
    looks: int
    lease_owner: str | None
    leased_until: datetime | None
    fence: int


_COLUMNS = tuple(getattr(Link, name) for name in ContactLink.__dataclass_fields__)
_FREE: Mapping[str, Any] = {"lease_owner": None, "leased_until": None}

_LEFT_OPEN = and_(Link.open_since.is_not(None), Link.lease_owner.is_not(None), Link.looks == 0)
"""The last holder vanished after its intent: its request can have left at any time until now."""

# Built once, as in `jobs`.
_ONE = select(*_COLUMNS).where(Link.account == bindparam("of_account"), Link.identity == bindparam("of_identity"))
_SOME = select(*_COLUMNS).where(
    Link.account == bindparam("of_account"), Link.identity.in_(bindparam("identities", expanding=True))
)
_WRITE = update(Link).where(
    Link.account == bindparam("of_account"),
    Link.identity == bindparam("of_identity"),
    Link.fence == bindparam("held_fence"),
)
_CHANGE = _WRITE.returning(*_COLUMNS)


class Contacts:
    """The contact links of the ledger."""

    def __init__(self, database: Database, *, lease_seconds: float) -> None:
        """Work on a ledger; a lease must outlast the look-ups and the create of one contact."""
        self._database = database
        self._lease_seconds = lease_seconds
        self._asked = Together(self._known)

    def get(self, account: str, identity: str) -> ContactLink | None:
        """Return what is known of a recipient; None if nothing."""
        with self._database.read() as connection:
            row = connection.execute(_ONE, {"of_account": account, "of_identity": identity}).one_or_none()
        return ContactLink(**row._mapping) if row else None

    def known(self, account: str, identities: Sequence[str]) -> Mapping[str, ContactLink]:
        """Return what is known of several recipients at once, by identity; threads that ask together ask once."""
        return self._asked.do((account, identities))

    def _known(self, questions: Sequence[tuple[str, Sequence[str]]]) -> Sequence[Mapping[str, ContactLink]]:
        wanted: dict[str, set[str]] = {}
        for account, identities in questions:
            wanted.setdefault(account, set()).update(identities)
        known = {account: self._of(account, sorted(identities)) for account, identities in wanted.items()}
        return [
            {identity: known[account][identity] for identity in identities if identity in known[account]}
            for account, identities in questions
        ]

    def _of(self, account: str, identities: Sequence[str]) -> Mapping[str, ContactLink]:
        if len(identities) == 1:  # a statement without a list is much cheaper
            link = self.get(account, identities[0])
            return {link.identity: link} if link else {}
        with self._database.read() as connection:
            rows = connection.execute(_SOME, {"of_account": account, "identities": identities})
            return {row.identity: ContactLink(**row._mapping) for row in rows}

    def claim(self, account: str, identity: str) -> ContactLink | None:
        """Take the right to make or change this contact; None while somebody else has it."""
        now = self._database.clock.now()
        present = self.get(account, identity)
        owner = present.lease_owner if present else None
        lapsed = [Link.lease_owner.is_(None), Link.leased_until < now]
        if owner and owners.is_dead(owner):
            lapsed.append(Link.lease_owner == owner)
        elif owner and present and present.leased_until and present.leased_until >= now:
            return None  # without a transaction: many may wait for one contact
        with self._database.write() as connection:
            connection.execute(
                insert_or_ignore(self._database, Link),
                {
                    "account": account,
                    "identity": identity,
                    "looks": 0,
                    "taken": False,
                    "fence": 0,
                    "updated_at": now,
                },
            )
            row = connection.execute(
                update(Link)
                .where(Link.account == account, Link.identity == identity, or_(*lapsed))
                .values(
                    lease_owner=owners.this_process(),
                    leased_until=now + timedelta(seconds=self._lease_seconds),
                    fence=Link.fence + 1,
                    open_since=case((_LEFT_OPEN, now), else_=Link.open_since),
                )
                .returning(*_COLUMNS)
            ).one_or_none()
        return ContactLink(**row._mapping) if row else None

    def begin(self, link: ContactLink) -> ContactLink:
        """Write down, durably, that the contact is about to be created."""
        intent = {"open_since": self._database.clock.now(), "taken": False, "looks": 0}
        return self._change(link, intent, point="intent")

    def unanswered(self, link: ContactLink) -> ContactLink:
        """No answer came: the request may have left only just now, so the quiet time begins now."""
        return self._change(link, {"open_since": self._database.clock.now()})

    def hidden(self, link: ContactLink) -> ContactLink:
        """The number is taken by a contact that no list shows: it may be late, so it is looked for from now on."""
        return self._change(link, {"open_since": self._database.clock.now(), "taken": True, "looks": 1})

    def look(self, link: ContactLink) -> ContactLink:
        """Count a look-up that found nothing."""
        return self._change(link, {"looks": link.looks + 1})

    def not_created(self, link: ContactLink) -> ContactLink:
        """Settle the open question: certainly nothing was created."""
        return self._change(link, {"open_since": None, "taken": False, "looks": 0})

    def store(
        self,
        link: ContactLink,
        *,
        contact_id: str,
        customer: str,
        payload: bytes | None,
        own_email: str | None = None,
        ask_at: datetime | None = None,
    ) -> ContactLink:
        """Keep the contact's id, whose data it has and what B2Brouter was told of them, and let go."""
        values = {
            "contact_id": contact_id,
            "customer": customer,
            "payload": payload,
            "own_email": own_email,
            "ask_at": ask_at,
            "open_since": None,
            "taken": False,
            "looks": 0,
            **_FREE,
        }
        return self._change(link, values, point="outcome")

    def release(self, link: ContactLink) -> None:
        """Let go; an open question stays open."""
        with self._database.write() as connection:
            connection.execute(_WRITE, {**_FREE, **_held(link)})

    def told_at(self, account: str, contact_id: str) -> datetime | None:
        """Return when a contact was last made, found or changed, as far as is known; None of one that is not."""
        newest = select(func.max(Link.updated_at)).where(Link.account == account, Link.contact_id == contact_id)
        with self._database.read() as connection:
            at: datetime | None = connection.execute(newest).scalar_one()
        return at

    def forget(self, account: str, contact_id: str) -> None:
        """Drop a contact that B2Brouter does not have any more, or does not take: it is looked for anew."""
        now = self._database.clock.now()
        with self._database.write() as connection:
            connection.execute(
                update(Link)
                .where(Link.account == account, Link.contact_id == contact_id)
                .values(contact_id=None, customer=None, payload=None, own_email=None, ask_at=None, updated_at=now)
            )

    def _change(self, link: ContactLink, values: Mapping[str, Any], *, point: str = "note") -> ContactLink:
        now = self._database.clock.now()
        alive = {"leased_until": now + timedelta(seconds=self._lease_seconds), "updated_at": now}
        with self._database.write() as connection:
            row = connection.execute(_CHANGE, {**alive, **values, **_held(link)}).one_or_none()
            crashpoint("contact", f"before_{point}")
        if row is None:
            raise LeaseLostError(f"contact {link.identity} is in other hands")
        crashpoint("contact", f"after_{point}")
        return ContactLink(**row._mapping)


def _held(link: ContactLink) -> Mapping[str, Any]:
    """Return the values by which a statement finds a link under the lease it was read with."""
    return {"of_account": link.account, "of_identity": link.identity, "held_fence": link.fence}
