"""Numbers go into JSON and come out of it digit by digit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.b2brouter.exactjson import UnreadableError, Value, decimal, plain, read, write

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=9)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("-0.00", "0"),
        ("1.50", "1.5"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("1E-7", "0.0000001"),
        ("-12.340", "-12.34"),
        ("12345678901234567890123456789.123456789", "12345678901234567890123456789.123456789"),
    ],
)
def test_a_number_is_written_in_plain_digits(value: Any, text: str) -> None:
    assert plain(Decimal(value)) == text


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_what_is_no_number_is_not_written(value: Any) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        write({"price": Decimal(value)})


@given(AMOUNTS)
def test_an_amount_survives_the_way_there_and_back(amount: Any) -> None:
    text = write([amount])
    assert "e" not in text.decode().lower()
    assert decimal(read(text)[0]) == amount


def test_the_bytes_keep_the_order_of_keys_and_have_no_blanks() -> None:
    body: Value = {"b": [1, True, 'é"\n'], "a": {"x": Decimal("0.10")}}
    assert write(body) == '{"b":[1,true,"é\\"\\n"],"a":{"x":0.1}}'.encode()
    assert json.loads(write(body)) == {"b": [1, True, 'é"\n'], "a": {"x": 0.1}}


@pytest.mark.parametrize("content", [b"", b"  \n"])
def test_nothing_reads_as_none(content: Any) -> None:
    assert read(content) is None


@pytest.mark.parametrize(
    "content",
    [
        b"<html>",
        b'{"a":1',
        b"NaN",
        b'{"a": Infinity}',
        b'{"a": 1e999999999999999999999}',
        b"\xff",
        b"[" * 100_000,
        b"1e999999999.0",
        b"9.9e9999",
        b"{}{}",
    ],
)
def test_what_is_no_json_is_unreadable(content: Any) -> None:
    with pytest.raises(UnreadableError):
        read(content)


@pytest.mark.parametrize(("value", "amount"), [(7, "7"), ("7.10", "7.10"), (Decimal("0.1"), "0.1"), (" 7 ", "7")])
def test_an_amount_may_be_a_number_or_a_text(value: Any, amount: Any) -> None:
    assert decimal(value) == Decimal(amount)


@pytest.mark.parametrize("value", [True, None, "", "seven", "NaN", "1e400", [], {}])
def test_anything_else_is_no_amount(value: Any) -> None:
    with pytest.raises(UnreadableError):
        decimal(value)
