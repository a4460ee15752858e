"""Pictures of every page, narrow and wide, light and dark: `make screenshots`. They are for looking at.

Each page is also put before axe-core, if its file is named by AXE, and its findings are printed.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connector.demo.stage import Stage
from connector.domain import alarms
from tests.cli.shop import Shop
from tests.console.conftest import PASSWORD, Console, served

WIDTHS = (1440, 390)
SCHEMES = ("light", "dark")


def chromium() -> str | None:
    """Return where the system's Chromium is."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pages(console: Console) -> dict[str, str]:
    """Return the addresses of all pages by name."""
    held, issued, credit = (console.job(number).id for number in ("B-0106", "B-0101", "B-0109"))
    bulks = console.ledger.bulks.latest()
    return {
        "overview": "/",
        "jobs": "/jobs",
        "jobs-attention": "/jobs?attention=1&since=2020-01-01",
        "job-held": f"/jobs/{held}",
        "job-issued": f"/jobs/{issued}",
        "job-other": f"/jobs/{credit}",
        "payload": f"/jobs/{issued}/payload",
        "totals": f"/jobs/{held}/totals",
        "bulk-new": "/bulks/new?act=retry&attention=1",
        "bulks": "/bulks",
        **({"bulk": f"/bulks/{bulks[0].id}"} if bulks else {}),
        "accounts": "/accounts",
        "comparison": f"/comparisons/{console.ledger.reconciliations.recent(1)[0].id}",
        "audit": "/audit",
        "password": "/password",
        "not-found": "/nowhere",
    }


@contextmanager
def stage() -> Iterator[Console]:
    """A console with something to see on every page."""
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder), today=datetime.now(UTC).date()) as built:
        shop = Shop(built)
        shop.run("sync", "--patience", "8")
        with served(shop) as console, console.browser("ana") as ana:
            ana.begin("act=retry&attention=1", note="Account settings corrected", pace="60")
            console.ledger.bulks.work(0)
            ana.send("/accounts/france/pause", note="Month end: wait for the controller")
            shop.run("reconcile", "--account", "spain")
            console.ledger.sources.pause("booking", who="ana", note="The ERP moves to another machine", until=None)
            since = {"since": alarms.instant(datetime.now(UTC) - timedelta(minutes=40))}
            console.ledger.alarms.begin("work_stalled", "spain", {"account": "spain", **since})
            yield console


def main() -> None:
    """Take all pictures."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("build/screenshots"))
    parser.add_argument("--language", default="en")
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    with stage() as console, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for width in WIDTHS:
            for scheme in SCHEMES:
                _take(browser, console, given, width, scheme)
        browser.close()


def _take(browser: Any, console: Console, given: argparse.Namespace, width: int, scheme: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, locale=given.language
    )
    page = context.new_page()
    page.goto(console.address + "/sign-in")
    _picture(page, given, "sign-in", width, scheme)
    page.fill("#name", "ana")
    page.fill("#password", PASSWORD)
    page.click("main button")
    for name, address in pages(console).items():
        if given.only and name not in given.only:
            continue
        page.goto(console.address + address)
        _picture(page, given, name, width, scheme)
    context.close()


def _picture(page: Any, given: argparse.Namespace, name: str, width: int, scheme: str) -> None:
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if overflow > 0:
        print(f"{name} at {width}: {overflow} px too wide")  # noqa: T201  # a program for developers
    page.screenshot(path=str(given.into / f"{name}-{width}-{scheme}.png"), full_page=True)


if __name__ == "__main__":
    main()
