"""What of an address nobody may see."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

_WITH_HOSTS = ("http", "https", "json", "jsons", "mailto", "mailtos")
"""Schemes of addresses that begin with the name of a server; in others a token may stand there."""

_SECRET_PARAMETERS = ("password", "passwd", "pwd", "token", "secret")


def parts_of(address: str) -> Iterator[str]:
    """Yield an address of which all is secret, and its parts that could be told alone: tokens stand anywhere."""
    yield address
    yield from passwords_of(address)
    try:
        parts = urlsplit(address)
    except ValueError:
        return
    yield parts.path
    yield from filter(None, parts.path.split("/"))
    yield from (value for _, value in parse_qsl(parts.query))
    if parts.scheme not in _WITH_HOSTS:
        yield parts.netloc


def passwords_of(url: str) -> Iterator[str]:
    """Yield the passwords of a URL, as they stand there and decoded."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)
    for name, value in parse_qsl(parts.query):
        if any(word in name.lower() for word in _SECRET_PARAMETERS):
            yield value
