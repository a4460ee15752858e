"""Which values of a configuration nobody may see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from config.sections import AccountSettings
from config.settings import Settings
from connector.domain.errors import UsageError

_WITH_HOSTS = ("http", "https", "json", "jsons", "mailto", "mailtos")
"""Schemes of addresses that begin with the name of a server; in others a token may stand there."""

_SECRET_PARAMETERS = ("password", "passwd", "pwd", "token", "secret")
_SECRET_OPTIONS = ("api_key", "password", "token", "secret")
"""Names under which adapters take secrets in their options."""


def secrets_of(settings: Settings) -> Iterator[str]:
    """Yield keys, signing secrets, and the passwords inside URLs; files that cannot be read have none."""
    for account in settings.accounts.values():
        yield from _plain(account.webhook_secret_before)
        yield from _signing(account)
        yield from _readable(account.key)
    for source in settings.sources.values():
        yield from (str(value) for name, value in source.options.items() if value and name in _SECRET_OPTIONS)
    asks: list[Callable[[], str | None]] = [settings.ledger.address, settings.broker.address]
    asks += [source.address for source in settings.sources.values()]
    for ask in asks:
        for address in _readable(ask):
            yield from passwords_of(address)
    for recipient in settings.notifications.recipients.values():
        for address in _readable(recipient.where):
            yield from parts_of(address)
    for url in _readable(settings.notifications.heartbeat):
        yield from parts_of(url)


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


def _plain(secret: SecretStr | None) -> Iterator[str]:
    if secret is not None:
        yield secret.get_secret_value()


def _signing(account: AccountSettings) -> Sequence[str]:
    try:
        return account.webhook_secrets()
    except UsageError:
        return []


def _readable(ask: Callable[[], str | None]) -> Iterator[str]:
    try:
        value = ask()
    except UsageError:
        return
    if value:
        yield value
