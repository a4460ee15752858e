"""Values of requests whose description says exactly what is accepted, no more and no less."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, WithJsonSchema

from connector.domain import catalogue

_AMOUNT: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ].+")


def _known(reason: str) -> str:
    if reason not in catalogue.reasons():
        raise ValueError("there is no such reason")
    return reason


def _list_reasons(schema: dict[str, Any]) -> None:
    schema["enum"] = sorted(catalogue.reasons())


def _written(form: re.Pattern[str], example: str) -> BeforeValidator:
    """Refuse what is not written in this form: pydantic would take a bare number for seconds since 1970."""

    def check(value: object) -> object:
        if isinstance(value, str) and form.fullmatch(value):
            return value
        raise ValueError(f"it is written like {example}")

    return BeforeValidator(check)


def _counted(value: object) -> object:
    """Refuse what only looks like a number: "5" and true would pass as 5 and 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("it is a whole number")  # noqa: TRY004  # pydantic tells of these alone
    return value


Reason = Annotated[str, AfterValidator(_known), Field(json_schema_extra=_list_reasons)]
"""A reason of the catalogue."""

Name = Annotated[str, Path(pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Name of an account or a source, in an address."""

Amount = Annotated[
    Decimal,
    _written(_AMOUNT, "1234.50"),
    WithJsonSchema({"type": "string", "pattern": f"^{_AMOUNT.pattern}$"}),
]
"""A decimal as a string: no amount passes through a floating point number."""

Pace = Annotated[int, Field(ge=1, le=60_000), BeforeValidator(_counted)]
"""Invoices a minute."""

Day = Annotated[date, _written(_DAY, "2026-01-31")]

Instant = Annotated[AwareDatetime, _written(_INSTANT, "2026-01-31T08:00:00Z")]
