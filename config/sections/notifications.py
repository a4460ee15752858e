"""Who is told of what goes wrong, and when."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from config.addresses import parts_of
from config.sections.calendar import WORKING_DAYS, Weekday, known_zone
from config.sections.section import Command, MissingSecretError, Section
from connector.domain.catalogue import Language


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
            raise MissingSecretError("address")
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
    no_look_minutes: float = Field(
        60,
        gt=0,
        description="Alarm when no look into an ERP, or at what became of issued documents, succeeded for so long.",
    )
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
