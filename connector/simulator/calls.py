"""A request as the handlers see it, and what they answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from connector.simulator.documents import Account, ApiKey, Contact, Invoice, TaxReport
from connector.simulator.journal import Entry
from connector.simulator.jsontext import loads
from connector.simulator.problems import bad_request, invalid, not_found
from connector.simulator.world import World

DEFAULT_LIMIT: Final = 25
MAXIMUM_LIMIT: Final = 500
_MOST_DIGITS: Final = 14  # before the point, less one; keeps every sum exact
_MOST_DECIMALS: Final = 20


@dataclass(slots=True)
class Answer:
    """Status and body; `content` is for files, everything else is JSON."""

    status: int = 200
    body: object = None
    content: bytes | None = None
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """One authenticated request."""

    world: World
    key: ApiKey
    version: str
    params: Mapping[str, str]  # from the path
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    entry: Entry
    number_was_free: bool = False  # seen on arrival, for the switch `number_guard_race`
    list_lag: float = 0.0  # seconds that a fault adds to the switch of the same name
    parsed: dict[str, Any] | None = None  # the body, once it was read

    def payload(self) -> dict[str, Any]:
        """The JSON object of the body.

        Raises:
            ApiProblem: 400, for anything else.
        """
        if self.parsed is not None:
            return self.parsed
        try:
            value = loads(self.body)
        except ValueError as error:
            raise bad_request(f"The body is not valid JSON: {error}") from error
        if not isinstance(value, dict):
            raise bad_request("The body must be a JSON object")
        self.parsed = value
        return value

    def wrapped(self, name: str, *nested: str) -> dict[str, Any]:
        """The object under the resource's name, as in `{"invoice": {…}}`, with `permitted` values."""
        value = self.payload().get(name)
        if not isinstance(value, dict) or not value:
            raise bad_request(f"param is missing or the value is empty: {name}")
        return permitted(value, *nested)

    def listed_from(self) -> datetime | None:
        """When what this request creates begins to show in lists; None for at once."""
        lag = max(self.list_lag, self.world.switches.list_lag)
        return self.world.clock.now() + timedelta(seconds=lag) if lag else None

    # ------------------------------------------------------ what the key sees

    def account(self) -> Account:
        """The account of the path, by its id or its identifier."""
        account = self.world.account_named(self.params["account"])
        if account is None or account.id not in self.key.accounts:
            raise not_found("Account")
        self.entry.account = account.id
        return account

    def contact(self) -> Contact:
        contact = self.world.contacts.get(self._id())
        if contact is None or contact.account_id not in self.key.accounts:
            raise not_found("Contact")
        self.entry.account = contact.account_id
        return contact

    def invoice(self) -> Invoice:
        invoice = self.world.invoices.get(self._id())
        if invoice is None or invoice.account_id not in self.key.accounts:
            raise not_found("Invoice")
        self.entry.account, self.entry.number = invoice.account_id, invoice.number
        return invoice

    def tax_report(self) -> TaxReport:
        report = self.world.tax_reports.get(self._id())
        if report is None or report.account_id not in self.key.accounts:
            raise not_found("Tax report")
        self.entry.account = report.account_id
        return report

    def _id(self) -> int:
        text = self.params["id"]
        return int(text) if text.isascii() and text.isdigit() else 0

    # ----------------------------------------------------------------- query

    def flag(self, name: str) -> bool | None:
        """A boolean of the query; `true/false` and `1/0` are both in use."""
        return FLAGS.get(self.query.get(name, "").lower())

    def day(self, name: str) -> date | None:
        text = self.query.get(name)
        if not text:
            return None
        try:
            return date.fromisoformat(text[:10])
        except ValueError:
            raise bad_request(f"{name} is not a date") from None

    def instant(self, name: str) -> datetime | None:
        """A timestamp or a date of the query; a date means its first moment in UTC."""
        text = self.query.get(name)
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text.replace(" ", "+"))
        except ValueError:
            raise bad_request(f"{name} is not a date") from None
        return at if at.tzinfo is not None else at.replace(tzinfo=self.world.clock.now().tzinfo)

    def page(self) -> tuple[int, int]:
        """Offset and limit; a limit beyond 500 is cut, and what counts is what the answer echoes."""
        offset = _whole(self.query.get("offset"), 0)
        limit = _whole(self.query.get("limit"), DEFAULT_LIMIT)
        return offset, min(limit or DEFAULT_LIMIT, MAXIMUM_LIMIT)


FLAGS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}

Handler = Callable[[Call], Answer]


def permitted(values: Mapping[str, Any], *nested: str) -> dict[str, Any]:
    """Drop lists and objects in silence where a plain value is expected, as Rails does; `nested` may have them."""
    return {name: value for name, value in values.items() if name in nested or not isinstance(value, (list, dict))}


def truth(value: object) -> bool:
    """A boolean of a body, which may come as a word or a digit."""
    return value is True or str(value).lower() in {"true", "1"}


def number(world: World, value: object, param: str) -> Decimal:
    """A quantity, price, amount or percent of a body.

    Raises:
        ApiProblem: 422, for anything that is not a finite number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        raise invalid(param, "is not a number")
    if isinstance(value, str) and not world.switches.accepts_amount_strings:
        raise invalid(param, "is not a number")
    return decimal(value, param)


def decimal(value: int | Decimal | str, param: str) -> Decimal:
    """A finite number of a sensible size, or 422."""
    try:
        parsed = Decimal(value)
    except InvalidOperation:
        raise invalid(param, "is not a number") from None
    if not parsed.is_finite():
        raise invalid(param, "is not a number")
    if parsed.adjusted() > _MOST_DIGITS or int(parsed.as_tuple().exponent) < -_MOST_DECIMALS:
        raise invalid(param, "is out of range")
    return parsed


def day(value: object, param: str) -> date:
    """A date of a body, `YYYY-MM-DD`."""
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise invalid(param, "is not a valid date") from None


def conditions(query: str) -> dict[str, str]:
    """Read the filter language of `query=`: `field=value AND field=value`."""
    found = {}
    for condition in query.split(" AND "):
        name, equals, value = condition.partition("=")
        if not equals:
            raise bad_request("query must be field=value, joined by AND")
        found[name.strip()] = value.strip()
    return found


def listed(call: Call, name: str, rows: list[dict[str, Any]], total: int, *, flat: bool = False) -> Answer:
    """One page, in the envelope of its kind."""
    offset, limit = call.page()
    paging = {"total_count": total, "offset": offset, "limit": limit}
    return Answer(body={name: rows} | (paging if flat else {"meta": paging}))


def single(call: Call, name: str, value: dict[str, Any], status: int = 200) -> Answer:
    """One resource, wrapped in its name unless the switch says otherwise."""
    return Answer(status, {name: value} if call.world.switches.wrapped else value)


def document_id(world: World, value: int | None) -> int | str | None:
    """An id as answers carry it."""
    return str(value) if value is not None and world.switches.ids == "strings" else value


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else default
