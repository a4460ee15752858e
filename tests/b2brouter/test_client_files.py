"""Files of an invoice: fetched as they are, from the configured host and from nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from connector.b2brouter.client import B2BrouterClient
from connector.b2brouter.transport import Transport
from connector.domain.archive import Piece
from connector.domain.errors import NotSentError, RefusedError
from tests.b2brouter.raw_server import Behaviour, RawServer, answer

KEY = "prod_canary_0123456789"
MISSING = answer(404, b'{"error":{"code":"resource_missing","message":"not found"}}')
FILE = answer(200, b"%PDF-1.4 \xff\x00", Content_Type="application/pdf")


@contextmanager
def client(*behaviours: Behaviour) -> Iterator[tuple[B2BrouterClient, RawServer]]:
    with RawServer(*behaviours) as server:
        transport = Transport(server.base_url, KEY, "2026-03-02", timeout=5, sleep=lambda seconds: None)
        yield (
            B2BrouterClient(account_id="1", environment="staging", transport=transport, api_version="2026-03-02"),
            server,
        )
        transport.close()


def paths(server: RawServer) -> list[str]:
    return [request.split(b" ")[1].decode() for request in server.requests]


@pytest.mark.parametrize(
    ("piece", "path"),
    [
        (Piece.PDF, "/invoices/7/as/pdf.invoice"),
        (Piece.LEGAL, "/invoices/7/as/legal"),
        (Piece.ORIGINAL, "/invoices/7/as/original"),
    ],
)
def test_a_file_comes_byte_by_byte(piece: Piece, path: str) -> None:
    with client(FILE) as (remote, server):
        assert remote.read_file("7", piece) == b"%PDF-1.4 \xff\x00"

    assert paths(server) == [path]
    assert b"accept: */*" in server.requests[0].lower()


@pytest.mark.parametrize("status", [404, 422])
@pytest.mark.parametrize("body", [b'{"error":{"code":"resource_missing"}}', b"", b"<html>not found</html>"])
def test_a_file_that_is_not_there_yet_is_nothing(status: int, body: bytes) -> None:
    with client(answer(status, body)) as (remote, server):
        assert remote.read_file("7", Piece.PDF) is None

    assert len(server.requests) == 1


NOT_READY = (
    answer(202, b'{"status":"processing"}'),
    answer(202, b"%PDF-1.4 half of it"),
    answer(204, b""),
    answer(200, b""),
    answer(200, b" \r\n"),
    answer(200, b"<!DOCTYPE html><title>One moment</title>", Content_Type="text/html"),
    answer(200, b"\xef\xbb\xbf\n<HTML><body>One moment</body></HTML>"),
)


@pytest.mark.parametrize("said", NOT_READY)
@pytest.mark.parametrize("piece", Piece)
def test_what_is_no_file_yet_is_nothing(piece: Piece, said: Behaviour) -> None:
    with client(said, answer(200, b'{"invoice":{"id":7}}')) as (remote, _):
        assert remote.read_file("7", piece) is None


@pytest.mark.parametrize("said", NOT_READY)
def test_a_document_whose_original_cannot_be_told_is_not_one_without(said: Behaviour) -> None:
    with client(said) as (remote, _), pytest.raises(NotSentError, match="remote_unavailable"):
        remote.read_original("7")


@pytest.mark.parametrize(
    ("piece", "content"),
    [
        (Piece.PDF, b"\xef\xbb\xbf\r\n%PDF-1.7"),
        (Piece.LEGAL, b'<?xml version="1.0"?><Invoice/>'),
        (Piece.LEGAL, b'{"invoice":"as the law wants it"}'),
        (Piece.LEGAL, b"PK\x03\x04"),
    ],
)
def test_a_file_is_known_by_how_it_begins(piece: Piece, content: bytes) -> None:
    with client(answer(200, content)) as (remote, _):
        assert remote.read_file("7", piece) == content


@pytest.mark.parametrize("content", [b'{"status":"processing"}', b"<?xml version='1.0'?><error/>"])
def test_a_pdf_begins_as_one(content: bytes) -> None:
    with client(answer(200, content)) as (remote, _):
        assert remote.read_file("7", Piece.PDF) is None


def test_a_server_that_fails_is_not_taken_for_a_file_that_is_not_there() -> None:
    with client(*[answer(503)] * 3) as (remote, _), pytest.raises(NotSentError, match="remote_unavailable"):
        remote.read_file("7", Piece.PDF)


def invoice_naming(address: str) -> Behaviour:
    return answer(200, f'{{"invoice":{{"id":7,"download_legal_url":"{address}"}}}}'.encode())


def test_the_legal_file_is_also_looked_for_where_the_invoice_says() -> None:
    with client(MISSING, invoice_naming("/attachments/download/9?v=1"), FILE) as (remote, server):
        assert remote.read_file("7", Piece.LEGAL) == b"%PDF-1.4 \xff\x00"

    assert paths(server) == [
        "/invoices/7/as/legal",
        "/invoices/7?include=buyer",
        "/attachments/download/9?v=1",
    ]


def test_an_invoice_that_names_no_file_has_none_yet() -> None:
    with client(MISSING, answer(200, b'{"invoice":{"id":7,"download_legal_url":null}}')) as (remote, _):
        assert remote.read_file("7", Piece.LEGAL) is None


ELSEWHERE = (
    "https://evil.example/file",
    "//evil.example/file",
    "http://127.0.0.1:1/file",
    "https://127.0.0.1/file",
    "http://user@127.0.0.1/file",
    "file:///etc/passwd",
    "http://[broken",
)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_an_address_on_another_host_is_refused_and_never_contacted(address: str) -> None:
    with (
        client(MISSING, invoice_naming(address)) as (remote, server),
        pytest.raises(RefusedError, match="download_elsewhere") as caught,
    ):
        remote.read_file("7", Piece.LEGAL)

    assert len(server.requests) == 2
    assert caught.value.details["reference"] == "7"
    assert "host" in caught.value.details


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_redirect_to_another_host_is_refused_and_never_followed(status: int, address: str) -> None:
    with (
        RawServer(FILE) as other,
        client(answer(status, b"", Location=address.replace(":1/", f":{other.port}/"))) as (remote, _),
        pytest.raises(RefusedError, match="download_elsewhere"),
    ):
        remote.read_file("7", Piece.PDF)

    assert other.requests == []


def test_a_redirect_within_the_host_is_followed() -> None:
    with client(answer(302, b"", Location="/files/9.pdf?token=x"), FILE) as (remote, server):
        assert remote.read_file("7", Piece.PDF) == b"%PDF-1.4 \xff\x00"

    assert paths(server) == ["/invoices/7/as/pdf.invoice", "/files/9.pdf?token=x"]


def test_redirects_in_a_circle_come_to_an_end() -> None:
    circle = [answer(302, b"", Location="/invoices/7/as/pdf.invoice")] * 10
    with client(*circle) as (remote, server), pytest.raises(NotSentError):
        remote.read_file("7", Piece.PDF)

    assert len(server.requests) == 4
