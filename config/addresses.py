"""What of an address nobody may see, and whether that can be told from the rest of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

from connector.domain.errors import UsageError

_WITH_HOSTS = ("http", "https", "json", "jsons", "mailto", "mailtos")
"""Schemes of addresses that begin with the name of a server; in others a token may stand there."""

_SECRET_PARAMETERS = ("password", "passwd", "pwd", "token", "secret")

_BEFORE_THE_HOST = (
    re.compile(r"://[^:/?#]*:([^/?#]*)@"),
    re.compile(r"://[^:/]*:([^@]*)@"),
    re.compile(r"://[^:/]*:(.*)@", re.DOTALL),
)
"""Where passwords stand for those who take the last @ before a host, for SQLAlchemy, which takes the first, and where
they stand at most."""

_PARAMETER = re.compile(r"[?&]([^=&]+)=([^&]*)")


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


def clear(name: str, url: str, *, separators: str = "") -> str:
    """Return a URL that can be taken apart in one way only.

    Elsewhere a driver would take the end of a password for its host, and tell it in its errors.

    Args:
        name: of the setting.
        url: of a database or a broker.
        separators: what else whoever opens it takes for the end of something.

    Raises:
        UsageError: a letter of its password may mean something else there.
    """
    authority, *others = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)
    stray = authority.count("@") > 1 or any("@" in other for other in others)
    if (authority and stray) or any(each in url for each in separators):
        raise UsageError(
            f"{name} does not show where its password ends.",
            action="In users, passwords and parameters write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23,"
            " ; as %3B and % as %25.",
        )
    return url


def passwords_of(url: str) -> Iterator[str]:
    """Yield the passwords of a URL, as they stand there and decoded; also of one that nobody could open."""
    written = {found[1] for form in _BEFORE_THE_HOST if (found := form.search(url))}
    written |= {unquote(password) for password in written}
    for name, value in _PARAMETER.findall(url):
        if any(word in name.lower() for word in _SECRET_PARAMETERS):
            whole = {value, value.partition("#")[0]}
            written |= whole | {unquote_plus(password) for password in whole}
    yield from filter(None, written)
