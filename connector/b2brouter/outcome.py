"""What an answer, or its absence, proves: the heart of "never twice".

Pure and driven by tables. A read has no effect, so whatever goes wrong with it is `NotSentError`; a write is
certainly without effect, certainly refused, or of unknown outcome. Source: API reference 3 and 14.

Every error's details have `status`, `code` and `message` (one line, at most 500 characters; empty where there
was no answer), `param` where the answer names a field, and the facts that the caller adds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from connector.b2brouter.answers import messages
from connector.b2brouter.exactjson import UnreadableError, read
from connector.domain.errors import (
    MisconfiguredError,
    NotSentError,
    OutcomeUnknownError,
    RedirectedError,
    RefusedError,
    StepError,
)
from connector.domain.pace import LONGEST_PAUSE

LONGEST_MESSAGE: Final = 500


class Operation(StrEnum):
    """The calls we make; which answers mean what depends on them."""

    READ_ACCOUNT = "read_account"
    READ_TRANSPORTS = "read_transports"
    READ_REPORT_SETTINGS = "read_report_settings"
    FIND_CONTACTS = "find_contacts"
    READ_CONTACT = "read_contact"
    CREATE_CONTACT = "create_contact"
    UPDATE_CONTACT = "update_contact"
    FIND_INVOICES = "find_invoices"
    CREATE_INVOICE = "create_invoice"
    IMPORT_INVOICE = "import_invoice"
    READ_ORIGINAL = "read_original"
    READ_INVOICE = "read_invoice"
    ADD_ATTACHMENT = "add_attachment"
    SEND_INVOICE = "send_invoice"
    DELETE_INVOICE = "delete_invoice"
    LOOK_UP_DIRECTORY = "look_up_directory"
    READ_FILE = "read_file"
    CHANGED_INVOICES = "changed_invoices"
    CHANGED_REPORTS = "changed_reports"
    READ_REPORT = "read_report"
    ACKNOWLEDGE = "acknowledge"
    MARK_AS = "mark_as"
    REGISTER_WEBHOOK = "register_webhook"
    LIST_INVOICES = "list_invoices"

    @property
    def writes(self) -> bool:
        """Whether it may leave an effect behind."""
        return self in _WRITES


_WRITES: Final = frozenset(
    {
        Operation.CREATE_CONTACT,
        Operation.UPDATE_CONTACT,
        Operation.CREATE_INVOICE,
        Operation.IMPORT_INVOICE,
        Operation.ADD_ATTACHMENT,
        Operation.SEND_INVOICE,
        Operation.DELETE_INVOICE,
        Operation.ACKNOWLEDGE,
        Operation.MARK_AS,
        Operation.REGISTER_WEBHOOK,
    }
)
_OF_ACCOUNT: Final = frozenset(
    {
        Operation.READ_ACCOUNT,
        Operation.FIND_CONTACTS,
        Operation.CREATE_CONTACT,
        Operation.FIND_INVOICES,
        Operation.LIST_INVOICES,
        Operation.CREATE_INVOICE,
        Operation.IMPORT_INVOICE,
        Operation.CHANGED_INVOICES,
    }
)
_READS: Final = frozenset(Operation) - _WRITES


class Fault(StrEnum):
    """How a call ended without a whole answer."""

    CONNECT = "connect_failed"  # name resolution, refused, TLS
    CONNECT_TIME_OUT = "connect_time_out"
    POOL = "pool_time_out"
    PROXY = "proxy_refused"
    WRITE = "write_failed"
    WRITE_TIME_OUT = "write_time_out"
    READ = "connection_lost"
    READ_TIME_OUT = "read_time_out"
    PROTOCOL = "answer_broken"  # also: disconnected without an answer
    OTHER = "transport_failed"


_BEFORE_THE_REQUEST: Final = frozenset({Fault.CONNECT, Fault.CONNECT_TIME_OUT, Fault.POOL, Fault.PROXY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as it came. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def request_id(self) -> str | None:
        """The id to quote to B2Brouter's support (API reference 1.2)."""
        return self.headers.get("x-b2b-api-request-id") or self.headers.get("x-request-id")


