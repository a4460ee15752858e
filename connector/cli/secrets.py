"""Which values of a configuration nobody may see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from config.settings import Settings
from connector.domain.errors import UsageError

_SECRET_PARAMETERS = ("password", "passwd", "pwd", "token", "secret")


def secrets_of(settings: Settings) -> Iterator[str]:
    """Yield keys, signing secrets, and the passwords inside URLs; files that cannot be read have none."""
    for account in settings.accounts.values():
        yield from _plain(account.webhook_secret)
        yield from _readable(account.key)
    asks: list[Callable[[], str | None]] = [settings.ledger.address, settings.broker.address]
    asks += [source.address for source in settings.sources.values()]
    for ask in asks:
        for address in _readable(ask):
            yield from passwords_of(address)


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


def _readable(ask: Callable[[], str | None]) -> Iterator[str]:
    try:
        value = ask()
    except UsageError:
        return
    if value:
        yield value
