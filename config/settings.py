"""All that an operator can set. The sample file and the reference page are made from this module.

A TOML file gives the values; any of them can come from the environment as `CONNECTOR_<SECTION>__<KEY>`,
secrets also from files (`api_key_file`, `url_file`). Unknown keys are errors that name the nearest known one.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from connector.domain.catalogue import Language
from connector.domain.errors import UsageError

Environment = Literal["simulator", "sandbox", "staging", "production"]

HOSTS: Mapping[str, str] = {
    "sandbox": "https://api.b2brouter.net",
    "staging": "https://api-staging.b2brouter.net",
    "production": "https://api.b2brouter.net",
}
"""Fixed hosts; sandbox and production share one and are told apart by the key (API reference 1.1)."""

FIRST_RUN = (1, 10, 100)
"""Invoices in each step of an account's first run in production."""

_REQUESTS_PER_MINUTE = {"simulator": 540, "sandbox": 540, "staging": 540, "production": 900}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class B2BrouterSettings(_Section):
    """How B2Brouter is reached."""

    environment: Environment = Field("simulator", description="simulator, sandbox, staging or production.")
    base_url: str | None = Field(
        None, description="Address of the simulator; the other environments have fixed hosts."
    )
    api_version: str = Field(
        "2026-03-02", pattern=r"^\d{4}-\d{2}-\d{2}$", description="X-B2B-API-Version, always sent."
    )
    timeout: float = Field(30, gt=0, le=300, description="Longest whole call, in seconds.")
    quiet_time: float = Field(
        180, gt=0, description='Seconds until "not found" is believed after an unknown outcome; > timeout.'
    )
    requests_per_minute: int | None = Field(
        None, gt=0, description="Request budget of one API key over all workers; default by environment."
    )

    @property
    def host(self) -> str:
        """The base URL in force."""
        return HOSTS.get(self.environment) or (self.base_url or "http://127.0.0.1:8790").rstrip("/")

    @property
    def budget(self) -> int:
        """Requests a minute: 90 % of what B2Brouter allows (1,000 in production, 600 elsewhere)."""
        return self.requests_per_minute or _REQUESTS_PER_MINUTE[self.environment]

    @model_validator(mode="after")
    def _consistent(self) -> B2BrouterSettings:
        if self.quiet_time <= self.timeout:
            raise ValueError(
                f"quiet_time ({self.quiet_time:g}) must be greater than timeout ({self.timeout:g}): "
                "a request may still be running when we have given up"
            )
        if self.base_url and self.environment != "simulator":
            raise ValueError(f"base_url is for the simulator only; {self.environment} has a fixed host")
        return self


class AccountSettings(_Section):
    """One B2Brouter account: the company that issues."""

    account_id: str = Field(description="Id or identifier, shown in B2Brouter under Developers.")
    api_key: SecretStr | None = Field(None, description="X-B2B-API-Key; better in api_key_file or the environment.")
    api_key_file: Path | None = Field(None, description="File that holds the key.")
    webhook_secret: SecretStr | None = Field(None, description="Signing secret of the webhook.")
    unknown_outcome: Literal["auto", "repeat", "hold"] = Field(
        "auto",
        description="When a lost create is not found after the quiet time: repeat the same bytes (safe where "
        "B2Brouter refuses a number twice), hold for a person, or auto: hold only where a probe (connector check "
        "--probe) found that numbers are not guarded.",
    )
    amend_reason: Literal["R1", "R2", "R3", "R4", "R5"] = Field(
        "R1", description="Spanish corrections: reason code where the ERP gives none."
    )
    rules: dict[str, Literal["block", "warn"]] = Field(
        default_factory=dict,
        description="Level of validation rules by name, where it differs from the rule's own: block or warn. "
        "docs/validation.md lists them.",
    )
    totals: Literal["block"] = Field(
        "block", description="What a difference between B2Brouter's totals and the ERP's does: block. Or:"
    )
    allow_difference: Decimal | None = Field(
        None,
        gt=0,
        le=1,
        decimal_places=3,
        description="In place of totals: most that total and taxes may differ, in the document's currency; "
        "the document goes, and its timeline says so.",
    )

    ramp: list[Annotated[int, Field(gt=0)]] | None = Field(
        None,
        description="Steps of the first run: so many invoices go, then a person looks at them and opens the next "
        "step (connector sync on a terminal, or connector release --ramp); after the last one there is no limit. "
        "[] for none. By default [1, 10, 100] in production and none elsewhere.",
    )

    directory: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether B2Brouter's directory is asked, before a contact is made, how documents reach it: on, "
        "off, or auto: not in staging and sandbox, where it is not reliable.",
    )
    directory_found_days: float = Field(30, gt=0, description="Days for which its knowing a recipient counts.")
    directory_missing_hours: float = Field(24, gt=0, description="Hours for which its not knowing one counts.")

    def ramp_in(self, environment: Environment) -> Sequence[int]:
        """Return the steps of the first run that are in force in an environment."""
        if self.ramp is None:
            return FIRST_RUN if environment == "production" else ()
        return self.ramp

    @model_validator(mode="before")
    @classmethod
    def _text_id(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("account_id"), int):
            return {**data, "account_id": str(data["account_id"])}
        return data

    @field_validator("rules")
    @classmethod
    def _known_rules(cls, chosen: dict[str, str]) -> dict[str, str]:
        if chosen:
            from connector.validation import levels_of  # slow to import; most configurations name no rule

            levels_of(chosen)
        return chosen

    @model_validator(mode="after")
    def _one_policy(self) -> AccountSettings:
        if self.allow_difference is not None and "totals" in self.model_fields_set:
            raise ValueError("give either totals or allow_difference")
        return self

    @model_validator(mode="after")
    def _has_key(self) -> AccountSettings:
        if self.api_key is None and self.api_key_file is None:
            raise ValueError("api_key or api_key_file is missing")
        return self

    def asks_directory(self, environment: str) -> bool:
        """Whether the directory is asked in an environment."""
        return self.directory == "on" or (self.directory == "auto" and environment in {"simulator", "production"})

    def key(self) -> str:
        """Return the API key.

        Raises:
            UsageError: the key file cannot be read or is empty.
        """
        return _secret(self.api_key, self.api_key_file, "api_key_file")