_TAKEN: Final = "parameter_taken"
_EXISTS: Final = re.compile(
    "already (been taken|taken|exists|in use)"
    "|ya (est[áa] en uso|ha sido (tomado|usado|utilizado)|existe)"
    "|d[ée]j[àa] ([ée]t[ée] )?(pris|utilis[ée])|existe d[ée]j[àa]"
    "|ja (est[àa] en [úu]s|ha estat (agafat|usat|utilitzat)|existeix)",
    re.IGNORECASE,
)
"""How that is said; newer versions of the API say it in English, whatever the account's language."""
_NUMBER: Final = re.compile("number|n[úu]m[eé]ro", re.IGNORECASE)
_OF_RECIPIENT: Final = re.compile(r"(^|[.\[])(contact|client|tax|tin|cin|pin)(?![-/\d])", re.IGNORECASE)
"""How the name of a parameter, or a sentence, begins that is about the recipient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What the body of a refusal says, in any of the shapes of API reference 3.1."""

    code: str = ""
    message: str = ""
    param: str = ""
    by_api: bool = False  # JSON or nothing; not a gateway's page

    @property
    def about_number(self) -> bool:
        """Whether it says that the number of the document exists already.

        Nothing else of a document is unique, but its recipient may be made with it.
        """
        named = self.message if self.param in {"", "base"} else self.param
        if not self.is_taken or _OF_RECIPIENT.search(named):
            return False
        return self.code in {"", _TAKEN} or _NUMBER.search(self.message) is not None

    @property
    def is_taken(self) -> bool:
        """Whether it says, by its code or in words, that something exists already which must be unique."""
        return self.code == _TAKEN or _EXISTS.search(self.message) is not None

    @property
    def about_contact(self) -> bool:
        """Whether it names the recipient as what is wrong."""
        return re.search("contact|client", f"{self.param} {self.message}".lower()) is not None


_TAGS: Final = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def problem(content: bytes) -> Problem:
    """Read the body of a refusal; whatever it is, this does not fail."""
    try:
        body = read(content)
    except UnreadableError:
        return Problem(message=_one_line(_TAGS.sub(" ", content.decode("utf-8", "replace"))))
    if not isinstance(body, dict):
        return Problem(message=_one_line(" ".join(messages(body))), by_api=body is None)
    told = body.get("error")
    if not isinstance(told, dict):
        return Problem(message=_one_line("; ".join(_texts(body))), by_api=True)
    code, param = (value if isinstance(value, str) else "" for value in (told.get("code"), told.get("param")))
    return Problem(code=code, message=_one_line("; ".join(messages(told))), param=param, by_api=True)


def _texts(body: Mapping[str, object]) -> list[str]:
    for name in ("errors", "error", "message"):
        found = list(messages(body.get(name)))
        if found:
            return found
    return []


def _one_line(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1] + "…"


# ---------------------------------------------------------------- the table


