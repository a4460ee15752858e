"""JSON with exact numbers: a decimal goes out with the digits it has, and comes in the same way."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from json.encoder import encode_basestring


def dumps(value: object, *, amounts_as_text: bool = False) -> str:
    """Write a value; a `Decimal` becomes a plain JSON number, or a string where the switch asks for it."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return f'"{value:f}"' if amounts_as_text else f"{value:f}"
    return _dumps_other(value, amounts_as_text=amounts_as_text)


def _dumps_other(value: object, *, amounts_as_text: bool) -> str:
    if isinstance(value, Mapping):
        members = (
            f"{encode_basestring(str(key))}:{dumps(item, amounts_as_text=amounts_as_text)}"
            for key, item in value.items()
        )
        return "{" + ",".join(members) + "}"
    if isinstance(value, datetime):
        return f'"{timestamp(value)}"'
    if isinstance(value, date):
        return f'"{value.isoformat()}"'
    if isinstance(value, float):  # seconds and shares of switches and faults, never money
        return json.dumps(value)
    if isinstance(value, Iterable):
        return "[" + ",".join(dumps(item, amounts_as_text=amounts_as_text) for item in value) + "]"
    raise TypeError(f"no JSON form for {type(value).__name__}")


def loads(text: str | bytes) -> object:
    """Read JSON; numbers with a fraction or an exponent become `Decimal`.

    Raises:
        ValueError: text that is not JSON, `NaN` and `Infinity` included.
    """
    try:
        value: object = json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return value


def timestamp(at: datetime) -> str:
    """The API's form since 2025-10-13: milliseconds, UTC (`2026-08-27T12:00:32.000Z`)."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _no_number(name: str) -> Decimal:
    raise ValueError(f"{name} is no JSON number")
