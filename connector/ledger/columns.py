"""What tables of the ledger are made of: types that store the same in both databases, and a table as a class."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, cast

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Double,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine

from connector.domain.identity import storable

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapped

T = TypeVar("T")

_MOST_DIGITS: Final = 40

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Instant(TypeDecorator[datetime]):
    """An aware instant in UTC. SQLite has no zones: there it is stored in UTC without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive values: they are bugs."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Exact(TypeDecorator[Decimal]):
    """A decimal number as text: no database may round it, and none of our queries computes with it.

    One with more digits than any amount has is not known: cut off it would be another one.
    """

    impl = String(_MOST_DIGITS)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        """Write plain digits, never an exponent."""
        digits = None if value is None else format(value, "f")
        return digits if digits is not None and len(digits) <= _MOST_DIGITS else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        """Read them back."""
        return None if value is None else Decimal(value)


class Roughly(TypeDecorator[float]):
    """A decimal number as a double, to be searched and sorted by; nothing where it is beyond all measure."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: Decimal | float | None, dialect: Dialect) -> float | None:
        """Write the nearest double."""
        number = None if value is None else float(value)
        return number if number is not None and math.isfinite(number) else None


class Words(TypeDecorator[str]):
    """A text of limited length."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Write what can be stored."""
        return None if value is None else storable(value)


class Prose(Words):
    """A text of any length."""

    impl = Text
    cache_ok = True


class Facts(TypeDecorator[dict[str, str]]):
    """The facts that fill a catalogue sentence, as JSON text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, str] | None, dialect: Dialect) -> str | None:
        """Write JSON."""
        return storable(json.dumps(value, ensure_ascii=False, sort_keys=True)) if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, str]:
        """Read JSON; nothing stored means no facts."""
        return json.loads(value) if value else {}


class Document(TypeDecorator[dict[str, Any]]):
    """A JSON object as text, for what is kept to be told later."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | None, dialect: Dialect) -> str | None:
        """Write JSON."""
        return None if value is None else storable(json.dumps(value, ensure_ascii=False, sort_keys=True))

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, Any]:
        """Read JSON; nothing stored means nothing."""
        return json.loads(value) if value else {}


class Choice(TypeDecorator[Any]):
    """A string enumeration, stored by value and readable in any SQL tool."""

    impl = String(24)
    cache_ok = True

    def __init__(self, kind: type[Any]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write the value."""
        return None if value is None else str(self.kind(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read the member."""
        return None if value is None else self.kind(value)


Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only INTEGER keys by itself

Prefixed = Words(255).with_variant(Words(255, collation="C"), "postgresql")  # whose beginning is searched for


class Base:
    """A table, written as a class of columns; statements take it as they take a table.

    SQLAlchemy's own classes of this look are for objects that it loads and saves. The ledger has none, and the
    mapping would cost a fifth of each start, and more with every statement.
    """

    metadata: ClassVar[MetaData] = MetaData(naming_convention=_NAMES)
    __tablename__: ClassVar[str]
    __table_args__: ClassVar[tuple[Any, ...]] = ()
    __table__: ClassVar[Table]

    def __init_subclass__(cls) -> None:
        """Make the table."""
        columns = {name: each for name, each in vars(cls).items() if isinstance(each, Column)}
        for name, each in columns.items():
            each.name = each.key = name
        cls.__table__ = Table(cls.__tablename__, cls.metadata, *columns.values(), *cls.__table_args__)

    @classmethod
    def __clause_element__(cls) -> Table:
        return cls.__table__


# SQLAlchemy has types for columns that are attributes of a class only where the class is mapped.


def column(kind: TypeEngine[T] | type[TypeEngine[T]], *more: Any, **options: Any) -> Mapped[T]:
    """Return a column that always has a value; see `sqlalchemy.Column`."""
    return cast("Mapped[T]", Column(kind, *more, nullable=False, **options))


def optional(kind: TypeEngine[Any] | type[TypeEngine[Any]], *more: Any, **options: Any) -> Mapped[Any]:
    """Return a column that may be empty; see `sqlalchemy.Column`."""
    return cast("Mapped[Any]", Column(kind, *more, nullable=True, **options))