class LedgerSettings(_Section):
    """Our own database."""

    url: SecretStr = Field(SecretStr("sqlite:///connector.db"), description="sqlite:///… or postgresql+psycopg://…")
    url_file: Path | None = Field(None, description="File that holds the URL.")

    def address(self) -> str:
        """Return the SQLAlchemy URL, password included."""
        return _secret(None if self.url_file else self.url, self.url_file, "url_file")


class BrokerSettings(_Section):
    """The doorbell between scheduler and workers."""

    url: SecretStr = Field(SecretStr("memory://"), description="memory://, redis://… or amqp://…")
    url_file: Path | None = Field(None, description="File that holds the URL.")

    def address(self) -> str:
        """Return the broker URL, password included."""
        return _secret(None if self.url_file else self.url, self.url_file, "url_file")

    @property
    def embedded(self) -> bool:
        """Whether there is no broker at all and the work is done in the process that finds it."""
        return self.address().startswith("memory://")


class SourceSettings(_Section):
    """One ERP database."""

    adapter: str = Field(description="odoo, dolibarr, tryton, sql or another installed adapter.")
    url: SecretStr | None = Field(None, description="SQLAlchemy URL of the ERP's database.")
    url_file: Path | None = Field(None, description="File that holds the URL.")
    account: str | None = Field(None, description="The account that issues, where there is one company.")
    accounts: dict[str, str] | None = Field(None, description="Account by company of the ERP.")
    since: date | None = Field(None, description="Nothing issued before this day is ever sent.")
    since_by: Literal["issue_date", "confirmed_at"] = Field(
        "issue_date",
        description="What since is about: the day of issue (issue_date), or the day on which the ERP confirmed the "
        "document (confirmed_at), where it remembers that: for sql, the column confirmed_at of find.",
    )
    existing: Literal["hold", "adopt"] = Field(
        "hold",
        description="What an invoice meets whose number is at B2Brouter already, issued by hand or by an earlier "
        "integration: hold it, or adopt the document there if it is equal. adopt looks for each invoice before it is "
        "made, one request more: for first runs.",
    )
    external_originals: Literal["hold", "reference"] = Field(
        "hold",
        description="What a credit note meets whose original is older than since, or known to the ERP by its number "
        "alone: hold it, or send it with a reference to the original's number and date.",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="The adapter's own settings.")

    @model_validator(mode="after")
    def _one_mapping(self) -> SourceSettings:
        if (self.account is None) == (self.accounts is None):
            raise ValueError("give either account or accounts")
        return self

    @model_validator(mode="after")
    def _start_given(self) -> SourceSettings:
        if self.since_by != "issue_date" and self.since is None:
            raise ValueError("since_by says what since is about, but since is missing")
        return self

    def address(self) -> str | None:
        """Return the URL of the ERP's database, password included; None where the adapter needs none."""
        if self.url is None and self.url_file is None:
            return None
        return _secret(None if self.url_file else self.url, self.url_file, "url_file")

    def account_of(self, company: str) -> str | None:
        """Return the account that issues for a company of the ERP; None where none is configured."""
        return self.account if self.accounts is None else self.accounts.get(company)


