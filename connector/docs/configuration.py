"""The reference of the configuration, made from the settings: all that can be set, what it means, and its default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import getdoc
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config.settings import Settings
from connector.adapters import adapter_class
from connector.cli.sample import EXAMPLES, holds_tables, model_of, toml
from connector.docs.markdown import plain

ADAPTERS: Final = ("odoo", "dolibarr", "tryton", "sql", "folder")
"""Those that come with the product; others have manuals of their own."""

_HEAD: Final = """\
<!-- This page is made from config/sections/ and the settings of the adapters; change those, then: make docs -->

# Configuration

All that can be set. `connector init` writes a file with the same settings and the same words, and `connector check`
says what is wrong with yours.

The file is TOML: `--config FILE`, else `$CONNECTOR_CONFIG`, else `connector.toml` in the working folder. A value
from the environment wins over the file; each setting below shows its variable, with the names of accounts, sources
and recipients in capitals in place of `NAME`. An unknown key is an error that names the nearest known one.

Secrets may stand in files (`api_key_file`), come from a command (`api_key_command`) or be
[sealed](operations.md#secrets). What opens the sealed ones stands apart from them: in a file that
`CONNECTOR_SEAL_KEY_FILE` names, in `CONNECTOR_SEAL_KEY`, or in systemd's credential `seal_key`.

Most of what changes is taken over [without a restart](operations.md#changing-the-configuration).

## include

More files with accounts, sources and recipients, by patterns relative to the file that names them.

list of text, above the first table · no default · for example `["accounts.d/*.toml"]`
"""

_BOUNDS: Final = {
    "exclusiveMinimum": "more than",
    "minimum": "from",
    "exclusiveMaximum": "less than",
    "maximum": "up to",
}

_FORMATS: Final = {"password": "text, secret", "path": "path", "date": "date", "time": "time of day"}

_TYPES: Final = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}


def page() -> str:
    """Return the page."""
    return "\n\n".join([_HEAD.strip(), *_sections(), *_adapters()]) + "\n"


def _sections() -> Iterator[str]:
    for name, info in Settings.model_fields.items():
        yield from _table(f"{name}.NAME" if holds_tables(info) else name, model_of(info))


def _table(place: str, model: type[BaseModel]) -> Iterator[str]:
    """Describe a table of the file, and the tables in it."""
    yield f"## [{place}]"
    yield _paragraph(getdoc(model) or "")
    inner = {name: info for name, info in model.model_fields.items() if holds_tables(info)}
    yield from _settings(f"{place}.", _variable(place), model, leave_out=inner)
    for name, info in inner.items():
        yield from _table(f"{place}.{name}.NAME", model_of(info))


def _adapters() -> Iterator[str]:
    for name in ADAPTERS:
        yield f"## [sources.NAME.options], {name}"
        yield f'Where `adapter = "{name}"`.'
        yield from _settings(f"{name}: ", _variable("sources.NAME.options"), adapter_class(name).Options)


def _settings(
    before: str, variable: str, model: type[BaseModel], *, leave_out: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """Describe the settings of a table; a heading for each, so that a search or a link leads to it."""
    schema = model.model_json_schema(by_alias=True)
    for name, info in model.model_fields.items():
        if name in (leave_out or {}):
            continue
        key = info.alias or name
        kind = _kind(schema["properties"][key], schema.get("$defs", {}))
        yield f"### {before}{key}"
        yield _paragraph(info.description or "")
        yield " · ".join([kind, *_values(name, info), f"`{variable}__{key.upper()}`"])


def _variable(place: str) -> str:
    return "CONNECTOR_" + place.upper().replace(".", "__")


def _values(name: str, info: FieldInfo) -> Iterator[str]:
    """Say what holds without the setting, and how it may look where that does not show it."""
    default = None if info.is_required() else info.get_default(call_default_factory=True)
    if info.is_required():
        yield "**required**"
    elif default is None:
        yield "no default"
    else:
        yield f"default `{toml(default)}`"
    if default is None and name in EXAMPLES:
        yield f"for example `{toml(EXAMPLES[name])}`"


def _kind(schema: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """Say in words which values a setting takes, from its JSON schema."""
    if "anyOf" in schema:  # of a decimal, also its form as text: the first says it all
        return _kind(schema["anyOf"][0], known)
    if "$ref" in schema:
        return _kind(known[schema["$ref"].rpartition("/")[2]], known)
    if chosen := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return ", ".join(f"`{toml(value)}`" for value in chosen)
    if schema["type"] == "array":
        return f"list of {_kind(schema['items'], known)}"
    if schema["type"] == "object":
        inside = schema.get("additionalProperties")
        return f"table of {_kind(inside, known)}" if isinstance(inside, dict) else "table"
    word = _FORMATS.get(schema.get("format", "")) or _TYPES[schema["type"]]
    return ", ".join([word, *(f"{said} {schema[bound]:g}" for bound, said in _BOUNDS.items() if bound in schema)])


def _paragraph(text: str) -> str:
    return plain(" ".join(text.split()))
