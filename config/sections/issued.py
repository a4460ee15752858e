"""What is done about documents after they were issued: followed, kept, compared."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from config.secrets import options_unsealed
from config.sections.section import Section
from connector.domain.archive import Piece


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