class RetrySettings(_Section):
    """How transient faults are repeated."""

    attempts: int = Field(5, ge=1, le=20, description="Tries per step before a person is asked.")
    base: float = Field(2.0, gt=0, description="Seconds before the first repetition, doubled each time.")
    cap: float = Field(300.0, gt=0, description="Longest pause, in seconds.")


class WorkerSettings(_Section):
    """How the work is done."""

    threads: int = Field(16, ge=1, le=256, description="Invoices in flight at once, per account and worker.")
    drain_seconds: float = Field(60, gt=0, description="After this long a worker gives other accounts a turn.")
    lease_seconds: float | None = Field(
        None,
        gt=0,
        description="How long a job stays with a worker that gives no sign of life; at least twice the time-out, "
        "by default that and 15 seconds.",
    )


class SchedulerSettings(_Section):
    """What runs how often."""

    discover_every: float = Field(60, gt=0, description="Seconds between looks into each ERP.")
    sweep_every: float = Field(
        86400,
        gt=0,
        description="Seconds between full sweeps, which find what late commits and back-dating hid.",
    )
    overlap: float = Field(
        900, ge=0, description="Seconds that each look goes back before the last one, for late commits."
    )
    recheck_batch: int = Field(
        1000,
        ge=1,
        description="Most held documents that one look reads again, to see whether the ERP was cured; "
        "where more are held, the next look goes on from there.",
    )
    compare_days: int = Field(
        400,
        ge=0,
        description="Days after sending in which a document is compared with the ERP again; 0: never.",
    )
    compare_batch: int = Field(
        200,
        ge=1,
        description="Most issued documents that one look compares in its round, and most of those whose "
        "time of change moved.",
    )


class ViesSettings(_Section):
    """The European Commission's register of VAT numbers in trade between member states."""

    unregistered: Literal["ignore", "warn", "block"] = Field(
        "ignore",
        description="What a customer's VAT number that is not in VIES does to an invoice: block holds it, warn says "
        "so in its timeline; ignore: VIES is never asked. VIES out of reach never stops anything.",
    )
    domestic: bool = Field(
        False,
        description="Ask about customers of the issuer's own country too; many of them are rightly not in VIES.",
    )
    keep_days: float = Field(30, gt=0, le=365, description='Days for which VIES\'s "yes" is believed.')
    timeout: float = Field(5, gt=0, le=10, description="Longest question, in seconds.")
    base_url: str = Field(
        "https://ec.europa.eu/taxation_customs/vies/rest-api",
        pattern=r"^https?://\S+$",
        description="Address of VIES's REST interface.",
    )


class WebSettings(_Section):
    """Where the console will listen."""

    host: str = Field("127.0.0.1", description="Address to bind.")
    port: int = Field(8080, gt=0, lt=65536, description="Port to bind.")


