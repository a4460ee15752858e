"""The journey of the morning after, in a real Chromium: with JavaScript, and the essential part without."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import pytest

from connector.daemon import run
from connector.domain.job import Status
from connector.ledger.queries import Filter
from connector.ledger.tables import JobRow
from tests.console.conftest import PASSWORD, Console
from tests.console.screens import chromium

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
pytestmark = [
    pytest.mark.skipif(chromium() is None, reason="Chromium is not installed"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def daemon(console: Console) -> Iterator[None]:
    """The real daemon on the same ledger."""
    from config import settings

    text = console.shop.config.read_text(encoding="utf-8")
    path = console.shop.folder / "daemon.toml"
    path.write_text(text.replace("[ledger]", "[web]\nport = 0\n\n[ledger]"))
    stop = Event()
    thread = Thread(target=run, args=(settings.load(path), stop))
    thread.start()
    yield
    stop.set()
    thread.join(timeout=60)


def page_of(chrome: Any, console: Console, name: str, **options: Any) -> Any:
    context = chrome.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto(console.address + "/")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("main button")
    return page


def many_held(console: Console, count: int) -> None:
    """Copies of a held invoice, as an outage leaves them."""
    job = console.job("B-0114")
    with console.ledger.database.write() as connection:
        columns = ", ".join(c.name for c in JobRow.__table__.c if c.name not in {"id", "key", "number"})
        connection.exec_driver_sql(
            f"""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
            INSERT INTO job ({columns}, key, number)
            SELECT {columns}, 'copy-' || i, 'COPY-' || i FROM job, n WHERE id = {job.id}"""
        )


def test_the_morning_after(console: Console, chrome: Any, daemon: None) -> None:
    page = page_of(chrome, console, "ana", locale="es-ES")
    assert page.locator("html").get_attribute("lang") == "es"

    # The failures of the guides, by cause, with their cure in Spanish.
    overview = page.inner_text("main")
    assert "Necesita a una persona" in overview
    assert "Ajuste en B2Brouter" in overview or "apply_taxes_per_line" in overview
    page.goto(f"{console.address}/jobs/{console.job('B-0102').id}")
    assert "NIF" in page.inner_text(".reason")

    # Cured in the ERP, it leaves by itself.
    console.shop.erp("UPDATE customer SET vat_number = 'ESB12345674' WHERE id = 11")
    deadline = time.monotonic() + 60
    while page.locator(".heading .chip.done").count() == 0 and time.monotonic() < deadline:
        page.reload()
    assert console.job("B-0102").status is Status.DONE

    # Many at once: previewed, begun at a pace, watched, stopped half-way.
    many_held(console, 500)
    page.goto(f"{console.address}/jobs?status=held&reason=tax_absolute")
    page.click("text=Reintentar…")
    assert "501 facturas" in page.inner_text("main")
    page.fill("#note", "impuesto corregido")
    page.fill("#pace", "600")
    page.click("main button.primary")
    page.wait_for_function("() => Number(document.querySelector('progress').value) > 20")
    page.click("text=Detener")
    assert "detenida por ana" in page.inner_text("#live")
    [bulk] = console.ledger.bulks.latest(1)
    assert 20 < bulk.done < 501

    page.click("nav >> text=Auditoría")
    assert "detuvo una acción en bloque" in page.inner_text("main")


def test_without_javascript_one_looks_and_retries(console: Console, chrome: Any) -> None:
    page = page_of(chrome, console, "ana", java_script_enabled=False)
    job = console.job("B-0115")
    page.goto(f"{console.address}/jobs/{job.id}")
    page.fill("#note", "tax corrected")
    page.click("text=Retry")
    assert "It is due again" in page.inner_text("main")
    events = console.ledger.queries.timeline(job.id)
    assert [event.note for event in events if event.what == "retry"] == ["tax corrected"]
    assert [one.status for one in console.ledger.queries.jobs(Filter(ids=[job.id]))] != [Status.HELD]
