"""The options of a source with `adapter = "sql"`: the queries that map a database nobody here has seen."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from connector.adapters.options import AdapterOptions
from connector.adapters.sql.statements import one_select, one_update, require_binds
from connector.domain.invoice import Kind

_BINDS = {
    "find": frozenset[str](),
    "companies": frozenset[str](),
    "header": frozenset({"keys"}),
    "lines": frozenset({"keys"}),
    "taxes": frozenset({"keys"}),
    "tax_totals": frozenset({"keys"}),
    "attachments": frozenset({"keys"}),
    "attachment": frozenset({"key"}),
    "read_back": frozenset({"key"}),
    "write_back": frozenset({"key", "reference", "xref"}),
}
REPORT_VALUES = frozenset({"report", "kind", "label", "state", "url", "qr", "problem"})
"""What write_tax_report may write, besides the :key of the document."""

_PLACES = frozenset({"side_table", "none"})
"""What write_back may be, if it is no statement."""


class SqlOptions(AdapterOptions):
    """Options of the sql adapter. Which columns each query gives: see `connector.adapters.sql.columns`."""

    find: str = Field(description="SELECT of the heads of all confirmed documents, without order or limit.")
    header: str = Field(
        description="SELECT of one row per document, for those IN :keys, whatever their state. Its buyer_key is the"
        " customer's own: NULL where one record of the ERP stands for several customers."
    )
    lines: str = Field(description="SELECT of the lines of the documents IN :keys, in their order.")
    taxes: str | None = Field(
        None,
        description="SELECT of the lines' taxes of the documents IN :keys, where a line may have several.",
    )
    tax_totals: str | None = Field(
        None,
        description="SELECT of the ERP's total of each tax of the documents IN :keys. Without it they are"
        " computed from the lines, in the way of rounding that gives the header's tax.",
    )
    attachments: str | None = Field(
        None, description="SELECT of the files that go out with the documents IN :keys, without their contents."
    )
    attachment: str | None = Field(None, description="SELECT of the contents of the files of the document :key.")
    companies: str | None = Field(None, description="SELECT of the issuing companies, where there are several.")
    read_back: str | None = Field(None, description="SELECT of the columns reference and xref of the document :key.")
    write_back: str = Field(
        "none",
        description="UPDATE of the document :key with :reference and :xref; or side_table (a table of ours in that"
        " database), or none (the ledger only).",
    )
    write_tax_report: str | None = Field(
        None,
        description="UPDATE of the document :key with what a tax authority knows of it: any of :report, :kind,"
        ' :label, :state, :url, :qr (PNG in base 64), :problem. write_back = "side_table" has a table for it.',
    )
    key_type: Literal["int", "text"] = Field("int", description="Type of document_key in the database.")
    timezone: str = Field(
        "UTC",
        description="Zone of time stamps that have none, such as Europe/Madrid; and of days that are kept as"
        " instants, unless it is UTC: then a day is the one that the database shows.",
    )
    kinds: dict[str, Kind] = Field(
        default_factory=lambda: {kind.value: kind for kind in Kind},
        description="What the ERP's values of the column kind mean: invoice or credit_note.",
    )
    credit_note_amounts: Literal["positive", "negative"] = Field(
        "positive", description="Sign of the amounts of credit notes in the ERP."
    )
    statement_timeout: float = Field(60.0, gt=0, le=3600, description="Longest single query, in seconds.")
    lock_timeout: float = Field(5.0, gt=0, le=600, description="Longest wait for a row in use, in seconds.")

    @field_validator(
        "find", "header", "lines", "taxes", "tax_totals", "attachments", "attachment", "companies", "read_back"
    )
    @classmethod
    def _reads_only(cls, statement: str | None) -> str | None:
        return None if statement is None else one_select(statement)

    @field_validator("write_back")
    @classmethod
    def _one_update(cls, statement: str) -> str:
        return statement if statement in _PLACES else one_update(statement)

    @field_validator("write_tax_report")
    @classmethod
    def _report_of_one(cls, statement: str | None) -> str | None:
        if statement is None:
            return None
        require_binds("write_tax_report", statement, frozenset({"key"}), optional=REPORT_VALUES)
        return one_update(statement)

    def queries(self) -> list[str]:
        """Return all statements that read."""
        names = (name for name in _BINDS if name != "write_back")
        return [statement for name in names if (statement := getattr(self, name)) is not None]

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"there is no time zone {zone}") from None
        return zone

    @model_validator(mode="after")
    def _complete(self) -> SqlOptions:
        for query, binds in _BINDS.items():
            statement = getattr(self, query)
            if statement is not None and statement not in _PLACES:
                require_binds(query, statement, binds)
        if (self.attachments is None) != (self.attachment is None):
            raise ValueError("attachments and attachment need one another")
        if (self.read_back is None) != (self.write_back in _PLACES):
            raise ValueError("read_back and a statement write_back need one another")
        if self.write_tax_report is not None and self.write_back == "side_table":
            raise ValueError("write_tax_report is not needed with a side table, which has a table of tax reports")
        return self
