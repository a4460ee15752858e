"""The commented configuration that `connector init` writes, made from the settings themselves.

Every setting stands in it with its own description, so that file and software cannot disagree. What most people
must set is set; everything else stands there as a comment with its default.
"""

from __future__ import annotations

import json
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from importlib import resources
from inspect import getdoc
from typing import Any, Final, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from config.settings import Settings
from connector.adapters import adapter_class

_WIDTH: Final = 100

_HEAD: Final = """\
Configuration of the connector. `connector check` says what is still wrong with it.

Any value can come from the environment instead, as CONNECTOR_<SECTION>__<KEY>, such as
CONNECTOR_ACCOUNTS__MAIN__API_KEY; secrets also from files of their own (api_key_file, url_file), from commands
(api_key_command, url_command), or sealed (connector secrets seal). Accounts, sources and recipients may also stand in
files of their own: include = ["accounts.d/*.toml"] above the first table.
Lines that begin with "# name =" show the default, or an example where there is none.
"""

_NAMES: Final = {"accounts": "main", "sources": "erp", "recipients": "ops"}
"""What the one account, the one source and the one recipient of the sample are called."""

_URLS: Final[Mapping[str, str | None]] = {
    "dolibarr": "mariadb+pymysql://connector:change-me@localhost:3306/dolibarr",
    "folder": None,  # it has none
    "odoo": "postgresql+psycopg://connector:change-me@localhost:5432/odoo",
    "sql": "sqlite:///booking.db",
    "tryton": "postgresql+psycopg://connector:change-me@localhost:5432/tryton",
}

_VAULT: Final = ["vault", "kv", "get", "-field=value"]

EXAMPLES: Final[Mapping[str, Any]] = {
    "base_url": "http://127.0.0.1:8790",
    "requests_per_minute": 540,
    "api_key_file": "/etc/connector/api_key",
    "api_key_command": [*_VAULT, "secret/connector/main"],
    "webhook_secret_file": "/etc/connector/webhook_secret",
    "webhook_secret_command": [*_VAULT, "secret/connector/main/webhook"],
    "webhook_secret_before": "sealed:…",
    "url_command": [*_VAULT, "secret/connector/url"],
    "address_command": [*_VAULT, "secret/connector/ops"],
    "heartbeat_url_command": [*_VAULT, "secret/connector/heartbeat"],
    "client_secret": "change-me",
    "client_secret_file": "/etc/connector/oidc_secret",
    "client_secret_command": [*_VAULT, "secret/connector/oidc"],
    "webhook_secret": "whsec_test",
    "ramp": [1, 10, 100],
    "url": "postgresql+psycopg://user:change-me@localhost:5432/erp",
    "url_file": "/etc/connector/url",
    "accounts": {"1": "main", "2": "other"},
    "address": "mailtos://user:change-me@smtp.example.com?from=connector@example.com&to=me@example.com",
    "address_file": "/etc/connector/address",
    "time_zone": "Europe/Madrid",
    "quiet_hours": "20:00-07:30",
    "silent_after": 3,
    "public_url": "https://connector.example.com",
    "heartbeat_url": "https://hc-ping.com/change-me",
    "heartbeat_url_file": "/etc/connector/heartbeat_url",
    "table_prefix": "llx_",
}
"""For settings without a default."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a sample sets, by section; everything else stays a comment."""

    adapter: str
    values: Mapping[str, Mapping[str, Any]]
    options: str = ""  # the adapter's own, as text
    described: set[str] = field(default_factory=set)


