"""The tables of the configuration file; descriptions of fields become the comments of the sample file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, field_validator, model_validator

from config.addresses import parts_of, passwords_of
from config.secrets import options_unsealed, reveal
from connector.domain.archive import Piece
from connector.domain.catalogue import Language

Environment = Literal["simulator", "sandbox", "staging", "production"]

HOSTS: Mapping[str, str] = {
    "sandbox": "https://api.b2brouter.net",
    "staging": "https://api-staging.b2brouter.net",
    "production": "https://api.b2brouter.net",
}
"""Fixed hosts; sandbox and production share one and are told apart by the key (API reference 1.1)."""

FIRST_RUN = (1, 10, 100)
"""Invoices in each step of an account's first run in production."""

QueueKind = Literal["classic", "quorum"]

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

WORKING_DAYS: list[Weekday] = ["mon", "tue", "wed", "thu", "fri"]

Command = Annotated[list[str], Field(min_length=1)]

_REQUESTS_PER_MINUTE = {"simulator": 540, "sandbox": 540, "staging": 540, "production": 900}


class Section(BaseModel):
    """A table of the file: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _place: str = PrivateAttr("")

    def placed(self, place: str) -> None:
        """Take note of where in the configuration this table stands, for messages."""
        self._place = place

    def _named(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name

    def _given(self, secret: str) -> bool:
        """Whether a secret is told in any way."""
        return any(place is not None for place in self._places(secret))

    def _secret(self, name: str, *, hide: Callable[[str], Iterable[str]] = lambda text: (text,)) -> str:
        """Return a secret; "" where none is given. See `config.secrets.reveal`."""
        return reveal(self._named(name), *self._places(name), hide=hide)

    def _places(self, secret: str) -> tuple[SecretStr | None, Path | None, Sequence[str] | None]:
        names = secret, f"{secret}_file", f"{secret}_command"
        value, file, command = (getattr(self, name, None) for name in names)
        return value, file, command

    @model_validator(mode="after")
    def _one_place_of_a_secret(self) -> Self:
        for name in self.model_fields_set:
            secret = name.removesuffix("_command")
            if secret != name and None not in self._places(secret)[1:]:
                raise ValueError(f"give either {secret}_file or {name}")
        return self

    def secret_files(self) -> Iterator[Path]:
        """Yield the files that hold its secrets."""
        for name in self.model_fields_set:
            if name.endswith("_file") and (file := getattr(self, name)) is not None:
                yield file

    def see_secrets(self) -> None:
        """See that its secrets can be read; what commands tell is not asked for.

        Raises:
            UsageError: one cannot.
        """
        for name in self.model_fields_set:
            secret = name.removesuffix("_file")
            value, file, command = self._places(secret)
            if command is None and (file is not None or isinstance(value, SecretStr)):
                reveal(self._named(secret), value, file, None, hide=lambda _: ())


class B2BrouterSettings(Section):
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


class AccountSettings(Section):
    """One B2Brouter account: the company that issues."""

    account_id: str = Field(description="Id or identifier, shown in B2Brouter under Developers.")
    api_key: SecretStr | None = Field(None, description="X-B2B-API-Key; better in api_key_file or the environment.")
    api_key_file: Path | None = Field(None, description="File that holds the key.")
    api_key_command: Command | None = Field(
        None, description="Command that prints the key, and its arguments; no shell."
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Signing secret of the webhook; better in webhook_secret_file or the environment."
    )
    webhook_secret_file: Path | None = Field(None, description="File that holds the signing secret.")
    webhook_secret_command: Command | None = Field(None, description="Command that prints the signing secret.")
    webhook_secret_before: SecretStr | None = Field(
        None, description="The signing secret before, which counts too while B2Brouter changes to the new one."
    )
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

    overdue_hours: float | None = Field(
        72, gt=0, description="Alarm when a document is not sent so many hours after it was found."
    )

    directory: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether B2Brouter's directory is asked, before a contact is made, how documents reach it: on, "
        "off, or auto: not in staging and sandbox, where it is not reliable.",
    )
    document_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="Address of a document in B2Brouter's own screens, with {reference}: the console links to it.",
    )
    directory_found_days: float = Field(30, gt=0, description="Days for which its knowing a recipient counts.")
    directory_missing_hours: float = Field(24, gt=0, description="Hours for which its not knowing one counts.")

    acknowledge: bool = Field(
        False, description="Mark delivered documents at B2Brouter as taken note of (ack), once each."
    )
    mark_as: dict[str, Literal["new", "sent", "accepted", "registered", "refused", "paid", "closed"]] = Field(
        default_factory=dict,
        description="State that B2Brouter is to give a document which meets another, such as "
        '{ registered = "closed" }; nothing is delivered by it.',
    )

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
    def _marks_end(self) -> AccountSettings:
        if chained := sorted(set(self.mark_as.values()) & set(self.mark_as)):
            raise ValueError(f"mark_as gives and meets {chained[0]}: the markers would go on and on")
        return self

    @model_validator(mode="after")
    def _has_key(self) -> AccountSettings:
        if not self._given("api_key"):
            raise ValueError("api_key or api_key_file is missing")
        return self

    def asks_directory(self, environment: str) -> bool:
        """Whether the directory is asked in an environment."""
        return self.directory == "on" or (self.directory == "auto" and environment in {"simulator", "production"})

    @property
    def signs_webhooks(self) -> bool:
        """Whether a webhook is set up: there is a secret by which its events are believed."""
        return self._given("webhook_secret")

    def webhook_secrets(self) -> Sequence[str]:
        """Return the signing secrets that count, the present one first; none where no webhook is set up.

        Raises:
            UsageError: one cannot be read.
        """
        present, before = self._secret("webhook_secret"), self._secret("webhook_secret_before")
        return [secret for secret in (present, before) if secret]

    def key(self) -> str:
        """Return the API key.

        Raises:
            UsageError: it cannot be read.
        """
        return self._secret("api_key")


class LedgerSettings(Section):
    """Our own database."""

    url: SecretStr = Field(SecretStr("sqlite:///connector.db"), description="sqlite:///… or postgresql+psycopg://…")
    url_file: Path | None = Field(None, description="File that holds the URL.")
    url_command: Command | None = Field(None, description="Command that prints the URL.")

    def address(self) -> str:
        """Return the SQLAlchemy URL, password included.

        Raises:
            UsageError: it cannot be read.
        """
        return self._secret("url", hide=passwords_of)


class BrokerSettings(Section):
    """The doorbell between scheduler and workers."""

    url: SecretStr = Field(SecretStr("memory://"), description="memory://, redis://… or amqp://…")
    url_file: Path | None = Field(None, description="File that holds the URL.")
    url_command: Command | None = Field(None, description="Command that prints the URL.")
    queue: QueueKind = Field(
        "classic",
        description="Kind of queue on RabbitMQ: classic, or quorum, which is kept on several nodes of a cluster.",
    )

    def address(self) -> str:
        """Return the broker URL, password included.

        Raises:
            UsageError: it cannot be read.
        """
        return self._secret("url", hide=passwords_of)

    @property
    def embedded(self) -> bool:
        """Whether there is no broker at all and the work is done in the process that finds it."""
        return self.address().startswith("memory://")


class SourceSettings(Section):
    """One ERP database."""

    adapter: str = Field(description="odoo, dolibarr, tryton, sql, folder or another installed adapter.")
    url: SecretStr | None = Field(None, description="SQLAlchemy URL of the ERP's database; a folder has none.")
    url_file: Path | None = Field(None, description="File that holds the URL.")
    url_command: Command | None = Field(None, description="Command that prints the URL.")
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
    silent_after: int | None = Field(
        None, ge=1, description="Alarm after so many whole working days without a new document; by default never."
    )
    working_days: list[Weekday] = Field(WORKING_DAYS, description="The days that count as such.")
    document_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="Address of a document in the ERP's own screens, with {key} and, where it is needed, {company}: "
        "the console links to it.",
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
        """Return the URL of the ERP's database, password included; None where the adapter needs none.

        Raises:
            UsageError: it cannot be read.
        """
        url = self._secret("url", hide=passwords_of)
        return url or None

    def opened_options(self) -> dict[str, Any]:
        """Return the adapter's own settings, with those opened that are sealed.

        Raises:
            UsageError: one cannot be opened.
        """
        return options_unsealed(self._named("options"), self.options)

    @property
    def issuers(self) -> Sequence[str]:
        """The accounts that issue for it."""
        return [self.account] if self.account else list((self.accounts or {}).values())

    def account_of(self, company: str) -> str | None:
        """Return the account that issues for a company of the ERP; None where none is configured.

        A document that cannot be read names no company: it goes to the first account, so that somebody is told.
        """
        if self.accounts is None:
            return self.account
        return self.accounts.get(company) or (None if company else next(iter(self.accounts.values()), None))


class RecipientSettings(Section):
    """Somebody who is told: alarms at once, everything else in digests. Any number of such tables, by name."""

    address: SecretStr | None = Field(
        None,
        description="Where to: a URL of Apprise, such as mailtos://user:password@smtp.example.com?to=me@example.com, "
        "or of Teams, Slack and a hundred others. A secret; better in address_file or the environment.",
    )
    address_file: Path | None = Field(None, description="File that holds the address.")
    address_command: Command | None = Field(None, description="Command that prints the address.")
    audience: Literal["operators", "accountants", "both"] = Field(
        "both",
        alias="for",
        description="Who that is, and thereby what is told: what operators have to do, what accountants, or both.",
    )
    language: Language = Field("en", description="Language of what is told: en, es, fr or ca.")
    digest_at: list[time] = Field([time(8)], description="Times of the day at which a digest goes, if there is news.")
    digest_days: list[Weekday] = Field(WORKING_DAYS, description="Days of the week on which a digest goes.")
    time_zone: str | None = Field(None, description="Zone of these times; by default that of [notifications].")
    quiet_hours: str | None = Field(
        None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$",
        description="Hours in which nothing is told; it comes when they end.",
    )
    alarms_in_quiet_hours: bool = Field(False, description="Whether alarms are told in quiet hours all the same.")
    accounts: list[str] = Field([], description="Only what concerns these accounts; [] for all.")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        return name and known_zone(name)

    @field_validator("quiet_hours")
    @classmethod
    def _not_the_whole_day(cls, hours: str | None) -> str | None:
        if hours and len(set(hours.split("-"))) == 1:
            raise ValueError(f"{hours} is the whole day")
        return hours

    @model_validator(mode="after")
    def _has_address(self) -> RecipientSettings:
        if not self._given("address"):
            raise ValueError("address or address_file is missing")
        return self

    def where(self) -> str:
        """Return the address.

        Raises:
            UsageError: it cannot be read.
        """
        return self._secret("address", hide=parts_of)


class NotificationSettings(Section):
    """Who is told of what goes wrong, and what counts as that. Without recipients nobody is."""

    time_zone: str = Field("UTC", description="Zone of times and working days, such as Europe/Madrid.")
    repeat_hours: float = Field(4, gt=0, description="Hours after which an alarm that lasts is told again.")
    remind_days: float = Field(
        7, gt=0, description="Days after which a digest goes without news too, if something still needs a person."
    )
    no_look_minutes: float = Field(60, gt=0, description="Alarm when no look into an ERP succeeded for so long.")
    stalled_minutes: float = Field(15, gt=0, description="Alarm when nobody takes up due invoices for so long.")
    scheduler_minutes: float = Field(5, ge=1, description="Alarm when no scheduler has been at work for so long.")
    heartbeat_url: SecretStr | None = Field(
        None,
        description="Called while all is well, for a dead-man's switch: it raises the alarm when no call comes.",
    )
    heartbeat_url_file: Path | None = Field(None, description="File that holds that URL.")
    heartbeat_url_command: Command | None = Field(None, description="Command that prints it.")
    heartbeat_method: Literal["GET", "POST"] = Field("GET", description="GET or POST.")
    heartbeat_seconds: float = Field(60, ge=1, description="Seconds between such calls.")
    recipients: dict[str, RecipientSettings] = Field(default_factory=dict, description="Tables by name.")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        return known_zone(name)

    @property
    def has_heartbeat(self) -> bool:
        """Whether there is a dead-man's switch."""
        return self._given("heartbeat_url")

    def heartbeat(self) -> str:
        """Return the URL of the dead-man's switch.

        Raises:
            UsageError: it cannot be read.
        """
        return self._secret("heartbeat_url", hide=parts_of)


