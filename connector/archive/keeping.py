"""Fetches the files of issued documents and puts them into the archive, then names them in a list.

Whatever happens on the way, and wherever the process dies: what is due stays due in the ledger, and a file that
is in the archive is found there again by the hash that was written down before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from threading import Lock
from typing import Final, Protocol

from connector.archive.manifest import Listed, Manifest, manifest, number_of
from connector.archive.storage import Storage, sha256
from connector.clock import Clock
from connector.crashpoints import crashpoint
from connector.domain.archive import NOT_READY, Keeping, Piece, suffix
from connector.domain.errors import AccountError, ConnectorError, LookAgainError, StepError
from connector.ledger import Ledger
from connector.ledger.archive import KnownList, Wanted

log = logging.getLogger(__name__)

_TOGETHER: Final = 20
"""Files taken at once."""

_IN_A_LIST: Final = 1000

_LISTING_SECONDS: Final = 300.0
"""How long making lists is one process's without a sign of life; more than writing one takes."""

_listing: Final = Lock()
"""The same for the threads of one process."""


class Files(Protocol):
    """Who has the files: an account at B2Brouter."""

    def read_file(self, reference: str, piece: Piece) -> bytes | None:
        """Return a file of an invoice; None while there is none.

        Raises:
            NotSentError: it could not be fetched now.
            RefusedError: such as `download_elsewhere`, where an answer leads to another host.
            AccountError: the account does not work.
        """


