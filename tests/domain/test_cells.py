"""No text of others is a formula where a spreadsheet opens it."""

from __future__ import annotations

import pytest

from connector.domain.cells import as_cells, cell


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("http://evil.example")', "+1+cmd|x", "-2+3", "@SUM(A1)", "\t=1", "\r=1"]
)
def test_what_would_be_a_formula_is_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Suministros del Norte", "F-1", "-12.50", "+3", "1e=2", "-0,5"])
def test_anything_else_stays_as_it_is(text: str) -> None:
    assert cell(text) == text


def test_what_is_no_text_stays_as_it_is_in_a_row() -> None:
    assert as_cells({"name": "=1", "id": 7, "total": None}) == {"name": "'=1", "id": 7, "total": None}
