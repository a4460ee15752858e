"""What all tables have in common: they know their place, and where their secrets are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, model_validator

from config.secrets import reveal

Command = Annotated[list[str], Field(min_length=1)]


class MissingSecretError(ValueError):
    """A secret that a table cannot do without is not given; the environment may give it."""

    def __init__(self, secret: str) -> None:
        super().__init__(f"{secret} or {secret}_file is missing")
        self.secret = secret


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