class ConsoleSettings(_Section):
    """How the connector speaks to people."""

    language: Language = Field(
        "en", description="Language of reasons and cures on the command line: en, es, fr or ca; --lang overrides it."
    )


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_", env_nested_delimiter="__", extra="forbid", frozen=True)

    b2brouter: B2BrouterSettings = Field(default_factory=lambda: B2BrouterSettings())
    accounts: dict[str, AccountSettings] = Field(default_factory=dict)
    ledger: LedgerSettings = Field(default_factory=lambda: LedgerSettings())
    broker: BrokerSettings = Field(default_factory=lambda: BrokerSettings())
    sources: dict[str, SourceSettings] = Field(default_factory=dict)
    retry: RetrySettings = Field(default_factory=lambda: RetrySettings())
    worker: WorkerSettings = Field(default_factory=lambda: WorkerSettings())
    scheduler: SchedulerSettings = Field(default_factory=lambda: SchedulerSettings())
    vies: ViesSettings = Field(default_factory=lambda: ViesSettings())
    web: WebSettings = Field(default_factory=lambda: WebSettings())
    console: ConsoleSettings = Field(default_factory=lambda: ConsoleSettings())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        return (env_settings, init_settings)

    @model_validator(mode="after")
    def _references(self) -> Settings:
        for name, source in self.sources.items():
            for account in filter(None, [source.account, *(source.accounts or {}).values()]):
                if account not in self.accounts:
                    known = ", ".join(self.accounts) or "none"
                    raise ValueError(f"sources.{name} names the account {account!r}, but the accounts are: {known}")
        names: dict[str, str] = {}
        for name, account_settings in self.accounts.items():
            self._key_fits(name, account_settings)
            other = names.setdefault(account_settings.account_id, name)
            if other != name:
                raise ValueError(f"accounts.{other} and accounts.{name} are one and the same account_id")
        return self

    @model_validator(mode="after")
    def _lease_outlasts_a_call(self) -> Settings:
        lease, timeout = self.worker.lease_seconds, self.b2brouter.timeout
        if lease is not None and lease < 2 * timeout:
            raise ValueError(
                f"worker.lease_seconds ({lease:g}) must be at least twice b2brouter.timeout ({timeout:g}): "
                "a call is made only while the lease outlasts it"
            )
        return self

    def _key_fits(self, name: str, account: AccountSettings) -> None:
        """Sandbox and production share a host: the key's prefix is all that tells them apart (API 1.1)."""
        if account.api_key is None or account.api_key_file is not None:
            return
        reject_foreign_key(name, account.api_key.get_secret_value(), self.b2brouter.environment)


def reject_foreign_key(account: str, key: str, environment: str) -> None:
    """Refuse a key whose prefix shows that it is for another environment.

    Raises:
        ValueError: a sandbox key in production, or the other way round.
    """
    is_test = key.startswith("test_")
    if environment != "production" and key.startswith("prod_"):
        raise ValueError(f"accounts.{account} has a production key (prod_…), but the environment is {environment}")
    if environment == "production" and is_test:
        raise ValueError(f"accounts.{account} has a sandbox key (test_…), but the environment is production")
    if environment == "sandbox" and not is_test:
        raise ValueError(f"accounts.{account} has no sandbox key: sandbox keys start with test_")


def load(path: Path | None = None) -> Settings:
    """Read the configuration from `path`, else `$CONNECTOR_CONFIG`, else `./connector.toml`.

    Relative paths of secret files, and of SQLite databases, are relative to the working directory.

    Raises:
        UsageError: no such file, bad TOML, unknown key, wrong value; one sentence, no secret in it.
    """
    file = path or Path(os.environ.get("CONNECTOR_CONFIG") or "connector.toml")
    data = _read(file)
    try:
        return Settings(**data)
    except ValidationError as error:
        raise UsageError(_sentence(error, file), action=f"Correct it in {file}.") from None
    except SettingsError as error:
        name = re.search(r'field "(\w+)"', str(error))
        variable = f"CONNECTOR_{name[1].upper()}" if name else "of the connector"
        raise UsageError(
            f"The environment variable {variable} cannot be read.",
            action=f"A whole section there is JSON; single values are {variable}__<KEY>.",
        ) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        raise UsageError(
            f"There is no configuration file {file}.",
            action="Write one with: connector init, or name one with --config.",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not valid TOML: {error}.", action="Correct that line.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{file} cannot be read: {reason}.") from None


def _sentence(error: ValidationError, file: Path) -> str:
    """One sentence for the first problem; input values are left out, for they may be secrets."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{file}: unknown key {where}{_nearest(first['loc'])}"
    if first["type"] == "missing":
        return f"{file}: {where} is missing."
    message = first["msg"].removeprefix("Value error, ")
    return f"{file}: {where}: {message}." if where else f"{file}: {message}."


def _nearest(loc: tuple[int | str, ...]) -> str:
    known = list(_known_keys(loc[:-1]))
    close = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known here: {', '.join(known)}." if known else "."


def _known_keys(path: tuple[int | str, ...]) -> Iterator[str]:
    """Names allowed at a place of the file. A table by name (accounts.main) has the keys of its entries."""
    model: type[BaseModel] | None = Settings
    for part in path:
        if model is None:
            return
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        candidates = [field.annotation, *get_args(field.annotation)]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
    if model is not None:
        yield from model.model_fields


def _secret(value: SecretStr | None, file: Path | None, name: str) -> str:
    if file is None:
        return value.get_secret_value() if value else ""
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"{name} {file} cannot be read: {error.strerror}.") from None
    if not text:
        raise UsageError(f"{name} {file} is empty.")
    return text
