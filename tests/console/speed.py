"""How long every page takes over a ledger of a million invoices: `python -m tests.console.speed postgresql://…/empty`.

Prints the median and the slowest of ten requests per page, in milliseconds, and ends with 1 if a median is above 300.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from threading import Event
from typing import Any

import httpx
from sqlalchemy import text

from config.settings import Settings
from connector.bootstrap import Services
from connector.domain.people import Role, Scope
from connector.ledger import Ledger, schema
from connector.ledger.tables import JobRow
from connector.operations.people import add_user
from connector.web.server import WebServer
from tests.console.browser import Browser

LIMIT = 300.0
PASSWORD = "three words in a row"

# A year of invoices: nearly all issued, some thousands held, waiting and due, as outages and habits spread them.
FILL = """
INSERT INTO job (source, company, key, account, kind, number, issue_date, currency, total, size, customer,
    customer_key, tax_number, changed_at, stage, status, reason, details, attempts, due_at, fence, lapses, looks,
    payload, content, contact_id, reference, xref, created_at, updated_at, sent_at{names})
SELECT 'erp', '1', n::text, CASE WHEN n % 10 = 0 THEN 'other' ELSE 'main' END,
    CASE WHEN n % 25 = 0 THEN 'credit_note' ELSE 'invoice' END,
    'INV/2026/' || lpad(n::text, 7, '0'), (now() - (:count - n) * interval '1 year' / :count)::date,
    CASE WHEN n % 50 = 0 THEN 'USD' ELSE 'EUR' END, (10 + n % 99991)::text || '.' || lpad((n % 100)::text, 2, '0'),
    10 + n % 99991 + (n % 100) / 100.0,
    'Customer ' || (n % 40000) || ' Ltd', 'customer ' || (n % 40000) || ' ltd',
    'ESB' || lpad((n % 40000)::text, 8, '0'), at,
    CASE WHEN status = 'done' THEN 'recorded' WHEN n % 2 = 0 THEN 'created' ELSE 'found' END, status,
    CASE WHEN status = 'held'
         THEN (ARRAY['vat_number_wrong', 'totals_differ', 'iban_wrong', 'tax_missing'])[1 + n / 200 % 4]
         WHEN status = 'waiting' THEN 'account_paused' END,
    CASE WHEN status = 'held' THEN json_build_object('number', 'X' || n % 300, 'differences', 'total')::text
         WHEN status = 'waiting' THEN json_build_object('account', 'main', 'why', 'it is')::text END,
    0, at, 1, 0, 0, decode(repeat('7b7d20', 400), 'hex'), decode(repeat('00', 300), 'hex'), '5001',
    CASE WHEN status = 'done' THEN (100000 + n)::text END,
    CASE WHEN status = 'done' THEN 'b2brouter:simulator:1:' || (100000 + n) END, at, at,
    CASE WHEN status = 'done' THEN at END{values}
FROM (SELECT n, now() - (:count - n) * interval '1 year' / :count AS at,
        CASE WHEN n % 200 = 0 THEN 'held' WHEN n > :count - 20000 AND n % 2 = 0 THEN 'waiting'
             WHEN n > :count - 5000 THEN 'pending' WHEN n % 999 = 0 THEN 'skipped' ELSE 'done' END AS status
      FROM generate_series(1, :count) AS n) AS made