class RetrySettings(Section):
    """How transient faults are repeated."""

    attempts: int = Field(5, ge=1, le=20, description="Tries per step before a person is asked.")
    base: float = Field(2.0, gt=0, description="Seconds before the first repetition, doubled each time.")
    cap: float = Field(300.0, gt=0, description="Longest pause, in seconds.")


class WorkerSettings(Section):
    """How the work is done."""

    threads: int = Field(16, ge=1, le=256, description="Invoices in flight at once, per account and worker.")
    drain_seconds: float = Field(60, gt=0, description="After this long a worker gives other accounts a turn.")
    lease_seconds: float | None = Field(
        None,
        gt=0,
        description="How long a job stays with a worker that gives no sign of life; at least twice the time-out, "
        "by default that and 15 seconds.",
    )


class SchedulerSettings(Section):
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


class FollowSettings(Section):
    """How issued documents are followed: webhooks tell at once, looks find what these missed."""

    days: float = Field(90, ge=0, description="Days after sending in which news is looked for; 0: never.")
    look_every: float = Field(
        300,
        gt=0,
        description="Seconds between looks at an account whose last document was just sent; one list for hundreds "
        "of documents. A tenth of that document's age where that is longer.",
    )
    look_at_most: float = Field(86400, gt=0, description="Longest time between looks, in seconds.")
    look_with_webhooks: float = Field(
        21600, gt=0, description="Seconds between looks while webhooks had told of all that looks found."
    )


