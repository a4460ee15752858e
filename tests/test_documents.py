"""What threads read again of one source at the same time is one look, and each gets what stands there now."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import pytest

from connector.documents import Documents, load_each
from connector.domain.errors import DocumentNotUsableError, SourceUnavailableError
from connector.domain.invoice import Invoice
from connector.ports import Adapter
from tests.support.builders import invoice

UNUSABLE = DocumentNotUsableError("Document 2 has no lines.")


class Shop:
    """An ERP that is told when to answer."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.documents: dict[str, Invoice | DocumentNotUsableError] = {"1": invoice("1"), "2": UNUSABLE}
        self.reached = threading.Event()
        self.answers = threading.Event()

    def load(self, keys: Sequence[str]) -> Mapping[str, Invoice | DocumentNotUsableError]:
        self.asked.append(sorted(keys))
        self.reached.set()
        assert self.answers.wait(10)
        if "gone" in keys:
            raise SourceUnavailableError("The database is gone.")
        if "odd" in keys:
            raise ZeroDivisionError
        return {key: self.documents[key] for key in keys if key in self.documents}


@pytest.fixture
def shop() -> Shop:
    return Shop()


def read_at_once(shop: Shop, *keys: str) -> list[Future[Any]]:
    """Ask for documents while a look for another one is under way."""
    documents = Documents(cast(Adapter, shop))
    with ThreadPoolExecutor(len(keys) + 1) as pool:
        pool.submit(documents.read, "1")
        assert shop.reached.wait(10)
        reads = [pool.submit(documents.read, key) for key in keys]
        while len(documents._together._waiting) < len(keys):
            threading.Event().wait(0.001)
        shop.answers.set()
    shop.asked = shop.asked[1:]
    return reads


def test_what_is_asked_for_at_once_is_one_look_with_each_document_once(shop: Shop) -> None:
    one, same, unusable, deleted = read_at_once(shop, "1", "1", "2", "3")

    assert shop.asked == [["1", "2", "3"]]
    assert one.result() == same.result() == shop.documents["1"]
    assert unusable.result() is UNUSABLE
    assert deleted.result() is None


def test_a_look_that_is_under_way_is_nobodys_who_asks_later(shop: Shop) -> None:
    read_at_once(shop, "1")

    assert shop.asked == [["1"]]


def test_an_erp_that_is_gone_is_asked_once_for_all(shop: Shop) -> None:
    reads = read_at_once(shop, "1", "gone")

    for read in reads:
        with pytest.raises(SourceUnavailableError):
            read.result()
    assert shop.asked == [["1", "gone"]]


def test_a_document_that_breaks_the_adapter_breaks_no_other(shop: Shop) -> None:
    good, odd = read_at_once(shop, "1", "odd")

    assert good.result() == shop.documents["1"]
    with pytest.raises(ZeroDivisionError):
        odd.result()
    assert shop.asked == [["1", "odd"], ["1"], ["odd"]]


def test_what_compares_many_documents_is_told_of_the_one_that_breaks_the_adapter(shop: Shop) -> None:
    shop.answers.set()
    found = load_each(cast(Adapter, shop), ["1", "odd", "2", "missing"])
    assert (found["1"], found["2"]) == (shop.documents["1"], UNUSABLE)
    assert isinstance(found["odd"], DocumentNotUsableError)
    assert "missing" not in found


def test_what_compares_many_documents_stops_where_the_erp_is_gone(shop: Shop) -> None:
    shop.answers.set()
    with pytest.raises(SourceUnavailableError):
        load_each(cast(Adapter, shop), ["1", "gone"])
    assert shop.asked == [["1", "gone"]]
