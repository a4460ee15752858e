"""Foreseen failures, sorted by what they prove and by who must act.

The edges translate into these (`raise … from error`), `decision.decide` judges, `journey` catches.
A bug is none of these: it propagates, the lease lapses, and the open intent makes the next attempt look
before it acts.
"""

from __future__ import annotations

from collections.abc import Mapping


class ConnectorError(Exception):
    """A foreseeable fault, told in one sentence. `action` says what to do about it."""

    def __init__(self, message: str, *, action: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.action = action


class UsageError(ConnectorError):
    """The command line or the configuration is wrong, as can be known without asking anybody."""


class OutsideError(ConnectorError):
    """Something outside failed: a database, the API, the broker.

    `down`: nothing at all can be had of it now, so that no document is at fault.
    """

    def __init__(self, message: str, *, action: str = "", down: bool = False) -> None:
        super().__init__(message, action=action)
        self.down = down


class SourceUnavailableError(OutsideError):
    """The ERP cannot be reached now; trying again later may help."""


class SchemaChangedError(OutsideError):
    """A table or column that the adapter needs is missing: the source stops until an operator acts."""


class SourceNotPermittedError(OutsideError):
    """The ERP refuses our user: wrong password or missing grant."""


class DocumentNotUsableError(ConnectorError):
    """This one document of the ERP cannot be read; others can."""

    def __init__(self, message: str, *, key: str = "", action: str = "") -> None:
        super().__init__(message, action=action)
        self.key = key


class WriteBackRefusedError(ConnectorError):
    """The ERP already holds another reference, or the document is not there any more."""


class LedgerError(OutsideError):
    """The ledger cannot be opened, read or written."""


class EnvironmentLockedError(ConnectorError):
    """The ledger belongs to another environment, account or source database than the configured one."""


class LeaseLostError(Exception):
    """The job is in other hands by now; whatever this worker still holds is stale and must be dropped."""


class StepError(Exception):
    """A foreseen failure of one step.

    `reason` is its code in the error catalogue and `details` are the facts that the catalogue's sentence
    names; the sentence itself lives there alone. `request_id` is the one to quote to B2Brouter's support.
    """

    def __init__(
        self, reason: str, details: Mapping[str, str] | None = None, *, request_id: str | None = None
    ) -> None:
        super().__init__(reason, dict(details or {}))
        self.reason = reason
        self.details = dict(details or {})
        self.request_id = request_id


class NotSentError(StepError):
    """Certainly without effect: the same call may be made again, later.

    `retry_after` holds the other side's wish, in seconds. `outage`: nothing at all can be had of the ERP now; the
    document waits until it can, and is never given up for that.
    """

    def __init__(
        self,
        reason: str,
        details: Mapping[str, str] | None = None,
        *,
        retry_after: float | None = None,
        request_id: str | None = None,
        outage: bool = False,
    ) -> None:
        super().__init__(reason, details, request_id=request_id)
        self.retry_after = retry_after
        self.outage = outage


class OutcomeUnknownError(StepError):
    """It left us and no clear answer came back: look it up, never repeat it."""


class LookAgainError(StepError):
    """The open question is not settled yet: look again after `pause` seconds. No attempt is used up."""

    def __init__(self, reason: str, details: Mapping[str, str] | None = None, *, pause: float) -> None:
        super().__init__(reason, details)
        self.pause = pause


class OutOfTimeError(LookAgainError):
    """The lease has no room for the call any more: nothing left us, the job goes back and comes again."""


class RefusedError(StepError):
    """The other side, or our own rules, said no to this document; somebody can cure it."""


class BlockedError(StepError):
    """Waits for an event that releases it by itself, such as the sending of a credit note's original."""


class AccountError(StepError):
    """The whole account does not work: it is paused, and no attempt of any document is used up."""


class AccountDownError(AccountError):
    """Calls of the account fail one after the other; it is left alone until a probe succeeds."""


class MisconfiguredError(AccountError):
    """Key, rights or address are wrong: every document of the account fails alike until an operator acts."""


class RedirectedError(MisconfiguredError):
    """The address is wrong, or it was carried out and the answer lies elsewhere: look it up, never repeat it."""
