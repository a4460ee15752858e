"""The write-back: the timeline says that something was written into the ERP only where something was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connector.operations.timeline import says
from tests.support.builders import invoice
from tests.support.erp import Erp
from tests.support.house import House, Opener


class ReadOnlyErp(Erp):
    """An ERP whose source is set up with write_back = "none"."""

    def record(self, key: str, reference: str, xref: str) -> None:
        """The ledger alone keeps them."""

    def reads_recorded(self) -> bool:
        return False

    def recorded(self, keys: Sequence[str]) -> Mapping[str, tuple[str | None, str | None]]:
        return {}


def last_of_the_timeline(house: House) -> str:
    house.know_customer(invoice())
    house.issue(invoice("1"))
    return says(house.timeline()[-1])


def test_what_was_written_into_the_erp_is_told(house: House) -> None:
    told = last_of_the_timeline(house)

    assert told == f"Reference {house.job().reference} and cross-reference written into the ERP"


def test_where_nothing_is_written_back_the_timeline_says_so(open_house: Opener) -> None:
    house = open_house()
    house.erp = house.adapter = erp = ReadOnlyErp(house.clock)
    object.__setattr__(house.source, "adapter", erp)

    told = last_of_the_timeline(house)

    reference = house.job().reference
    assert told == f"Reference {reference} and cross-reference kept in the ledger; write-back into the ERP is off"
    assert house.job().xref
