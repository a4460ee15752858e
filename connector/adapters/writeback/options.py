"""Settings that the ways of writing back share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, StringConstraints, model_validator

from connector.adapters.options import AdapterOptions
from connector.adapters.writeback.rules import Fields
from connector.domain.errors import UsageError
from connector.domain.wording import unreadable

StateColumn = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")]


class StateOptions(AdapterOptions):
    """Columns for the state of a document at B2Brouter, where the ERP has some for it."""

    state_column: StateColumn | None = Field(
        None, description='Text column for the state at B2Brouter, with write_back = "columns" or "api".'
    )
    state_reason_column: StateColumn | None = Field(
        None, description="Text column for what B2Brouter says of that state."
    )
    state_changed_column: StateColumn | None = Field(
        None,
        description="Text column for the time of that state; needed with state_column, so that they stay in order.",
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_not_set(cls, values: Any) -> Any:
        """A sample configuration shows what is not set as an empty text."""
        optional = {name for name, field in cls.model_fields.items() if field.default is None}
        if not isinstance(values, dict):
            return values
        return {name: value for name, value in values.items() if not (name in optional and value == "")}

    @model_validator(mode="after")
    def _state_with_its_time(self) -> StateOptions:
        if (self.state_column is None) != (self.state_changed_column is None):
            raise ValueError("state_column and state_changed_column need one another")
        if self.state_reason_column and not self.state_column:
            raise ValueError("state_reason_column needs state_column")
        return self

    def fields(self, reference: str, xref: str) -> Fields:
        """Return the names of all columns that are written."""
        return Fields(
            reference=reference,
            xref=xref,
            state=self.state_column,
            reason=self.state_reason_column,
            changed_at=self.state_changed_column,
        )


class ApiOptions(StateOptions):
    """How the ERP's own API is reached."""

    api_url: str | None = Field(
        None, pattern=r"^https?://\S+$", description='Address of the ERP\'s API, with write_back = "api".'
    )
    api_key: SecretStr | None = Field(None, description="Its key; better in api_key_file or the environment.")
    api_key_file: Path | None = Field(None, description="File that holds the key.")
    api_timeout: float = Field(30.0, gt=0, le=300, description="Longest single call of the API, in seconds.")

    @model_validator(mode="after")
    def _api_is_complete(self) -> ApiOptions:
        if getattr(self, "write_back", None) == "api":
            if self.api_url is None:
                raise ValueError('write_back = "api" needs api_url')
            if self.api_key is None and self.api_key_file is None:
                raise ValueError('write_back = "api" needs api_key or api_key_file')
        return self

    def key(self) -> str:
        """Return the API's key.

        Raises:
            UsageError: its file cannot be read or is empty.
        """
        if self.api_key_file is None:
            return self.api_key.get_secret_value() if self.api_key else ""
        try:
            key = self.api_key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise unreadable(
                "api_key_file", self.api_key_file, getattr(error, "strerror", None) or "it is no text"
            ) from error
        if not key:
            raise UsageError(f"api_key_file {self.api_key_file} is empty.")
        return key


def distinct(*names: str | None) -> None:
    """See that no two values go into one column.

    Raises:
        ValueError: two do.
    """
    used: list[Any] = [name.lower() for name in names if name]
    twice = next((name for name in used if used.count(name) > 1), None)
    if twice:
        raise ValueError(f"{twice} is named twice; each value needs a column of its own")
