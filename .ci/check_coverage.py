"""Read the coverage of the last test run and fail when too few lines of the product were executed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("connector", "workers")
LINES_NEEDED: Final = 90.0  # per cent, over the packages together


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "--quiet", "-o", str(report)]
        if subprocess.run(command, check=False).returncode:  # noqa: S603  # our own interpreter
            return 1
        files: dict[str, dict[str, Any]] = json.loads(report.read_text())["files"]
    summaries = [data["summary"] for path, data in files.items() if Path(path).parts[0] in PACKAGES]

    def share(done: str, all_of_it: str) -> float:
        return 100.0 * sum(int(s[done]) for s in summaries) / (sum(int(s[all_of_it]) for s in summaries) or 1)

    lines = share("covered_lines", "num_statements")
    branches = share("covered_branches", "num_branches")
    print(f"Coverage of {' and '.join(PACKAGES)}: {lines:.1f} % of lines, {branches:.1f} % of branches")
    if lines < LINES_NEEDED:
        print(f"At least {LINES_NEEDED:.0f} % of lines are needed.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
