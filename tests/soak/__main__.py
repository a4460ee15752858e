"""`python -m tests.soak`: live through a compressed day, print the table, exit 1 if anything is wrong with it."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.soak import plan, report
from tests.soak.day import live
from tests.torture.rooms import MissingServiceError

SHORTEST_HOUR: Final = 2.5
"""Seconds: the connector's own pauses do not shrink any further."""

A_MINUTE: Final = 1800
"""Invoices in a minute of the run: two cores keep up with it, but for the peaks."""


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and leave nothing running
    hour = max(SHORTEST_HOUR, 60 * (options.minutes or options.invoices / A_MINUTE) / plan.HOURS)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    _say(f"{options.invoices:,} invoices, {plan.HOURS * hour / 60:.1f} minutes; files in {folder}")
    day = plan.make(options.invoices, hour=hour, seed=options.seed)
    try:
        result = live(day, options.broker, folder, _say)
    except MissingServiceError as error:
        _say(f"A service is missing: {error}. `make services` starts what is installed.")
        return 1
    _say("\n" + report.table(result))
    if result.is_good:
        shutil.rmtree(folder, ignore_errors=True)
    elif result.findings:
        _say("\n" + report.failures(result))
    return 0 if result.is_good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak", description="Live through a day of an office, with all that may go wrong in it."
    )
    parser.add_argument("--invoices", type=int, default=50_000, metavar="N", help="of the day; 50,000 by default")
    parser.add_argument("--minutes", type=float, metavar="M", help="how long the day lasts; by default N / 1800")
    parser.add_argument("--broker", choices=["redis", "rabbitmq"], default="redis")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the same seed gives the same day")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