class Archivist:
    """Keeps the files of one ledger's documents. Used from several threads and processes at once."""

    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        *,
        clock: Clock,
        pieces: Collection[Piece],
        claim_seconds: float,
    ) -> None:
        """Prepare the work.

        Args:
            ledger: where it is written down what is due.
            storage: where files go.
            clock: where the time comes from.
            pieces: which files are kept of each document.
            claim_seconds: how long claimed files are left alone by others: more than fetching them takes.
        """
        self._ledger = ledger
        self._storage = storage
        self._clock = clock
        self._pieces = pieces
        self._claim_seconds = claim_seconds

    def work(
        self,
        account: str,
        files: Callable[[], Files],
        *,
        seconds: float,
        stopping: Callable[[], bool] = lambda: False,
    ) -> int:
        """Fetch and keep what is due of an account, for so long at most; return how many files were kept.

        Args:
            account: by its name in the configuration.
            files: gives the account's side of B2Brouter, asked for when something has to be fetched.
            seconds: after this long no further file is begun.
            stopping: asked before each file; true ends the work.

        Raises:
            ArchiveError: the place cannot be written to now; everything stays due.
            AccountError: the account does not work; everything stays due.
            LedgerError: the ledger failed.
        """
        end = self._clock.monotonic() + seconds
        kept = 0
        self._storage.tidy()
        self._ledger.archive.enrol(account, self._pieces)
        while self._clock.monotonic() < end and not stopping():
            batch = self._ledger.archive.claim(account, _TOGETHER, seconds=self._claim_seconds)
            if not batch:
                break
            kept += self._keep_all(batch, files, lambda: stopping() or self._clock.monotonic() >= end)
        self.list_kept()
        return kept

    def _keep_all(self, batch: list[Wanted], files: Callable[[], Files], over: Callable[[], bool]) -> int:
        kept = 0
        for done, wanted in enumerate(batch):
            if over():
                self._ledger.archive.let_go(batch[done:])
                break
            try:
                kept += self._keep(wanted, files)
            except (ConnectorError, AccountError, LookAgainError):
                self._ledger.archive.let_go(batch[done:])
                raise
        return kept

    def _keep(self, wanted: Wanted, files: Callable[[], Files]) -> bool:
        """Keep one file; return whether it is kept now."""
        file = wanted.file
        if file.keeping is Keeping.STORING:
            if file.name is not None and self._storage.digest(file.name) == file.sha256:
                self._ledger.archive.kept(file)
                return True
            self._ledger.archive.refetch(file)
        try:
            content = self._content(wanted, files)
        except (AccountError, LookAgainError):
            raise
        except StepError as error:
            self._later(wanted, error.reason, error.details)
            return False
        if content is None:
            self._later(wanted, NOT_READY, {"piece": file.piece, "reference": wanted.reference or ""})
            return False
        digest = sha256(content)
        name = f"files/{digest[:2]}/{digest}.{suffix(content)}"
        self._ledger.archive.storing(file, name=name, sha256=digest, size=len(content))
        self._storage.put(name, content)
        self._ledger.archive.kept(file)
        crashpoint("archive", "kept")
        return True

    def _content(self, wanted: Wanted, files: Callable[[], Files]) -> bytes | None:
        """What we sent we have; of a document that was taken over, B2Brouter may have the original."""
        if wanted.file.piece is Piece.ORIGINAL and wanted.payload is not None:
            return wanted.payload
        if wanted.reference is None:
            return None
        return files().read_file(wanted.reference, wanted.file.piece)

    def _later(self, wanted: Wanted, reason: str, details: dict[str, str]) -> None:
        if self._ledger.archive.postpone(wanted, reason, details) is Keeping.ABSENT:
            log.warning("job %s: file %s was given up: %s", wanted.file.job_id, wanted.file.piece, reason)

    # ------------------------------------------------------------ lists

    def list_kept(self) -> int:
        """Name the kept files that no list names yet in a new list; return how many.

        One process makes lists at a time, for each names the one before it. Whatever another one keeps meanwhile is
        named by it too: it looks again after it has let go.

        Raises:
            ArchiveError: the place cannot be written to now.
        """
        named = 0
        with _listing:
            while self._ledger.archive.unlisted(1) and (more := self._list_alone()):
                named += more
        return named

    def _list_alone(self) -> int:
        """Name what is kept by now; nothing where another process is at it."""
        named = 0
        with self._ledger.offices.alone("archive lists", seconds=_LISTING_SECONDS) as ours:
            while ours() and (batch := self._ledger.archive.unlisted(_IN_A_LIST)):
                named += self._list(batch)
        return named

    def _list(self, batch: Collection[Wanted]) -> int:
        made = self._next_list(batch)
        crashpoint("archive", "listed")
        self._remember(made)
        return len(batch)

    def _next_list(self, batch: Collection[Wanted]) -> Manifest:
        """Return the next list as it stands in the archive: ours, or what a dead process has left there."""
        last = self._ledger.archive.last_list()
        number = last.number + 1 if last else 1
        before = Listed(name=last.name, sha256=last.sha256) if last else None
        for name in self._lists_from(number):
            content = self._storage.read(name)
            if content is not None:
                return Manifest(number=number, name=name, content=content)
        made = manifest(number, self._clock.now(), before, map(_listed, batch))
        self._storage.put(made.name, made.content)
        return made

    def _lists_from(self, number: int) -> list[str]:
        """Where the list may stand already: it was made this month, or the month before."""
        now = self._clock.now()
        earlier = f"{now.year - (now.month == 1):04}-{(now.month - 2) % 12 + 1:02}"
        names = [f"manifests/{month}/{number:08}.sha256" for month in (f"{now:%Y-%m}", earlier)]
        assert all(number_of(name) == number for name in names)
        return names

    def _remember(self, made: Manifest) -> None:
        known = KnownList(number=made.number, name=made.name, sha256=made.sha256)
        self._ledger.archive.listed(known, [listed.name for listed in made.listed])


def _listed(wanted: Wanted) -> Listed:
    file = wanted.file
    assert file.name is not None
    assert file.sha256 is not None
    of = (
        f"{file.account} {wanted.number or '?'} (id {file.job_id}, B2Brouter {wanted.reference or '?'}): {file.piece}"
    )
    return Listed(name=file.name, sha256=file.sha256, of=of)
