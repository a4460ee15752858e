"""Lists with many pages, and lists that lie: absent is only what a whole list does not show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from connector.b2brouter.client import B2BrouterClient
from connector.b2brouter.transport import Transport
from connector.domain.errors import NotSentError, OutcomeUnknownError, RefusedError
from tests.b2brouter.raw_server import Behaviour, RawServer, answer
from tests.b2brouter.samples import invoice, payload


class Lists:
    """A client whose server answers what it is told."""

    def __init__(self) -> None:
        self._server: RawServer | None = None
        self._transport: Transport | None = None

    def client(self, *behaviours: Behaviour, account_id: str = "1") -> B2BrouterClient:
        self._server = RawServer(*behaviours).__enter__()
        self._transport = Transport(self._server.base_url, "test_key", "2026-03-02", sleep=lambda _: None)
        return B2BrouterClient(
            account_id=account_id,
            environment="simulator",
            transport=self._transport,
            api_version="2026-03-02",
        )

    @property
    def asked(self) -> list[dict[str, str]]:
        """The query of each request."""
        assert self._server is not None
        targets = [request.split(b" ")[1].decode() for request in self._server.requests]
        return [{name: values[0] for name, values in parse_qs(urlsplit(target).query).items()} for target in targets]

    @property
    def paths(self) -> list[str]:
        assert self._server is not None
        return [request.split(b"?")[0].split(b" ")[1].decode() for request in self._server.requests]

    def close(self) -> None:
        if self._transport and self._server:
            self._transport.close()
            self._server.__exit__()


@pytest.fixture
def lists() -> Iterator[Lists]:
    made = Lists()
    yield made
    made.close()


def page(ids: list[int], limit: int | None = 3, *, number: str = "F-1", **more: Any) -> Behaviour:
    rows = [{"id": each, "number": number, "date": "2026-01-21", "integration_code": "a"} for each in ids]
    body: dict[str, Any] = {"invoices": rows, "contacts": rows, **more}
    if limit is not None:
        body["meta"] = {"total_count": 1, "offset": 0, "limit": limit}
    return answer(200, json.dumps(body).encode())


def test_pages_are_read_until_one_is_shorter_than_the_size_that_it_names(lists: Lists) -> None:
    client = lists.client(page([1, 2, 3]), page([4, 5, 6]), page([7]))
    assert [row.id for row in client.find_invoices("F-1")] == ["1", "2", "3", "4", "5", "6", "7"]
    assert lists.asked == [
        {"type": "IssuedInvoice", "number": "F-1", "limit": "500", "offset": offset} for offset in "036"
    ]


def test_rows_that_shift_into_the_next_page_are_counted_once(lists: Lists) -> None:
    client = lists.client(page([3, 2, 1]), page([1, 0]))
    assert [row.id for row in client.find_invoices("F-1")] == ["3", "2", "1", "0"]


def test_a_last_page_of_nothing_but_shifted_rows_ends_the_list(lists: Lists) -> None:
    client = lists.client(page([3, 2, 1]), page([1]))
    assert [row.id for row in client.find_invoices("F-1")] == ["3", "2", "1"]


def test_a_server_that_names_no_size_is_asked_until_nothing_comes(lists: Lists) -> None:
    client = lists.client(page([1, 2], None), page([3], None), page([], None))
    assert len(client.find_invoices("F-1")) == 3


def test_contacts_are_paged_alike(lists: Lists) -> None:
    client = lists.client(page([1, 2, 3]), page([]))
    assert len(client.find_contacts(integration_code="a", text="b")) == 3
    assert lists.asked[1] == {"integration_code": "a", "name": "b", "limit": "500", "offset": "3"}


def test_contacts_without_our_code_are_not_ours_even_if_the_filter_was_ignored(lists: Lists) -> None:
    client = lists.client(page([1, 2]))
    assert client.find_contacts(integration_code="other") == []


def test_documents_of_another_year_are_left_out_even_if_the_filter_was_ignored(lists: Lists) -> None:
    client = lists.client(page([1]), page([1]))
    assert client.find_invoices("F-1", issued_on=date(2025, 12, 31)) == []
    assert len(client.find_invoices("F-1", issued_on=date(2026, 12, 31))) == 1


def test_a_year_is_asked_for_with_some_days_around_it_lest_the_server_leaves_out_its_ends(lists: Lists) -> None:
    lists.client(page([])).find_invoices("F-1", issued_on=date(2025, 12, 31))
    assert (lists.asked[0]["date_from"], lists.asked[0]["date_to"]) == ("2024-12-25", "2026-01-07")


def test_a_list_that_repeats_itself_is_not_whole(lists: Lists) -> None:
    client = lists.client(page([1, 2, 3]), page([1, 2, 3]))
    with pytest.raises(NotSentError) as caught:
        client.find_invoices("F-1")
    assert caught.value.details["message"] == "the list of invoices has no end"


def flat(ids: list[int], **more: int) -> Behaviour:
    return answer(200, json.dumps({"invoices": [{"id": each, "number": "F-1"} for each in ids], **more}).encode())


def test_a_server_that_knows_no_pages_gives_all_at_once_and_the_same_again(lists: Lists) -> None:
    client = lists.client(flat([1, 2], total_count=2), flat([1, 2], total_count=2))
    assert [row.id for row in client.find_invoices("F-1")] == ["1", "2"]


def test_so_it_does_where_states_are_looked_at(lists: Lists) -> None:
    client = lists.client(flat([1, 2], total_count=2), flat([1, 2], total_count=2))
    assert [len(rows) for rows in client.changed_invoices(date(2026, 1, 1))] == [2]


@pytest.mark.parametrize("more", [{}, {"total_count": 3}, {"total_count": 3, "limit": 500}])
def test_a_page_that_comes_again_ends_no_list_that_is_longer_or_may_be(lists: Lists, more: dict[str, int]) -> None:
    client = lists.client(flat([1, 2], **more), flat([1, 2], **more))
    with pytest.raises(NotSentError):
        client.find_invoices("F-1")


def test_a_short_page_is_not_the_last_of_a_list_that_is_said_to_be_longer(lists: Lists) -> None:
    more = {"total_count": 3, "limit": 500}
    client = lists.client(flat([1, 2], **more), flat([3], **more))
    assert [row.id for row in client.find_invoices("F-1")] == ["1", "2", "3"]


def test_a_list_that_is_said_to_be_longer_than_it_is_ends_with_an_empty_page(lists: Lists) -> None:
    more = {"total_count": 7, "limit": 500}
    client = lists.client(flat([1, 2], **more), flat([], **more))
    assert len(client.find_invoices("F-1")) == 2


@pytest.mark.parametrize("round_", [2, 3, 7])
def test_a_list_that_goes_in_circles_is_given_up(lists: Lists, round_: int) -> None:
    pages = [page([each], None) for each in range(1, round_ + 1)]
    client = lists.client(page([100], None), *pages * 8)
    with pytest.raises(NotSentError) as caught:
        client.find_invoices("F-1")
    assert caught.value.details["message"] == "the list of invoices has no end"
    assert len(lists.asked) < 4 * round_ + 4


def test_a_list_may_have_any_number_of_pages(lists: Lists) -> None:
    client = lists.client(*(page([each], None) for each in range(1, 302)), page([], None))
    assert len(client.find_invoices("F-1")) == 301


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"invoices": null}',
        b'{"invoices": [7]}',
        b'{"invoices": [{"number": "F-1"}]}',
        b"<html>",
    ],
)
def test_a_list_that_cannot_be_read_is_never_empty(lists: Lists, content: bytes) -> None:
    client = lists.client(*[answer(200, content)] * 3)
    with pytest.raises(NotSentError) as caught:
        client.find_invoices("F-1")
    assert (caught.value.reason, caught.value.details["code"]) == ("remote_unavailable", "unreadable")


def test_an_unreadable_later_page_spoils_the_whole_list(lists: Lists) -> None:
    client = lists.client(page([1, 2, 3]), *[answer(200, b"{}")] * 3)
    with pytest.raises(NotSentError):
        client.find_invoices("F-1")


@pytest.mark.parametrize(("given", "path"), [("a/../b", "/accounts/a%2F..%2Fb"), ("ñ 1", "/accounts/%C3%B1%201")])
def test_an_identifier_stays_one_piece_of_the_path(lists: Lists, given: str, path: str) -> None:
    client = lists.client(answer(200, b'{"id": 1}'), account_id=given)
    client.read_account()
    assert lists.paths == [path]


@pytest.mark.parametrize("reference", ["", ".", ".."])
def test_an_empty_reference_is_a_bug_and_not_a_call(lists: Lists, reference: str) -> None:
    client = lists.client()
    for call in (client.read_invoice, client.send_invoice, client.delete_invoice):
        with pytest.raises(ValueError, match="no identifier"):
            call(reference)
    assert lists.paths == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"invoice": {"number": "INV-0001"}}',
        b'{"invoice": {"id": 7}}',
        b'{"id": 7, "number": null}',
    ],
)
def test_a_create_counts_only_with_id_and_number(lists: Lists, content: bytes) -> None:
    client = lists.client(answer(201, content))
    with pytest.raises(OutcomeUnknownError):
        client.create_invoice(payload(invoice()))


def test_what_is_shown_as_deleted_is_not_there(lists: Lists) -> None:
    """B2Brouter may keep it, and say so (API reference 7.6)."""
    gone = b'{"id": 7, "number": "F-1", "deleted": true}'
    listed = b'{"invoices": [%b, {"id": 8, "number": "F-1"}], "meta": {"limit": 500}}' % gone
    client = lists.client(answer(200, gone), answer(200, gone), answer(200, listed), answer(200, listed))
    assert client.read_invoice("7") is None
    assert client.read_news("7") is None
    assert [row.id for row in client.find_invoices("F-1")] == ["8"]
    assert [row.id for rows in client.issued_invoices(None, None) for row in rows] == ["8"]


def test_a_read_that_was_refused_is_not_taken_for_absent(lists: Lists) -> None:
    client = lists.client(answer(400))
    with pytest.raises(RefusedError):
        client.read_invoice("7")


def test_an_update_may_be_answered_with_nothing(lists: Lists) -> None:
    client = lists.client(answer(204, b""))
    assert client.update_contact("77", b"{}").id == "77"


def test_a_send_may_be_answered_with_nothing_but_not_with_a_page(lists: Lists) -> None:
    client = lists.client(answer(204, b""), answer(200, b"<html>welcome</html>"))
    assert client.send_invoice("7") is None
    with pytest.raises(OutcomeUnknownError):
        client.send_invoice("7")


@pytest.mark.parametrize("body", [b"", b"OK", b"<html>OK</html>", b'{"invoice": '])
def test_whether_a_marker_was_set_is_told_by_the_status_alone(lists: Lists, body: bytes) -> None:
    client = lists.client(answer(200, body), answer(200, body))
    client.acknowledge("7")
    client.mark_as("7", "closed")
    assert lists.paths == ["/invoices/7/ack", "/invoices/7/mark_as"]


@pytest.mark.parametrize("body", [b"OK", b"<html>welcome</html>"])
def test_a_page_does_not_say_that_a_file_was_attached_or_a_document_deleted(lists: Lists, body: bytes) -> None:
    client = lists.client(answer(200, body), answer(200, body))
    with pytest.raises(OutcomeUnknownError):
        client.add_attachment("7", "a.pdf", b"%PDF")
    with pytest.raises(OutcomeUnknownError):
        client.delete_invoice("7")


ODD = {"total": "a lot", "subtotal": [], "date": "the day before", "taxes": [{"percent": "none", "amount": 1}]}


def listed(*rows: dict[str, Any]) -> Behaviour:
    """A last page of these rows."""
    return answer(200, json.dumps({"invoices": rows, "meta": {"limit": 500}}).encode())


def test_figures_that_cannot_be_read_hide_no_state_from_whoever_follows(lists: Lists) -> None:
    rows = [{"id": 1, "state": "sent"}, {"id": 2, "state": "refused", **ODD}]
    client = lists.client(listed(*rows), answer(200, json.dumps({"invoice": rows[1]}).encode()))

    [page] = client.changed_invoices(date(2026, 1, 1))
    assert [(row.id, row.state) for row in page] == [("1", "sent"), ("2", "refused")]
    again = client.read_news("2")
    assert again is not None
    assert (again.id, again.state) == ("2", "refused")


def test_whoever_looks_up_or_compares_is_not_given_them(lists: Lists) -> None:
    client = lists.client(*[listed({"id": 2, "number": "F-1", "state": "sent", **ODD})] * 9)
    with pytest.raises(NotSentError):
        client.find_invoices("F-1")
    with pytest.raises(NotSentError):
        list(client.issued_invoices(None, None))


def test_what_is_wrong_with_a_document_of_another_number_hides_not_ours(lists: Lists) -> None:
    client = lists.client(listed({"id": 2, "number": "F-10", **ODD}, {"id": 1, "number": "F-1", "total": 121}))
    assert [row.id for row in client.find_invoices("F-1")] == ["1"]


def test_a_row_without_id_may_be_any_document(lists: Lists) -> None:
    client = lists.client(*[listed({"state": "refused"})] * 9)
    with pytest.raises(NotSentError):
        list(client.changed_invoices(date(2026, 1, 1)))
