"""The street of an address: as it was typed, or as of Tryton 7.6 in parts of their own."""

from __future__ import annotations

from typing import Final

from connector.adapters.database import Row, plain

# Where the number stands before the name, by Tryton's own list of address formats.
_NUMBER_FIRST: Final = frozenset(
    "AD AU BB BF BH BJ BM BN BZ CA CG CN DZ EG FJ FK FM FR GB GF GH GI GM GP GR HK IE IL IN IQ JM JP KG KH KN LA LB"
    " LC LK LU MA MC MH MM MQ MT MU MV MW MY NA NC NF NG NP NZ OM PF PH PK PM PN PW RE SA SC SG SH SN TC TH TN TT TW"
    " TZ US VG VN WF YT ZA ZM ZW".split()
)
_INSIDE: Final = ("unit_number", "floor_number", "room_number", "post_box", "private_bag", "post_office")
PARTS: Final = ("street_name", "building_number", *_INSIDE)
"""The columns that are parts of a street."""


def street(place: Row) -> list[str]:
    """Return the lines of a street. Like Tryton, take the parts where there are any."""
    house = [plain(place["street_name"]), plain(place["building_number"])]
    if place["country"] in _NUMBER_FIRST:
        house.reverse()
    parts = [" ".join(filter(None, house)), *(plain(place[part]) for part in _INSIDE)]
    lines = [*filter(None, parts)] or [line.strip() for line in (place["street"] or "").splitlines()]
    return [line for line in lines if line]