def _always(_: Problem) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Answers that mean the same. The first rule that fits decides."""

    statuses: Container[int]
    error: type[StepError]
    reason: str
    operations: Container[Operation] = field(default_factory=lambda: frozenset(Operation))
    fits: Callable[[Problem], bool] = _always


_VERSION_CODES: Final = frozenset({"invalid_api_version", "missing_api_version", "api_version_subdomain_mismatch"})
_MAYBE_DONE: Final = frozenset({408, 409, 425, *range(500, 600)})
_SEND: Final = frozenset({Operation.SEND_INVOICE})
_DELETE: Final = frozenset({Operation.DELETE_INVOICE})
_GUARDED: Final = frozenset(
    {
        Operation.CREATE_CONTACT,
        Operation.CREATE_INVOICE,
        Operation.IMPORT_INVOICE,
        Operation.ADD_ATTACHMENT,
        Operation.SEND_INVOICE,
        Operation.DELETE_INVOICE,
    }
)
"""Those before which an intent is written: what they may have done can be looked up."""

RULES: Final[tuple[Rule, ...]] = (
    # Not the documents, but key, version or address: everything of the account fails alike.
    Rule(statuses={301, 302, 303}, operations=_GUARDED, error=RedirectedError, reason="misdirected"),
    Rule(statuses=range(300, 400), error=MisconfiguredError, reason="misdirected"),
    Rule(statuses={401, 403}, error=MisconfiguredError, reason="access_refused"),
    Rule(
        statuses={400},
        fits=lambda told: told.code in _VERSION_CODES,
        error=MisconfiguredError,
        reason="version_refused",
    ),
    Rule(
        statuses={404},  # the path's account is there, the body's contact is not
        operations={Operation.CREATE_INVOICE},
        fits=lambda told: told.about_contact,
        error=RefusedError,
        reason="refused_by_b2brouter",
    ),
    Rule(statuses={404}, operations=_OF_ACCOUNT, error=MisconfiguredError, reason="account_unknown"),
    # Certainly not carried out, and worth another try.
    Rule(statuses={407}, error=NotSentError, reason="remote_unavailable"),
    Rule(statuses={429}, error=NotSentError, reason="rate_limited"),
    Rule(statuses=_MAYBE_DONE | {424}, operations=_READS, error=NotSentError, reason="remote_unavailable"),
    # Files are made in the background: until then they are not found, in whatever words (API reference 7.9).
    Rule(statuses={404, 422}, operations={Operation.READ_FILE}, error=RefusedError, reason="remote_missing"),
    # A gateway's "not found" says nothing about the document.
    Rule(statuses={404}, fits=lambda told: not told.by_api, error=NotSentError, reason="remote_unavailable"),
    # Certainly refused.
    Rule(statuses={404}, error=RefusedError, reason="remote_missing"),
    Rule(
        statuses={400, 409, 422},
        operations={Operation.CREATE_INVOICE, Operation.IMPORT_INVOICE},
        fits=lambda told: told.about_number,
        error=RefusedError,
        reason="number_taken",
    ),
    Rule(
        statuses={400, 409, 422},
        operations={Operation.CREATE_CONTACT, Operation.UPDATE_CONTACT},
        fits=lambda told: told.is_taken,
        error=RefusedError,
        reason="contact_taken",
    ),
    Rule(statuses={409, 422}, operations=_SEND, error=RefusedError, reason="send_refused"),
    Rule(statuses={409, 422}, operations=_DELETE, error=RefusedError, reason="withdrawal_refused"),
    # It may have been carried out, or may still be.
    Rule(statuses=_MAYBE_DONE, operations=_WRITES, error=OutcomeUnknownError, reason="outcome_unknown"),
    # No document is meant: suspended, to be paid for, withdrawn for legal reasons.
    Rule(
        statuses=range(400, 500),
        operations={Operation.READ_ACCOUNT},
        error=MisconfiguredError,
        reason="account_refused",
    ),
    Rule(statuses=range(400, 500), error=RefusedError, reason="refused_by_b2brouter"),
    # No status of HTTP that we know.
    Rule(statuses=range(1000), operations=_READS, error=NotSentError, reason="remote_unavailable"),
    Rule(statuses=range(1000), operations=_WRITES, error=OutcomeUnknownError, reason="outcome_unknown"),
)


def judge_reply(
    operation: Operation, reply: Reply, *, now: datetime, facts: Mapping[str, str] | None = None
) -> StepError | None:
    """Return what an answer means; None where it is a success whose body remains to be read.

    Args:
        operation: what was asked for.
        reply: the answer.
        now: the present instant, for a `Retry-After` that names a date.
        facts: what the caller knows, added to the details.
    """
    if 200 <= reply.status < 300:
        return None
    told = problem(reply.content)
    rule = next(
        rule for rule in RULES if reply.status in rule.statuses and operation in rule.operations and rule.fits(told)
    )
    details = _details(reply.status, told.code, told.message, facts)
    if told.param:
        details["param"] = told.param
    error = rule.error(rule.reason, details, request_id=reply.request_id)
    if isinstance(error, NotSentError):
        error.retry_after = retry_after(reply.headers.get("retry-after"), now=now)
    return error


def judge_fault(
    operation: Operation, fault: Fault, message: str, *, left: bool, facts: Mapping[str, str] | None = None
) -> StepError:
    """Return what the absence of an answer means.

    Args:
        operation: what was asked for.
        fault: how it ended.
        message: the library's own words.
        left: whether a byte of the request may have left this machine.
        facts: what the caller knows, added to the details.
    """
    details = _details(None, fault.value, message or fault.value.replace("_", " "), facts)
    if operation.writes and left and fault not in _BEFORE_THE_REQUEST:
        return OutcomeUnknownError("outcome_unknown", details)
    return NotSentError("remote_unavailable", details)


def judge_unreadable(
    operation: Operation, reply: Reply, message: str, *, facts: Mapping[str, str] | None = None
) -> StepError:
    """Return what a success with a body that cannot be understood means: done perhaps, absent never."""
    details = _details(reply.status, "unreadable", f"the answer cannot be understood: {message}", facts)
    error = OutcomeUnknownError if operation.writes else NotSentError
    reason = "outcome_unknown" if operation.writes else "remote_unavailable"
    return error(reason, details, request_id=reply.request_id)


def _details(status: int | None, code: str, message: str, facts: Mapping[str, str] | None) -> dict[str, str]:
    shown = "" if status is None else str(status)
    text = _one_line(message) or (f"status {shown} without explanation" if shown else "")
    return {**(facts or {}), "status": shown, "code": code, "message": text}


def retry_after(header: str | None, *, now: datetime) -> float | None:
    """Return the pause that the server wishes, in seconds from 0 to 3600; None where it names none.

    Both forms of the header are read, a number of seconds and a date; what is neither is ignored.
    """
    text = (header or "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
        return min(float(text), LONGEST_PAUSE)
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return min(max((then - now).total_seconds(), 0.0), LONGEST_PAUSE)
