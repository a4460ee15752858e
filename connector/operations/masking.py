"""Documents as they may be looked at: bank accounts and secrets show their last characters alone."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_SECRET: Final = re.compile(r"iban|bank_account|account_number|card|password|secret|token|api_key", re.IGNORECASE)
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b")
_SHOWN: Final = 4


def masked(payload: bytes) -> str:
    """Return the bytes of a request as text: JSON in lines, everything else as it is."""
    text = payload.decode("utf-8", errors="replace")
    try:
        document = json.loads(text)
    except ValueError:
        return _without_ibans(text)
    return json.dumps(_mask(document), ensure_ascii=False, indent=2)


def _mask(value: Any, *, secret: bool = False) -> Any:
    if isinstance(value, dict):
        return {name: _mask(part, secret=bool(_SECRET.search(name))) for name, part in value.items()}
    if isinstance(value, list):
        return [_mask(part, secret=secret) for part in value]
    if isinstance(value, str):
        return _ending(value) if secret else _without_ibans(value)
    return value


def _without_ibans(text: str) -> str:
    return _IBAN.sub(lambda match: _ending(match[0]), text)


def _ending(value: str) -> str:
    shown = value[-_SHOWN:] if len(value) > 2 * _SHOWN else ""
    return f"…{shown}"
