"""Look for known weaknesses: bandit over the code, pip-audit over the lock files; and write the list of components.

`run.py code` needs no network, `run.py dependencies` does the rest, `run.py` alone all three. The tools are in
build/audit/, where `make audit` puts them, so that the lock files hold nothing of them. Most rules of bandit are
ruff's as well, B608 as S608: what is accepted there, by a word on the line or in pyproject.toml, is accepted here.
What bandit finds besides and a person has judged stands in judged.toml, with how often and why; one more, or one
fewer, fails.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
BUILD: Final = ROOT / "build" / "audit"
CODE: Final = ("connector", "workers", "config", ".ci")
REQUIRED: Final = os.environ.get("SERVICES") == "required"
IGNORED: Final[Mapping[str, Sequence[str]]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "tool"
]["ruff"]["lint"]["per-file-ignores"]
LISTED: Final = {"sbom.json": "requirements.lock", "sbom-extras.json": "requirements-extras.lock"}
"""The lists of components, and what of: the product, and what the image may have besides."""

LOCKS: Final = ("requirements.lock", "requirements-extras.lock", "requirements-dev.lock", "requirements-build.lock")


def main() -> int:
    parser = argparse.ArgumentParser(description="Look for known weaknesses.")
    parser.add_argument("what", nargs="?", choices=("code", "dependencies", "all"), default="all")
    what = parser.parse_args().what
    good = what == "dependencies" or code()
    if what != "code":
        good = dependencies() and good
        good = components() and good
    return 0 if good else 1


def tool(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of build/audit/ in our own interpreter."""
    paths = os.pathsep.join(str(BUILD / folder) for folder in ("code", "dependencies"))
    return subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


# ---------------------------------------------------------------- the code


def code() -> bool:
    """Tell what bandit finds beyond what was judged."""
    if not (BUILD / "code" / "bandit").is_dir():
        print("NOT AUDITED: bandit is not there, and could not be fetched.")
        return not REQUIRED
    judged: dict[str, Any] = tomllib.loads((HERE / "judged.toml").read_text(encoding="utf-8"))
    skipped = ",".join(judged["everywhere"])
    done = tool("bandit", "--quiet", "--recursive", *CODE, "--skip", skipped, "--format", "json")
    if done.returncode not in {0, 1} or not done.stdout:
        print(f"bandit did not work: {done.stderr.strip()}")
        return False
    report = json.loads(done.stdout)
    left = [entry for entry in report["results"] if not accepted(entry)]
    known = {(entry["file"], entry["rule"]): int(entry["times"]) for entry in judged["finding"]}
    found = Counter((entry["filename"], entry["test_id"]) for entry in left)
    wrong = sorted(place for place in known.keys() | found.keys() if found[place] != known.get(place, 0))
    for place in wrong:
        print(f"{place[0]}: {place[1]} found {found[place]} times, judged {known.get(place, 0)} times")
        for entry in left:
            if (entry["filename"], entry["test_id"]) == place:
                print(f"  line {entry['line_number']}: {entry['issue_text']}")
    for error in report["errors"]:
        print(f"{error['filename']}: {error['reason']}")
    lines, total = report["metrics"]["_totals"]["loc"], len(report["results"])
    print(
        f"bandit: {lines} lines of code, {total} findings, {len(left)} of them judged here, {len(wrong)} places wrong"
    )
    return not wrong and not report["errors"]


def accepted(finding: dict[str, Any]) -> bool:
    """Whether ruff has been told that the same finding is none."""
    rule, file = f"S{finding['test_id'][1:]}", finding["filename"]
    for pattern, rules in IGNORED.items():
        if rule in rules and fnmatch(file, pattern):
            return True
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return any(rule in lines[number - 1].partition("# noqa:")[2] for number in finding["line_range"])


# ---------------------------------------------------------------- what it depends on


def dependencies() -> bool:
    """Tell which locked versions have known weaknesses; say plainly where nobody could be asked."""
    good = True
    for lock in LOCKS:
        locked = sum("==" in line for line in (ROOT / lock).read_text(encoding="utf-8").splitlines())
        answers = asked(lock)
        bad = [entry for entry in answers if entry["vulns"]]
        for entry in bad:
            ids = ", ".join(weakness["id"] for weakness in entry["vulns"])
            print(f"{lock}: {entry['name']} {entry['version']}: {ids}")
        print(f"pip-audit: {lock}: {len(answers)} of {locked} versions judged, {len(bad)} with known weaknesses")
        complete = len(answers) == locked
        if not complete:
            print(f"NOT AUDITED: {lock}: from this machine no service of known weaknesses answers for the rest.")
        good = good and not bad and (complete or not REQUIRED)
    return good


def asked(lock: str) -> Sequence[dict[str, Any]]:
    """Return what the first service that knows anything says of each version that it knows."""
    for service in ("pypi", "osv"):
        done = tool(
            "pip_audit",
            *("-r", lock, "--disable-pip", "--no-deps", "-s", service),
            *("-f", "json", "--progress-spinner", "off", "--timeout", "10"),
        )
        if not done.stdout.startswith("{"):
            print(f"pip-audit, service {service}: {(done.stderr.strip().splitlines() or ['no answer'])[-1][:200]}")
            continue
        listed: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
        if known := [entry for entry in listed if "vulns" in entry]:
            return known
        print(f"pip-audit, service {service}: it knows none of the packages of {lock}")
    return []


def components() -> bool:
    """Write the components of an installation in CycloneDX's form."""
    if not (BUILD / "dependencies" / "cyclonedx_py").is_dir():
        print("NOT LISTED: cyclonedx-bom is not there, and could not be fetched.")
        return not REQUIRED
    written = [_listed(BUILD / name, lock) for name, lock in LISTED.items()]
    return all(written)


def _listed(file: Path, lock: str) -> bool:
    done = tool(
        "cyclonedx_py",
        *("requirements", lock, "--pyproject", "pyproject.toml", "--mc-type", "application"),
        *("--output-reproducible", "--output-format", "JSON", "--output-file", str(file)),
    )
    if done.returncode:
        print(f"The list of components of {lock} was not written: {done.stderr.strip()}")
        return False
    listed = json.loads(file.read_text(encoding="utf-8"))
    print(f"{file.relative_to(ROOT)}: CycloneDX {listed['specVersion']}, {len(listed['components'])} components")
    return True


if __name__ == "__main__":
    sys.exit(main())