def sample(adapter: str, *, today: date | None = None) -> str:
    """Return the file for the simulator and an ERP of this kind.

    Raises:
        UsageError: no such adapter is installed.
    """
    year = (today or datetime.now(UTC).date()).year
    options = _ready_options(adapter)
    url = _url(adapter)
    values: dict[str, dict[str, Any]] = {
        "b2brouter": {"environment": "simulator", "base_url": "http://127.0.0.1:8790"},
        "accounts": {"account_id": "1", "api_key": "test_key"},
        "ledger": {"url": "sqlite:///connector.db"},
        "broker": {"url": "memory://"},
        "sources": {
            "adapter": adapter,
            **({"url": url} if url else {}),
            "account": "main",
            "since": date(year, 1, 1),
        },
    }
    choice = Choice(adapter, values, options, set(tomllib.loads(options)))
    return "\n".join([*_comment(_HEAD), *_sections(choice)]) + "\n"


def place(adapter: str) -> str:
    """Return what of a sample says where the documents are, for a person to fill in."""
    return "url of your ERP" if _url(adapter) else "folder of the files"


def _url(adapter: str) -> str | None:
    return _URLS.get(adapter, EXAMPLES["url"])


def _ready_options(adapter: str) -> str:
    file = resources.files("connector.cli").joinpath("samples", f"{adapter}.toml")
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _sections(choice: Choice) -> Iterator[str]:
    for name, info in Settings.model_fields.items():
        model = model_of(info)
        table = f"{name}.{_NAMES[name]}" if name in _NAMES else name
        yield ""
        yield from _comment(getdoc(model) or "")
        yield f"[{table}]"
        inner = {key: model_of(entry) for key, entry in model.model_fields.items() if holds_tables(entry)}
        yield from _settings(model, choice.values.get(name, {}), leave_out={"options", *inner})
        if "options" in model.model_fields:
            yield from _options(table, choice)
        for tables, entry in inner.items():
            yield from ["", *_comment(getdoc(entry) or ""), f"# [{table}.{tables}.{_NAMES[tables]}]"]
            yield from _settings(entry, {}, leave_out=set())


def _options(table: str, choice: Choice) -> Iterator[str]:
    model = adapter_class(choice.adapter).Options
    yield ""
    yield from _comment(getdoc(model) or "")
    yield f"[{table}.options]"
    yield from choice.options.splitlines()
    if choice.options:
        yield ""
    yield from _settings(model, {}, leave_out=choice.described)


def _settings(model: type[BaseModel], values: Mapping[str, Any], *, leave_out: set[str]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        if name in leave_out:
            continue
        yield from _comment((info.description or "") + (" Required." if _required(name, info, values) else ""))
        key = info.alias or name
        if name in values:
            yield f"{key} = {toml(values[name])}"
        else:
            yield f"# {key} = {toml(_default(name, info))}"


def _required(name: str, info: FieldInfo, values: Mapping[str, Any]) -> bool:
    return name not in values and info.is_required()


def _default(name: str, info: FieldInfo) -> Any:
    default = info.get_default(call_default_factory=True) if not info.is_required() else None
    if default is PydanticUndefined or default is None:
        return EXAMPLES.get(name, "")
    return default


def model_of(info: FieldInfo) -> type[BaseModel]:
    """Return the model of a section; of a table by name, that of its entries."""
    candidates = [info.annotation, *get_args(info.annotation)]
    return next(item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel))


def holds_tables(info: FieldInfo) -> bool:
    """Whether a setting is a table of tables by name."""
    return any(isinstance(item, type) and issubclass(item, BaseModel) for item in get_args(info.annotation))


def _comment(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        for line in textwrap.wrap(" ".join(paragraph.split()), _WIDTH - 2, break_on_hyphens=False):
            yield f"# {line}"


def toml(value: Any) -> str:
    """Return a value in TOML."""
    match value:
        case SecretStr():
            return toml(value.get_secret_value())
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value:g}" if isinstance(value, float) else str(value)
        case time():
            return toml(value.isoformat(timespec="minutes"))
        case date():
            return value.isoformat()
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            inside = ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items())
            return f"{{ {inside} }}" if inside else "{}"
        case _:
            return json.dumps(str(value), ensure_ascii=False)
