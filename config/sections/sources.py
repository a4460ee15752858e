"""The ERPs, and what of each is issued."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator

from config.addresses import clear, passwords_of
from config.secrets import options_unsealed
from config.sections.calendar import WORKING_DAYS, Weekday
from config.sections.section import Command, Section


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
        "made, one request more: for first runs, and for the first pass of a new ledger unless B2Brouter refuses a "
        "number that it has.",
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
            UsageError: it cannot be read, or not be taken apart for certain.
        """
        url = clear(self._named("url"), self._secret("url", hide=passwords_of))
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
        Blanks at the end are no part of a name: a column CHAR(n) is filled up with them.
        """
        if self.accounts is None:
            return self.account
        named = self.accounts.get(company) or self.accounts.get(company.rstrip())
        return named or (None if company else next(iter(self.accounts.values()), None))
