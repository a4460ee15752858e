"""What somebody who helps needs to know of an installation, without secrets and without customers' data."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final, TextIO

from config import logging as log
from connector import __version__
from connector.bootstrap import Services
from connector.domain.errors import ConnectorError, OutsideError
from connector.domain.job import Status
from connector.ledger import Ledger, schema
from connector.ledger.queries import Filter
from connector.ledger.records import Job
from connector.operations.ledgers import ledger_if_any
from connector.operations.scrubbing import scrubbed, scrubbed_settings
from connector.operations.texts import instant
from connector.ports import CheckRow

LOG_LINES: Final = 2000
_JOBS: Final = 200
_NAMED: Final = 500
_LIBRARIES: Final = ("celery", "httpx", "kombu", "psycopg", "pydantic", "pymysql", "redis", "sqlalchemy", "starlette")
_STATUSES: Final = (Status.HELD, Status.WAITING, Status.RUNNING, Status.PENDING)

_JOB_LINE: Final = re.compile(r"\b(job \d+ \w+ at \w+): .*", re.DOTALL)
"""After the stage comes a sentence with the facts of the document; the reason is in jobs.json."""

_FRAME: Final = re.compile(r'^\s*File "([^"]+)", line (\d+), in (\S+)|^([A-Za-z_][\w.]*(?:Error|Exception|Exit))\b')

README: Final = """What somebody needs to know who helps you with the B2Brouter connector.

