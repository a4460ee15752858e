"""All that an operator can set. The sample file and the reference page are made from this module.

A TOML file gives the values; any of them can come from the environment as `CONNECTOR_<SECTION>__<KEY>`,
secrets also from files (`api_key_file`, `url_file`). Unknown keys are errors that name the nearest known one.
"""

from __future__ import annotations

import difflib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from config import environment, secrets
from config.files import INCLUDE, Files, Place, Tables
from config.sections.accounts import AccountSettings
from config.sections.b2brouter import B2BrouterSettings
from config.sections.broker import BrokerSettings
from config.sections.console import ConsoleSettings
from config.sections.issued import ArchiveSettings, FollowSettings, ReconcileSettings
from config.sections.ledger import LedgerSettings
from config.sections.notifications import NotificationSettings
from config.sections.section import MissingSecretError, Section
from config.sections.sources import SourceSettings
from config.sections.tracing import TracingSettings
from config.sections.vies import ViesSettings
from config.sections.web import OidcSettings, WebSettings
from config.sections.work import RetrySettings, SchedulerSettings, WorkerSettings
from connector.domain.errors import UsageError

_MOST_LISTED = 10
"""Names that a message lists."""


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
    notifications: NotificationSettings = Field(default_factory=lambda: NotificationSettings())
    follow: FollowSettings = Field(default_factory=lambda: FollowSettings())
    vies: ViesSettings = Field(default_factory=lambda: ViesSettings())
    archive: ArchiveSettings = Field(default_factory=lambda: ArchiveSettings())
    reconcile: ReconcileSettings = Field(default_factory=lambda: ReconcileSettings())
    web: WebSettings = Field(default_factory=lambda: WebSettings())
    oidc: OidcSettings = Field(default_factory=lambda: OidcSettings())
    tracing: TracingSettings = Field(default_factory=lambda: TracingSettings())
    console: ConsoleSettings = Field(default_factory=lambda: ConsoleSettings())

    _files: Files | None = PrivateAttr(None)

    @property
    def files(self) -> Files | None:
        """The files that it was read from; None where it was not."""
        return self._files

    def stand_in(self, files: Files) -> Settings:
        """Take note of the files that it was read from."""
        self._files = files
        return self

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

    @cached_property
    def sources_by_account(self) -> Mapping[str, Sequence[str]]:
        """The sources that an account issues for, in the order of the configuration."""
        found: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for name, source in self.sources.items():
            for account in source.issuers:
                found[account][name] = None
        return {account: list(names) for account, names in found.items()}

    @model_validator(mode="after")
    def _places(self) -> Settings:
        """Let each table know its name, for messages."""
        for name, value in self:
            if isinstance(value, Section):
                value.placed(name)
        for place, name, section in self.named():
            section.placed(f"{place}.{name}")
        return self

    def named(self) -> Iterator[tuple[str, str, Section]]:
        """Yield the tables of which there may be any number, each with its place and its name."""
        tables: dict[str, Mapping[str, Section]] = {
            "accounts": self.accounts,
            "sources": self.sources,
            "notifications.recipients": self.notifications.recipients,
        }
        for place, named in tables.items():
            for name, section in named.items():
                yield place, name, section

    @model_validator(mode="after")
    def _references(self) -> Settings:
        for name, source in self.sources.items():
            self._know(("sources", name), filter(None, [source.account, *(source.accounts or {}).values()]))
        for name, recipient in self.notifications.recipients.items():
            self._know(("notifications", "recipients", name), recipient.accounts)
        names: dict[str, str] = {}
        for name, account_settings in self.accounts.items():
            self._key_fits(name, account_settings)
            other = names.setdefault(account_settings.account_id, name)
            if other != name:
                raise MisplacedError(("accounts", name), f"and accounts.{other} are one and the same account_id")
        return self

    def _know(self, place: Place, accounts: Iterable[str]) -> None:
        for account in accounts:
            if account not in self.accounts:
                raise MisplacedError(
                    place, f"names the account {account!r}, but the accounts are: {listed(self.accounts)}"
                )

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
        if account.api_key is None or account.api_key_file is not None or account.api_key_command is not None:
            return
        if account.api_key.get_secret_value().startswith(secrets.SEALED):
            return  # it is judged once it is opened
        reject_foreign_key(name, account.api_key.get_secret_value(), self.b2brouter.environment)


class MisplacedError(ValueError):
    """Something is wrong with one table by name; the file that holds it is to be named."""

    def __init__(self, place: Place, fault: str) -> None:
        super().__init__(f"{'.'.join(place)} {fault}")
        self.place = place


