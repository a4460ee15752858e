"""Our own database: the only truth about what was intended, done and learnt, and what is due."""

from __future__ import annotations

from connector.clock import Clock
from connector.ledger.accounts import Accounts, Offices
from connector.ledger.actions import Actions
from connector.ledger.ages import Ages
from connector.ledger.alarms import Alarms
from connector.ledger.archive import Archive
from connector.ledger.bulks import Bulks
from connector.ledger.calls import Calls
from connector.ledger.contacts import Contacts
from connector.ledger.database import Database
from connector.ledger.deeds import Deeds
from connector.ledger.directory import Directory
from connector.ledger.erasure import Erasure
from connector.ledger.events import Events
from connector.ledger.figures import Figures
from connector.ledger.following import Following
from connector.ledger.handover import Handover
from connector.ledger.inbox import Inbox
from connector.ledger.intake import Intake
from connector.ledger.issued import Issued
from connector.ledger.jobs import Jobs
from connector.ledger.looks import Looks
from connector.ledger.originals import Originals
from connector.ledger.outbox import Outbox
from connector.ledger.people import People
from connector.ledger.queries import Queries
from connector.ledger.ramp import Ramp
from connector.ledger.reconciliations import Reconciliations
from connector.ledger.sources import Sources
from connector.ledger.stamps import Stamps
from connector.ledger.tax_reports import TaxReports
from connector.ledger.tokens import Tokens
from connector.ledger.vat_numbers import VatNumbers


class Ledger:
    """One ledger, seen from each side: discovery, workers, people."""

    def __init__(
        self,
        url: str,
        *,
        lease_seconds: float = 75.0,
        clock: Clock | None = None,
        owner: str | None = None,
        pool_size: int = 20,
    ) -> None:
        """Prepare a ledger; nothing is opened yet.

        Args:
            url: SQLAlchemy URL of SQLite or PostgreSQL.
            lease_seconds: how long a lease lasts from its last sign of life.
            clock: for tests; by default the database's own time.
            owner: name of the lease holder; by default this process.
            pool_size: connections kept on PostgreSQL.

        Raises:
            UsageError: the URL is not one of a ledger.
        """
        self.database = Database(url, clock=clock, pool_size=pool_size)
        self.intake = Intake(self.database)
        self.jobs = Jobs(self.database, lease_seconds=lease_seconds, owner=owner)
        self.handover = Handover(self.database)
        self.issued = Issued(self.database)
        self.inbox = Inbox(self.database)
        self.archive = Archive(self.database)
        self.following = Following(self.database)
        self.tax_reports = TaxReports(self.database)
        self.reconciliations = Reconciliations(self.database)
        self.contacts = Contacts(self.database, lease_seconds=lease_seconds)
        self.originals = Originals(self.database)
        self.directory = Directory(self.database)
        self.accounts = Accounts(self.database)
        self.sources = Sources(self.database)
        self.stamps = Stamps(self.database, self.sources)
        self.ramp = Ramp(self.database)
        self.offices = Offices(self.database)
        self.looks = Looks(self.database)
        self.queries = Queries(self.database)
        self.vat_numbers = VatNumbers(self.database)
        self.actions = Actions(self.database)
        self.ages = Ages(self.database)
        self.alarms = Alarms(self.database)
        self.outbox = Outbox(self.database)
        self.bulks = Bulks(self.database)
        self.calls = Calls(self.database)
        self.deeds = Deeds(self.database)
        self.events = Events(self.database)
        self.erasure = Erasure(self.database)
        self.figures = Figures(self.database)
        self.people = People(self.database)
        self.tokens = Tokens(self.database)

    def close(self) -> None:
        """Give back all connections."""
        self.database.close()


__all__ = ["Ledger"]
