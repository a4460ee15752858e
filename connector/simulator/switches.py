"""Behaviours of the service that are disputed or unknown, each as a typed switch.

The default is what the best source says; a connector should hold under every setting.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints


class UnknownSwitchError(ValueError):
    """No such switch, or a value that it does not take."""


@dataclass(slots=True)
class Switches:
    """How the stand-in behaves; every field may be set at start and while it runs. Times are seconds."""

    # Uniqueness of the invoice number
    number_guard: bool = True
    """Refuse a number that exists (422 `parameter_taken`)."""
    number_guard_race: bool = False
    """Look at the arrival of a request instead of at its storing: parallel requests may store twice."""
    number_scope: Literal["account", "series", "series_year"] = "series_year"
    """What makes a number unique within an account: alone, with its series, or with series and year."""
    number_per_type: bool = False
    """Count issued, simplified and self-billed documents apart."""
    deleted_numbers_stay_taken: bool = False
    """Keep the number of a deleted document taken."""

    # Lists
    number_filter: Literal["exact", "prefix", "contains"] = "exact"
    """How `number=` matches; `contains` also takes a comma list."""
    list_lag: float = 0.0
    """Until a created document shows in lists."""
    list_order: Literal["newest", "oldest"] = "newest"
    """Which end of the list comes first."""
    accounts_envelope: Literal["flat", "meta"] = "flat"
    """Where the list of accounts carries its paging fields."""
    account_extras: Literal["offered", "missing", "forbidden"] = "offered"
    """Lists of transports and of tax report settings: answered, or 404 or 403 as for a plan without them."""
    state_filter_by: Literal["timestamp", "date"] = "timestamp"
    """Granularity of `state_updated_at_from`."""
    state_change_updates: bool = False
    """A change of state also moves `updated_at`."""

    # Shapes of answers
    wrapped: bool = True
    """Single resources inside `{"invoice": …}` and the like."""
    amounts: Literal["numbers", "strings"] = "numbers"
    """Amounts in answers."""
    accepts_amount_strings: bool = True
    """Amounts in requests may be strings."""
    ids: Literal["integers", "strings"] = "integers"
    """Ids in answers."""
    send_answer: Literal["body", "empty"] = "body"
    """`send_invoice` answers 200 with the invoice, or 204."""
    ack_answer: Literal["body", "empty"] = "body"
    """`ack` answers 200 with the invoice, or 204."""
    delete_answer: Literal["body", "empty"] = "body"
    """`DELETE` answers 200 with the object, or 204."""

    # Rules
    second_send: Literal["422", "409", "accepted"] = "422"
    """What a repeated `send_invoice` meets; `accepted` delivers the document again."""
    french_resend: bool = False
    """A French document in `error` may be sent again."""
    delete_allowed: Literal["unsent", "any"] = "unsent"
    """Which invoices may be deleted; others answer 409."""
    contact_delete: Literal["refuse", "cascade"] = "refuse"
    """A contact with invoices: 409, or its invoices go with it as in the ancestor."""
    contact_guard: Literal["tin", "tin_and_cin", "off"] = "tin"
    """Which identifiers of a contact are unique within the account."""
    tax_number_check: Literal["off", "format", "checksum"] = "format"
    """How closely tax numbers of contacts are looked at."""
    ancestor_checks: bool = True
    """Checks of the ancestor: e-mail form, Spanish postal code, text lengths, names of taxes."""
    directory_mode: Literal["direct", "asynchronous", "failing"] = "direct"
    """Look-ups answer at once, with 202 first, or with 424."""
    directory_polls: int = 2
    """How many 202 an asynchronous look-up gives first."""

    # Evidence
    journal_bodies: bool = False
    """Keep the JSON of each request in the journal, not its hash alone."""

    # Time
    latency: float = 0.0
    """Added to every request, before it is carried out."""
    sending_seconds: float = 2.0
    """From `sending` to `sent`."""
    network_seconds: float = 3.0
    """From `sent` to what the network answers."""
    pdf_seconds: float = 1.0
    """Until the PDF of a document is ready."""
    speed: float = 1.0
    """All waits of the state machine are divided by this."""
    networks_confirm: bool = True
    """Networks other than Peppol report `registered` too."""

    # Load
    requests_per_minute: int = 0
    """Limit per key over any 60 seconds; 0 for none. The real limits are 1000, and 600 in the sandbox."""
    retry_after: Literal["none", "seconds", "date", "garbage"] = "none"
    """What the limit's 429 says in `Retry-After`."""

    # Webhooks
    webhook_retries: int = 3
    """How often an event that was not received is sent again."""
    webhook_retry_seconds: float = 30.0
    """Between two attempts."""

    def set(self, values: Mapping[str, object]) -> None:
        """Set several switches by name, all of them or none.

        Raises:
            UnknownSwitchError: names the switch and what it takes.
        """
        checked = {name: _checked(name, value) for name, value in values.items()}
        for name, value in checked.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self)}


_TYPES: Final[Mapping[str, Any]] = MappingProxyType(get_type_hints(Switches))


def choices(name: str) -> str:
    """What a switch takes, in words for people."""
    kind = _TYPES[name]
    if get_origin(kind) is Literal:
        return " | ".join(get_args(kind))
    return {bool: "true | false", int: "whole number", float: "number"}[kind]


def _checked(name: str, value: object) -> object:
    if name not in _TYPES:
        raise UnknownSwitchError(f"there is no switch {name!r}")
    kind = _TYPES[name]
    if get_origin(kind) is Literal:
        fits = value in get_args(kind)
    elif kind is bool:
        fits = isinstance(value, bool)
    else:
        fits = _is_size(value) and (kind is float or isinstance(value, int))
    if not fits or (name == "speed" and value == 0):
        raise UnknownSwitchError(f"switch {name!r} takes {choices(name)}, not {value!r}")
    return float(value) if kind is float and isinstance(value, (int, Decimal)) else value


def _is_size(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) and value >= 0
