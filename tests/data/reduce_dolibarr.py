"""Make the small Dolibarr database of this folder from a full dump that `mariadb-dump` wrote.

    .venv/bin/python tests/data/reduce_dolibarr.py dump.mariadb.sql.gz dolibarr.sql.gz

Documents, lines, customers and the company stay as they are. Tables that neither the adapter reads nor a test looks
at are left out, and so are the provinces, the users' own settings and what the dump says to its client.
"""

from __future__ import annotations

import argparse
import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

KEEP: Final = frozenset(
    "facture facturedet facture_extrafields facture_fourn societe"
    " societe_extrafields societe_remise_except socpeople element_contact c_type_contact c_country c_departements"
    " c_tva c_units bank_account product const".split()
)
EMPTY: Final = frozenset({"c_departements"})
_TABLE: Final = re.compile(r"(?:DROP TABLE IF EXISTS|CREATE TABLE|INSERT INTO) `llx_(\w+)`")
_COUNTRY_OF_RATE: Final = re.compile(r"\(\d+,(\d+),")
_USED_COUNTRIES: Final = frozenset({"1", "4"})  # France and Spain


def reduced(lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines of the statements about tables that remain."""
    for statement in _statements(lines):
        named = _TABLE.match(statement[0])
        if named is None or named[1] not in KEEP:
            continue
        is_data = statement[0].startswith("INSERT")
        if is_data and named[1] in EMPTY:
            continue
        if is_data and named[1] == "c_tva":
            statement = _rows_of_used_countries(statement)  # noqa: PLW2901
        yield from statement


def _statements(lines: Iterator[str]) -> Iterator[list[str]]:
    """The dump escapes line breaks in texts, so a semicolon at the end of a line ends a statement."""
    statement: list[str] = []
    for line in lines:
        if line.startswith(("/*!", "--")) or not line.strip():
            continue
        statement.append(line)
        if line.endswith(";\n"):
            yield statement
            statement = []


def _rows_of_used_countries(statement: list[str]) -> list[str]:
    head, *rows = statement
    kept = [
        row.rstrip("\n,;") for row in rows if (found := _COUNTRY_OF_RATE.match(row)) and found[1] in _USED_COUNTRIES
    ]
    return [head, ",\n".join(kept) + ";\n"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a small copy of a Dolibarr dump.")
    parser.add_argument("source", type=Path, help="the full dump, *.sql.gz")
    parser.add_argument("target", type=Path, help="file to write, *.sql.gz")
    arguments = parser.parse_args()
    with gzip.open(arguments.source, "rt", encoding="utf-8", newline="\n") as source:
        text = "".join(reduced(source))
    with arguments.target.open("wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as target:
        target.write(text.encode())


if __name__ == "__main__":
    main()
