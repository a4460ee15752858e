"""`python -m tests.torture`: run scenarios, print the table, exit 1 if anything but zeros is in it."""

from __future__ import annotations

import argparse
import queue
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tests.torture import plan, report
from tests.torture.nursery import Nursery
from tests.torture.rooms import MissingServiceError, Rooms
from tests.torture.scenario import Result, Scenario


def main() -> int:
    options = _options()
    modes = plan.MODES if options.mode == "all" else (options.mode,)
    guards = {"on": (True,), "off": (False,), "both": (True, False)}[options.guard]
    plans = [_plan(options, index, modes, guards) for index in range(options.scenarios)]
    folder = Path(options.keep or tempfile.mkdtemp(prefix="torture-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    lanes = min(options.lanes, len(plans))
    try:
        rooms = Rooms(folder, set(modes), min(lanes, 5))
    except MissingServiceError as error:
        _say(f"A service is missing: {error}. `make services` starts what is installed.")
        return 1
    nursery = Nursery(fresh=options.fresh)
    try:
        results = _run(plans, nursery, rooms, folder, lanes)
    finally:
        nursery.close()
        rooms.close()
    text = report.table(results, seed=options.seed, seconds=time.monotonic() - began)
    _say("\n" + text)
    if failing := report.failures(results):
        _say("\n" + failing)
    if options.report:
        Path(options.report).write_text(text + "\n", encoding="utf-8")
    if report.is_good(results) and not any(result.folder for result in results):
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if report.is_good(results) else 1


def _plan(options: argparse.Namespace, index: int, modes: Sequence[plan.Mode], guards: Sequence[bool]) -> plan.Plan:
    if options.theme:
        guard = guards[(index // len(modes)) % len(guards)]
        return plan.make(options.seed + index, mode=modes[index % len(modes)], guard=guard, theme=options.theme)
    return plan.draw(options.seed, index, modes=modes, guards=guards)


def _run(plans: Sequence[plan.Plan], nursery: Nursery, rooms: Rooms, folder: Path, lanes: int) -> list[Result]:
    waiting: queue.SimpleQueue[plan.Plan] = queue.SimpleQueue()
    # The longest first: they wait for the daemons, and should not do so alone at the end.
    for one in sorted(plans, key=lambda one: not one.unaided):
        waiting.put(one)
    results: list[Result] = []
    began = time.monotonic()

    def work() -> None:
        while True:
            try:
                one = waiting.get_nowait()
            except queue.Empty:
                return
            place = folder / f"{one.mode}-{'on' if one.guard else 'off'}-{one.theme}-{one.seed}"
            place.mkdir()
            with rooms.wire(one.mode) as wire:
                result = Scenario(one, nursery, rooms, wire, place).run()
            results.append(result)
            bad = ", ".join(sorted({finding.kind for finding in result.findings}))
            _say(
                f"{len(results):4}/{len(plans)} {time.monotonic() - began:6.0f} s  {one.seed} {one.mode:8} guard"
                f" {'on ' if one.guard else 'off'} {one.theme:9} {result.seconds:5.1f} s  {bad or 'good'}"
            )

    threads = [threading.Thread(target=work, name=f"lane-{number}") for number in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture",
        description="Kill, pause and deceive real processes, then audit what became of every invoice.",
    )
    parser.add_argument("--scenarios", type=int, default=1000, metavar="N", help="how many; 1,000 by default")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the first scenario; the next has S+1")
    parser.add_argument("--mode", choices=[*plan.MODES, "all"], default="all")
    parser.add_argument("--guard", choices=["on", "off", "both"], default="both", help="B2Brouter's number guard")
    parser.add_argument("--theme", choices=list(plan.THEMES), help="one kind of trouble only")
    parser.add_argument("--lanes", type=int, default=8, help="scenarios at once")
    parser.add_argument("--report", metavar="FILE", help="write the table there as well")
    parser.add_argument("--keep", metavar="FOLDER", help="where the files of failing scenarios stay")
    parser.add_argument(
        "--fresh", action="store_true", help="start every process with an interpreter of its own, not by a fork"
    )
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
