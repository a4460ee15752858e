"""The options of an adapter, as its README shows them: made from the model, so that they cannot disagree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One option."""

    name: str
    type: str
    default: str | None  # None: it has to be given
    description: str


def settings_of(model: type[BaseModel]) -> Iterator[Setting]:
    """Yield the options of a model, in their order."""
    for name, field in model.model_fields.items():
        value = field.get_default(call_default_factory=True)
        yield Setting(
            name=name,
            type=_type(field.annotation),
            default=None if field.is_required() else _toml(value),
            description=field.description or "",
        )


def settings_table(model: type[BaseModel]) -> str:
    """Return the options as a table in Markdown."""
    lines = ["| setting | type | default | meaning |", "| --- | --- | --- | --- |"]
    for setting in settings_of(model):
        default = "required" if setting.default is None else f"`{setting.default}`" if setting.default else ""
        cells = (f"`{setting.name}`", setting.type, default, setting.description.replace("|", "\\|"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _type(annotation: Any) -> str:
    if annotation is type(None):
        return ""
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{_toml(word)}`" for word in get_args(annotation))
    parts = get_args(annotation)
    if get_origin(annotation) is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return "table"
    if get_origin(annotation) in {list, tuple}:
        return "list"
    if parts:
        return " or ".join(dict.fromkeys(word for part in parts if (word := _type(part))))
    return {str: "text", int: "integer", float: "number", bool: "true or false"}.get(annotation, "text")


def _toml(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value)