class ViesSettings(Section):
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


class ArchiveSettings(Section):
    """Where the files of issued invoices are kept."""

    url: str = Field(
        "",
        description="A folder, or an address such as s3://bucket/folder (pip install 'b2brouter-connector[s3]'); "
        "empty: no archive. It needs a place that is backed up and lasts as long as the law asks, which nobody can "
        "guess: so it is off until one is named, and then fetches the files of all that was ever sent.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict,
        description='Of the address\'s kind, such as { endpoint_url = "https://…" }; credentials are better in the '
        "environment (AWS_ACCESS_KEY_ID …).",
    )
    keep: list[Piece] = Field(
        default_factory=lambda: list(Piece),
        min_length=1,
        description="Which files: original (what was sent to B2Brouter), legal (what it delivered), pdf.",
    )

    def opened_options(self) -> dict[str, Any]:
        """Return the options, with those opened that are sealed.

        Raises:
            UsageError: one cannot be opened.
        """
        return options_unsealed(self._named("options"), self.options)

    @property
    def on(self) -> bool:
        """Whether there is an archive."""
        return bool(self.url)


class ReconcileSettings(Section):
    """How ERP, ledger and B2Brouter are compared without being asked."""

    every_days: float = Field(7, ge=0, description="Days between comparisons of each account; 0: only on request.")
    days: int = Field(100, gt=0, description="How many days back, by the day of issue.")


