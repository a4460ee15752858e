"""Pages of discovery on tables with many documents: read along the index that the manuals propose, never sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, inspect

from connector.adapters.dolibarr import DolibarrAdapter
from connector.adapters.odoo import OdooAdapter
from connector.adapters.tryton import TrytonAdapter
from connector.ports import Position
from tests.adapters.databases import execute
from tests.support.dolibarr import DolibarrDatabase
from tests.support.odoo import OdooDatabase
from tests.support.tryton import TrytonDatabase

MANY = 20_000
SERIES = {
    "postgresql": "(SELECT generate_series(1, {many}) AS n) s",
    "sqlite": "(WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {many}) SELECT n FROM r) s",
    "mysql": "(SELECT seq AS n FROM seq_1_to_{many}) s",
}
MIDDLE = Position(changed_at=datetime(2026, 3, 1, 3, tzinfo=UTC), key="1010000")


def multiply(url: str, table: str, key: str, chosen: str, **changes: str) -> None:
    """Copy one document many times, with keys and times of its own."""
    engine = create_engine(url)
    dialect = engine.dialect.name.replace("mariadb", "mysql")
    names = [column["name"] for column in inspect(engine).get_columns(table)]
    engine.dispose()
    values = {key: "1000000 + s.n", **changes}
    selected = ", ".join(values.get(name, f"o.{name}") for name in names)
    series = SERIES[dialect].format(many=MANY)
    columns = ", ".join(names)
    execute(
        url,
        f"INSERT INTO {table} ({columns}) SELECT {selected} FROM {series}"
        f" JOIN (SELECT * FROM {table} WHERE {chosen} LIMIT 1) o ON 1 = 1",
    )


def plan(url: str, look: Callable[[], Any], part: str, explain: str) -> str:
    """Return how the database would carry out the statement that a look makes."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if part in statement:
            seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert look()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    statement, parameters = seen[-1]
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
    engine.dispose()
    return "\n".join(" ".join(map(str, row)) for row in rows)


@pytest.fixture
def big_tryton(_tryton_templates: Any, tmp_path: Any, request: pytest.FixtureRequest) -> Iterator[TrytonDatabase]:
    from tests.conftest import _tryton

    for database in _tryton(request.param, _tryton_templates, tmp_path):
        late = "TIMESTAMP '2026-03-01' + s.n * INTERVAL '1 second'"
        if request.param == "sqlite":
            late = "DATETIME('2026-03-01', s.n || ' seconds')"
        multiply(database.url, "account_invoice", "id", "state = 'posted'", write_date=late, number="'N' || s.n")
        yield database


def test_odoo_reads_a_page_along_the_index(odoo19: OdooDatabase) -> None:
    late = "TIMESTAMP '2026-03-01' + s.n * INTERVAL '1 second'"
    chosen = "state = 'posted' AND move_type = 'out_invoice'"
    changes = {"write_date": late, "name": "'N' || s.n", "sequence_number": "1000 + s.n"}
    multiply(odoo19.url, "account_move", "id", chosen, **changes)
    execute(odoo19.url, "CREATE INDEX account_move_changed ON account_move (write_date, id)", "ANALYZE account_move")
    adapter = OdooAdapter.open("erp", odoo19.url, {})

    told = plan(
        odoo19.url, lambda: adapter.find(MIDDLE, 1000, since=None, companies=None), "FROM account_move m", "EXPLAIN"
    )

    adapter.close()
    assert "Index Scan using account_move_changed" in told
    assert "ROW(write_date, id) >" in told
    assert "Seq Scan on account_move" not in told


@pytest.mark.parametrize(
    "big_tryton", [pytest.param("postgresql", marks=pytest.mark.postgres), "sqlite"], indirect=True
)
def test_tryton_reads_a_page_along_the_index(big_tryton: TrytonDatabase) -> None:
    sqlite = big_tryton.backend == "sqlite"
    epoch = "'1970-01-01 00:00:00'" if sqlite else "TIMESTAMP '1970-01-01 00:00:00'"
    execute(
        big_tryton.url,
        f"CREATE INDEX account_invoice_changed ON account_invoice (COALESCE(write_date, create_date, {epoch}), id)",
        "ANALYZE",
    )
    adapter = TrytonAdapter.open("erp", big_tryton.url, {})

    told = plan(
        big_tryton.url,
        lambda: adapter.find(MIDDLE, 1000, since=None, companies=None),
        "LIMIT",
        "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN",
    )

    adapter.close()
    assert (
        "SEARCH i USING INDEX account_invoice_changed" if sqlite else "Index Scan using account_invoice_changed"
    ) in told
    assert "USE TEMP B-TREE FOR ORDER BY" not in told
    assert "Seq Scan on account_invoice" not in told


def test_dolibarr_reads_a_page_along_the_index(own_dolibarr: DolibarrDatabase) -> None:
    changes = {"tms": "TIMESTAMP('2026-03-01') + INTERVAL s.n SECOND", "ref": "CONCAT('N', s.n)"}
    multiply(own_dolibarr.url, "llx_facture", "rowid", "fk_statut = 1", **changes)
    execute(own_dolibarr.url, "CREATE INDEX idx_facture_tms ON llx_facture (tms, rowid)", "ANALYZE TABLE llx_facture")
    adapter = DolibarrAdapter.open("erp", own_dolibarr.url, {})

    told = plan(
        own_dolibarr.url,
        lambda: adapter.find(MIDDLE, 1000, since=None, companies=None),
        "llx_facture` f",
        "EXPLAIN",
    )

    adapter.close()
    [heads] = [line for line in told.splitlines() if " f range " in line]  # what is sorted besides is one page
    assert " idx_facture_tms 5 " in heads
    assert "filesort" not in heads
