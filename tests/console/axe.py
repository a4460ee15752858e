"""Every page before axe-core: `AXE=…/axe.min.js python -m tests.console.axe`. Ends with 1 on a serious violation."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from tests.console.conftest import PASSWORD
from tests.console.screens import SCHEMES, WIDTHS, chromium, pages, stage

GRAVE = {"serious", "critical"}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Any, script: str) -> list[dict[str, Any]]:
    """Return what axe-core finds on a page."""
    page.evaluate(script)
    found: list[dict[str, Any]] = page.evaluate(
        "rules => axe.run({runOnly: {type: 'tag', values: rules}}).then(found => found.violations)", RULES
    )
    return found


def main() -> int:
    """Look at all pages, narrow and wide, light and dark."""
    from playwright.sync_api import sync_playwright

    script = Path(os.environ["AXE"]).read_text(encoding="utf-8")
    grave = 0
    with stage() as console, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for width in WIDTHS:
            for scheme in SCHEMES:
                size = {"width": width, "height": 900}
                options: dict[str, Any] = {"viewport": size, "color_scheme": scheme, "bypass_csp": True}
                page = browser.new_context(**options).new_page()
                page.goto(console.address + "/sign-in")
                grave += _told(violations(page, script), "sign-in", width, scheme)
                page.fill("#name", "ana")
                page.fill("#password", PASSWORD)
                page.click("main button")
                for name, address in pages(console).items():
                    page.goto(console.address + address)
                    grave += _told(violations(page, script), name, width, scheme)
        browser.close()
    print(f"{grave} serious or critical violations")  # noqa: T201  # a program for developers
    return 1 if grave else 0


def _told(found: list[dict[str, Any]], name: str, width: int, scheme: str) -> int:
    for one in found:
        where = "; ".join(node["html"][:120] for node in one["nodes"][:3])
        print(f"{name} {width} {scheme}: {one['impact']} {one['id']}: {where}")  # noqa: T201
    return sum(one["impact"] in GRAVE for one in found)


if __name__ == "__main__":
    sys.exit(main())
