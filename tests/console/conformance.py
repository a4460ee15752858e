"""Does the API answer as its description says? `make api-check` lets schemathesis try, with every kind of token.

A real server over a ledger with invoices of every fate gets requests that fit the description, and requests that do
not: wrong types, missing parts, other methods, no token. Nothing may answer by 5xx, by a status or a body that the
description does not have, or accept what it forbids. The tool is in build/api/, where `make api-check` puts it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from sqlalchemy import text

from connector.domain.job import Status
from connector.domain.people import Scope
from connector.ledger.tables import JobRow
from connector.web.api import PREFIX, description, make_api
from tests.console.conftest import Console
from tests.console.screens import stage

ROOT: Final = Path(__file__).parents[2]
TOOL: Final = ROOT / "build" / "api"
CONFIG: Final = ROOT / ".ci" / "api"

TOKENS: Final = {
    "reads and acts": frozenset({Scope.READ, Scope.ACT}),
    "only reads": frozenset({Scope.READ}),
    "only acts": frozenset({Scope.ACT}),
}

COPIES: Final = 8


def main() -> int:
    """Try the API with one token after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="requests per operation and way of making them up")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes up the same requests")
    given = parser.parse_args()
    failed = []
    with stage() as console:
        copy_into_every_status(console)
        for name, scopes in TOKENS.items():
            print(f"\nA token that {name}", flush=True)  # noqa: T201  # a program for developers
            token = console.ledger.tokens.make(name, scopes, None)
            assert token
            if not conforms(console, token, given.examples, given.seed):
                failed.append(name)
    return 1 if failed else 0


def copy_into_every_status(console: Console) -> None:
    """Beside the demo's invoices, some of each status, whatever the reason."""
    names = ", ".join(c.name for c in JobRow.__table__.c if c.name not in {"id", "key", "number", "status"})
    with console.ledger.database.write() as connection:
        for status in Status:
            connection.execute(
                text(
                    f"INSERT INTO job ({names}, key, number, status) SELECT {names}, :status || '-' || id,"
                    " :status || '-' || number, :status FROM job WHERE key NOT LIKE '%-%' ORDER BY id LIMIT :count"
                ),
                {"status": status.value, "count": COPIES},
            )


def conforms(console: Console, token: str, examples: int, seed: int) -> bool:
    """Let the tool try everything that it knows of; it prints what it finds."""
    described = TOOL / "openapi.json"
    described.write_text(json.dumps(description(make_api(console.services))), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG / "schemathesis.toml"), "run"),
            *(str(described), "--url", f"{console.address}{PREFIX}", "--checks", "all", "--no-color"),
            *("--max-examples", str(examples), "--seed", str(seed)),
        ],
        cwd=TOOL,
        env={
            **os.environ,
            "API_TOKEN": token,
            "PYTHONPATH": os.pathsep.join((str(TOOL / "tool"), str(CONFIG))),
            "SCHEMATHESIS_HOOKS": "hooks",
        },
        check=False,
    )
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