In it: versions, the configuration, the rows of connector check, counts, accounts, alarms, jobs, lines of the log.
Not in it: keys, passwords and addresses; names, tax numbers, numbers and amounts of invoices; bank accounts.
What fits no rule may still stand in a message. All of it is plain text: look at it before you give it away.
"""


def bundle(
    services: Services, rows: Iterable[CheckRow], logs: Sequence[Path], *, now: datetime
) -> Iterator[tuple[str, str]]:
    """Yield the files of a bundle: name and content.

    Args:
        services: the installation; nothing of it is changed.
        rows: of the check-up.
        logs: files of which the last lines are taken; `-` is standard input.
        now: the time of the bundle, UTC.

    Raises:
        OutsideError: a log cannot be read.
    """
    ledger, error = _ledger(services)
    jobs = _jobs(ledger) if ledger else ()
    log.redaction.register(_names(services, [*jobs, *(_latest(ledger) if ledger else ())]))
    yield "README.txt", README
    yield "versions.json", _json(_versions(ledger, now))
    yield "configuration.json", _json(scrubbed_settings(services.settings.model_dump(mode="json")))
    yield "checks.json", _json([_row(row) for row in rows])
    yield "ledger.json", _json(_figures(ledger, now) if ledger else {"error": error})
    yield "jobs.json", _json([_job(job, now) for job in jobs])
    for number, file in enumerate(logs, 1):
        yield f"log-{number}.txt", "\n".join(map(_log_line, _last(file))) + "\n"


def _ledger(services: Services) -> tuple[Ledger | None, str]:
    try:
        return ledger_if_any(services), "There is none yet."
    except ConnectorError as error:
        return None, scrubbed(error.message)


def _latest(ledger: Ledger) -> Sequence[Job]:
    return ledger.queries.page(Filter(), after=None, limit=_NAMED).jobs


def _names(services: Services, jobs: Iterable[Job]) -> Iterator[str]:
    """Yield what tells who a document is from or for, so that it is struck out wherever it stands."""
    for job in jobs:
        yield from filter(None, (job.number, job.customer, job.tax_number, job.reference, job.contact_id))
    for name in services.settings.sources:
        try:
            companies = services.adapter(name).companies()
        except ConnectorError:
            continue  # the check-up says so
        yield from (text for company in companies for text in (company.name, company.tax_number) if text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n"


def _versions(ledger: Ledger | None, now: datetime) -> dict[str, Any]:
    return {
        "made_at": instant(now),
        "connector": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "libraries": {name: metadata.version(name) for name in _LIBRARIES},
        "ledger": None
        if ledger is None
        else {"kind": ledger.database.url.get_backend_name(), "schema": schema.version(ledger.database)},
        "adapters": sorted(point.name for point in metadata.entry_points(group="connector.adapters")),
        "executable": Path(sys.executable).name,
    }


def _row(row: CheckRow) -> Mapping[str, str]:
    """What is well tells names of companies; nobody needs it."""
    if row.status == "ok":
        return {"name": row.name, "status": row.status}
    return {"name": row.name, "status": row.status, "message": scrubbed(row.message), "action": scrubbed(row.action)}


def _figures(ledger: Ledger, now: datetime) -> Mapping[str, Any]:
    oldest = {"due": ledger.queries.oldest_due(), "unsent": ledger.figures.oldest_unsent()}
    return {
        "jobs_by_status": {str(status): count for status, count in ledger.queries.by_status().items()},
        "at_rest": [
            {"status": str(status), "reason": reason, "count": count}
            for status, reason, count in ledger.figures.at_rest(_STATUSES)
        ],
        "unknown_outcomes": ledger.figures.unknown_outcomes(),
        "issued_that_need_a_person": ledger.queries.cases(),
        "oldest_seconds": {name: _age(moment, now) for name, moment in oldest.items()},
        "alarms": [
            {"code": alarm.code, "subject": alarm.subject, "seconds": _age(alarm.since, now)}
            for alarm in ledger.alarms.lasting()
        ],
        "accounts": [
            {"name": state.name, "environment": state.environment, "paused_reason": state.paused_reason}
            for state in ledger.accounts.all()
        ],
    }


def _jobs(ledger: Ledger) -> Sequence[Job]:
    """Return the last jobs of each status that is not at its end, and the last that need a person after issue."""
    wanted = [*(Filter(status=status) for status in _STATUSES), Filter(case=True)]
    return [job for each in wanted for job in ledger.queries.page(each, after=None, limit=_JOBS).jobs]


def _job(job: Job, now: datetime) -> Mapping[str, Any]:
    """What happened to a document, and nothing of what is in it."""
    return {
        "id": job.id,
        "source": job.source,
        "account": job.account,
        "kind": str(job.kind),
        "stage": str(job.stage),
        "status": str(job.status),
        "reason": job.reason,
        "facts": sorted(job.details),
        "attempts": job.attempts,
        "lapses": job.lapses,
        "looks": job.looks,
        "open_effect": str(job.open_effect) if job.open_effect else None,
        "remote_state": job.remote_state,
        "seconds_since": {
            "found": _age(job.created_at, now),
            "updated": _age(job.updated_at, now),
            "sent": _age(job.sent_at, now),
            "due": _age(job.due_at, now),
        },
    }


def _age(moment: datetime | None, now: datetime) -> int | None:
    return None if moment is None else round((now - moment).total_seconds())


def _last(file: Path) -> Iterable[str]:
    try:
        with _opened(file) as lines:
            return deque((line.rstrip("\n") for line in lines), maxlen=LOG_LINES)
    except OSError as error:
        raise OutsideError(f"{file} cannot be read: {error.strerror}.", action="Name another by --log.") from error


def _opened(file: Path) -> TextIO:
    if file == Path("-"):
        return os.fdopen(sys.stdin.fileno(), encoding="utf-8", errors="replace", closefd=False)
    return file.open(encoding="utf-8", errors="replace")


def _log_line(line: str) -> str:
    """Return a line without data of documents: of one in JSON when, who and what; of a traceback where it was."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        return scrubbed(_JOB_LINE.sub(r"\1", line))
    told = {name: event.get(name) for name in ("time", "level", "logger")}
    told["message"] = scrubbed(_JOB_LINE.sub(r"\1", str(event.get("message", ""))))
    if "error" in event:
        told["error"] = [found[0].strip() for found in map(_FRAME.match, str(event["error"]).splitlines()) if found]
    return json.dumps(told, ensure_ascii=False)