"""
EVENTS = """
INSERT INTO event (job_id, at, what, stage) SELECT id, created_at, what, 'found'
FROM job, unnest(ARRAY['found', 'intent', 'reached', 'intent', 'reached', 'reached']) AS what WHERE id % 10 = 0
"""
DEEDS = """
INSERT INTO deed (at, who, what, subject, count) SELECT now(), 'ana', 'retry', 'INV', 1 FROM generate_series(1, 50000)
"""


def fill(ledger: Ledger, count: int) -> None:
    """Make the invoices where there are none yet."""
    schema.upgrade(ledger.database)
    with ledger.database.write() as connection:
        if connection.execute(text("SELECT 1 FROM job LIMIT 1")).one_or_none():
            return
        connection.execute(text("SET LOCAL synchronous_commit = off"))
        connection.execute(text(_fill()), {"count": count})
        connection.execute(text(EVENTS))
        connection.execute(text(DEEDS))
    with ledger.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def _fill() -> str:
    """Name what the statement leaves out and may not be empty."""
    told = FILL.partition("(")[2].partition(")")[0]
    others = [column for column in JobRow.__table__.c if not column.nullable and column.name not in f"id, {told}"]
    values = ["false" if column.type.python_type is bool else "0" for column in others]
    names = "".join(f", {column.name}" for column in others)
    return FILL.format(names=names, values="".join(f", {value}" for value in values))


def pages(ledger: Ledger) -> list[str]:
    """Return the addresses to be measured: each filter alone, and those that people combine."""
    with ledger.database.read() as connection:
        newest = connection.execute(text("SELECT max(id) FROM job")).scalar_one()
    middle = newest // 2
    return [
        "/",
        "/jobs",
        f"/jobs?after={middle}",
        "/jobs?status=held",
        f"/jobs?status=done&after={middle}",
        "/jobs?status=skipped",
        "/jobs?status=waiting&account=main",
        "/jobs?stage=created",
        "/jobs?reason=vat_number_wrong",
        "/jobs?attention=1&reason=totals_differ",
        "/jobs?attention=1",
        "/jobs?account=other",
        "/jobs?source=erp&status=pending",
        "/jobs?since=2026-02-01&until=2026-02-28",
        "/jobs?status=held&since=2026-02-01&until=2026-02-28",
        "/jobs?at_least=99000",
        "/jobs?at_least=50000000",
        "/jobs?q=INV/2026/0500000&status=done",
        "/jobs?q=INV/2026/05",
        "/jobs?q=customer+12345",
        "/jobs?q=CUSTOMER+9",
        "/jobs?q=ESB00012345",
        "/jobs?q=600000&status=done",
        "/jobs?q=nothing+at+all",
        f"/jobs/{middle}",
        f"/jobs/{middle}/payload",
        "/bulks/new?act=retry&status=held",
        "/bulks/new?act=retry&status=waiting",
        "/bulks",
        "/accounts",
        "/audit",
        "/audit?who=ana",
        "/audit?who=nobody",
        "/api/v1/jobs?limit=100",
        "/api/v1/causes",
        "/api/v1/accounts",
        "/api/v1/sources",
        f"/api/v1/events?after={ledger.events.newest() - 1000}&wait=0",
        "/metrics",
    ]


def measure(client: httpx.Client, page: str, times: int) -> list[float]:
    """Return how long each request took, in milliseconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        answer = client.get(page)
        taken.append(1000 * (time.perf_counter() - began))
        if answer.status_code != 200:
            raise SystemExit(f"{page}: {answer.status_code}")
    return taken


def main() -> int:
    """Fill, serve, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of a PostgreSQL database that may be filled")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=10)
    given = parser.parse_args()
    accounts = {name: {"account_id": str(n), "api_key": "test_key"} for n, name in enumerate(("main", "other"), 1)}
    options: dict[str, Any] = {"ledger": {"url": given.url}, "web": {"port": 0}, "accounts": accounts}
    services = Services(Settings(**options), stop=Event())
    fill(services.ledger, given.count)
    services.open_ledger()
    if not services.ledger.people.has_users():
        add_user(services.ledger, "ana", Role.OPERATOR, PASSWORD)
    services.ledger.tokens.revoke("speed")
    token = services.ledger.tokens.make("speed", frozenset(Scope), None)
    server = WebServer(services).start()
    slow = 0
    with Browser(server.address) as browser:
        browser.sign_in("ana", PASSWORD)
        browser.client.headers["Authorization"] = f"Bearer {token}"
        for page in pages(services.ledger):
            taken = measure(browser.client, page, given.times)
            median = statistics.median(taken)
            slow += median > LIMIT
            mark = " <-- too slow" if median > LIMIT else ""
            print(f"{median:8.0f} {max(taken):8.0f}  {page}{mark}")  # noqa: T201  # a program for developers
    server.stop()
    services.close()
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