class WebSettings(Section):
    """What answers over HTTP: health, webhooks, the console and its API."""

    host: str = Field("127.0.0.1", description="Address to bind; only this machine reaches 127.0.0.1.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="Address under which people reach it from elsewhere; links in notifications begin with it. With "
        "https:// the cookies of the console travel by https alone.",
    )
    port: int = Field(8080, ge=0, lt=65536, description="Port to bind; 0: one that is free, the log says which.")
    stalled_after: float = Field(
        900, gt=0, description="Seconds for which due work may be left lying until /health/ready fails."
    )
    webhook_tolerance: float = Field(
        300, gt=0, description="Seconds that the time of a webhook's signature may differ from ours."
    )
    webhook_bytes: int = Field(1_000_000, ge=1000, description="Largest body of a webhook.")
    proxy: str | None = Field(
        None, description="Address of the proxy in front, whose word about where requests come from is believed."
    )
    session_hours: float = Field(12, gt=0, le=168, description="Hours after which people sign in again.")


class OidcSettings(Section):
    """Sign-in to the console through an OpenID Connect provider, beside the local users."""

    issuer: str = Field(
        "",
        pattern=r"^(https://\S+|http://(127\.0\.0\.1|localhost)(:\d+)?(/\S*)?)?$",
        description="Address of the provider, as it calls itself (pip install 'b2brouter-connector[oidc]'); empty: "
        "local users alone. It sends people back to web.public_url and /sign-in/callback.",
    )
    client_id: str = Field("", description="Our name at the provider.")
    client_secret: SecretStr | None = Field(
        None, description="Our secret there, if it has given one; better in client_secret_file or the environment."
    )
    client_secret_file: Path | None = Field(None, description="File that holds the secret.")
    client_secret_command: Command | None = Field(None, description="Command that prints the secret.")
    label: str = Field("OpenID Connect", description="What people know the provider by.")
    scopes: list[str] = Field(["openid", "profile", "email"], description="What is asked for; openid always.")
    name_claim: str = Field("preferred_username", description="Claim that is the person's name here.")
    role_claim: str = Field(
        "groups", description="Claim that the role comes from; with dots where it lies deeper: realm_access.roles."
    )
    operators: list[str] = Field([], description="Its values that make an operator.")
    viewers: list[str] = Field([], description="Its values that make a viewer; nobody else is let in.")

    @property
    def on(self) -> bool:
        """Whether there is a provider."""
        return bool(self.issuer)

    def secret(self) -> str:
        """Return the client secret; empty where there is none.

        Raises:
            UsageError: it cannot be read.
        """
        return self._secret("client_secret")

    @model_validator(mode="after")
    def _complete(self) -> OidcSettings:
        if self.on and not self.client_id:
            raise ValueError("oidc.issuer is set, but client_id is missing")
        if self.on and not (self.operators or self.viewers):
            raise ValueError("oidc.operators or oidc.viewers must name values of role_claim, or nobody could come in")
        if self.on and "openid" not in self.scopes:
            raise ValueError("oidc.scopes: openid is missing")
        return self


class TracingSettings(Section):
    """Traces for OpenTelemetry: what each invoice and each request took, with ids alone."""

    endpoint: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Address of a collector that takes OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces (pip "
        "install 'b2brouter-connector[otel]'); empty: no traces. Headers come from OTEL_EXPORTER_OTLP_HEADERS.",
    )
    service: str = Field("b2brouter-connector", min_length=1, description="Name under which the traces are found.")
    ratio: float = Field(1.0, gt=0, le=1, description="Share of the traces that is kept.")


class ConsoleSettings(Section):
    """How the connector speaks to people."""

    language: Language = Field(
        "en", description="Language of reasons and cures on the command line: en, es, fr or ca; --lang overrides it."
    )


def weekdays(names: Sequence[Weekday]) -> frozenset[int]:
    """Return days of the week as numbers; Monday is 0."""
    order = get_args(Weekday)
    return frozenset(map(order.index, names))


def known_zone(name: str) -> str:
    """Return the name of a time zone.

    Raises:
        ValueError: there is none of that name.
    """
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name} is no time zone, such as Europe/Madrid") from None
    return name
