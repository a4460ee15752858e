"""An adapter's own settings: read from the configuration's table into its typed model."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from connector.domain.errors import UsageError


class AdapterOptions(BaseModel):
    """Base of all options: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def read(model: type[Model], options: Mapping[str, Any], *, source: str) -> Model:
    """Return the typed options.

    Raises:
        UsageError: names the first wrong key and, for an unknown one, the nearest known one.
    """
    try:
        return model.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = [str(part) for part in first["loc"]]
        where = ".".join(["sources", source, "options", *place])
        if first["type"] == "extra_forbidden":
            message = f"Unknown key {where}{_nearest(place, model)}"
        elif first["type"] == "missing":
            message = f"{where} is missing."
        else:
            message = f"{where}: {first['msg'].removeprefix('Value error, ')}."
        raise UsageError(message, action="Correct it in the configuration.") from None


def nearest(name: str, known: Sequence[str]) -> str:
    """Return the end of a sentence about an unknown word: it names the nearest known one, or all of them."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are: {', '.join(known)}." if known else "."


def _nearest(place: Sequence[str], model: type[BaseModel]) -> str:
    known = _model_at(place[:-1], model)
    return nearest(place[-1], list(known.model_fields) if known else [])


def _model_at(place: Sequence[str], model: type[BaseModel]) -> type[BaseModel] | None:
    """Return the model of a place in the options; entries of a table by name share one."""
    current: type[BaseModel] | None = model
    for part in place:
        if current is None:
            return None
        field = current.model_fields.get(part)
        if field is not None:
            current = _inner_model(field.annotation)
    return current


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    candidates = [annotation, *get_args(annotation)]
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), None)
