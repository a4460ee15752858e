"""JSON whose numbers are exact: a Decimal is written and read digit by digit and never becomes a float."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

Value = str | int | bool | Decimal | list["Value"] | dict[str, "Value"]
"""What can be written. There is no None: some fields refuse an explicit null (API reference 2.1)."""

_LONGEST_NUMBER = 40

_quoted: Callable[[str], str] = json.JSONEncoder(ensure_ascii=False).encode
"""Returns a text as JSON has it. `json.dumps` would make an encoder for each."""


class UnreadableError(ValueError):
    """An answer does not say what it has to say, or not in a form that we understand."""


def write(value: Value) -> bytes:
    """Return the JSON text in UTF-8: no blanks, the keys in their given order, no exponents."""
    return _text(value).encode()


def _text(value: Value) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(key)}:{_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, bool | int):
        return json.dumps(value)
    return _quoted(value)


def plain(value: Decimal) -> str:
    """Return a number as plain digits, without exponent, needless zeros or a minus before zero.

    Raises:
        ValueError: infinity or not a number; neither is an amount.
    """
    if not value.is_finite():
        raise ValueError(f"{value} cannot be written as a number")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def read(content: bytes) -> Any:
    """Return what a JSON text holds, fractions as Decimal; None for an empty body.

    Raises:
        UnreadableError: it is not JSON in UTF-8, it holds NaN or infinity, or it is nested without end.
    """
    if not content.strip():
        return None
    try:
        return json.loads(content, parse_float=_number, parse_constant=_refuse)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise UnreadableError(f"not JSON: {type(error).__name__}") from error


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite() or len(text) > _LONGEST_NUMBER or abs(number.adjusted()) > _LONGEST_NUMBER:
        raise UnreadableError("a number without end")
    return number


def _refuse(constant: str) -> None:
    raise UnreadableError(f"{constant} is not a number of JSON")


def decimal(value: object) -> Decimal:
    """Return an amount that an answer shows as a number or as text.

    Raises:
        UnreadableError: it is neither.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise UnreadableError(f"not an amount: {type(value).__name__}")
    try:
        return _number(str(value).strip())
    except ArithmeticError as error:
        raise UnreadableError("not an amount") from error


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object.

    Raises:
        UnreadableError: it is something else.
    """
    if not isinstance(value, dict):
        raise UnreadableError(f"not an object: {type(value).__name__}")
    return value