def listed(names: Iterable[str]) -> str:
    """Return names for a message, without the many where there are many."""
    known = list(names)
    if len(known) <= _MOST_LISTED:
        return ", ".join(known) or "none"
    return f"{', '.join(known[:_MOST_LISTED])} and {len(known) - _MOST_LISTED} more"


def reject_foreign_key(account: str, key: str, environment: str) -> None:
    """Refuse a key whose prefix shows that it is for another environment.

    Raises:
        ValueError: a sandbox key in production, or the other way round.
    """
    is_test, place = key.startswith("test_"), ("accounts", account)
    if environment != "production" and key.startswith("prod_"):
        raise MisplacedError(place, f"has a production key (prod_…), but the environment is {environment}")
    if environment == "production" and is_test:
        raise MisplacedError(place, "has a sandbox key (test_…), but the environment is production")
    if environment == "sandbox" and not is_test:
        raise MisplacedError(place, "has no sandbox key: sandbox keys start with test_")


def load(path: Path | None = None) -> Settings:
    """Read the configuration from `path`, else `$CONNECTOR_CONFIG`, else `./connector.toml`.

    Relative paths of secret files, and of SQLite databases, are relative to the working directory; those of
    included files to the folder of the file that names them.

    Raises:
        UsageError: no such file, bad TOML, unknown key, wrong value; one sentence, no secret in it.
    """
    return read(Files(path or Path(os.environ.get("CONNECTOR_CONFIG") or "connector.toml")))


def read(files: Files) -> Settings:
    """Read a configuration from its files, anew where they changed.

    Raises:
        UsageError: see `load`.
    """
    tables = files.tables()
    _refuse_stray_variables(files.main)
    try:
        settings = Settings(**environment.prevailing(tables.values))
    except ValidationError as error:
        raise _mistake(error, tables, files.main) from None
    except SettingsError as error:
        name = re.search(r'field "(\w+)"', str(error))
        variable = f"CONNECTOR_{name[1].upper()}" if name else "of the connector"
        raise UsageError(
            f"The environment variable {variable} cannot be read.",
            action=f"A whole section there is JSON; single values are {variable}__<KEY>.",
        ) from None
    return settings.stand_in(files)


def _refuse_stray_variables(file: Path) -> None:
    """Refuse an environment variable of a section that there is not: pydantic-settings lets it be."""
    found = environment.stray(Settings.model_fields)
    if found is not None:
        section, speaker = found
        raise UsageError(f"{speaker.name}: unknown key {section}{_nearest((section,))}", action=speaker.cure(file))


def _mistake(error: ValidationError, tables: Tables, main: Path) -> UsageError:
    """Say one problem in one sentence, and where it stands; input values are left out: they may be secrets.

    It is the first, but for a table that the environment alone names: a slip there explains what else is missing.
    """
    problems = error.errors(include_url=False, include_input=False)
    speakers = [environment.speaker(_place(problem), tables.values) for problem in problems]
    slips = [number for number, speaker in enumerate(speakers) if speaker is not None and speaker.only]
    chosen = slips[0] if slips else 0
    problem, speaker = problems[chosen], speakers[chosen]
    if speaker is not None:
        return UsageError(f"{speaker.name}: {_sentence(problem)}", action=speaker.cure(main))
    file = tables.origin(_place(problem), main)
    return UsageError(f"{file}: {_sentence(problem)}", action=f"Correct it in {file}{_or_set(problem)}.")


def _place(problem: ErrorDetails) -> tuple[int | str, ...]:
    cause = problem.get("ctx", {}).get("error")
    return cause.place if isinstance(cause, MisplacedError) else problem["loc"]


def _or_set(problem: ErrorDetails) -> str:
    """Name the variable that may have been forgotten: it counts in the terminal alone in which it was set."""
    cause = problem.get("ctx", {}).get("error")
    if not isinstance(cause, MissingSecretError):
        return ""
    secret = (*problem["loc"], f"{cause.secret}_file")
    return f", or set {environment.variable(secret)}, in each terminal anew" if environment.can_be_set(secret) else ""


def _sentence(problem: ErrorDetails) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown key {where}{_nearest(problem['loc'])}"
    if problem["type"] == "missing":
        return f"{where} is missing."
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}: {message}." if where else f"{message}."


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
        yield from (info.alias or name for name, info in model.model_fields.items())
        if model is Settings:
            yield INCLUDE
