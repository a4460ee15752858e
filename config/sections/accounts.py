"""The accounts at B2Brouter, and how each issues."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from config.sections.b2brouter import Environment
from config.sections.section import Command, MissingSecretError, Section

FIRST_RUN = (1, 10, 100)
"""Invoices in each step of an account's first run in production."""


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
            raise MissingSecretError("api_key")
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
