"""Which values of a configuration nobody may see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from config.addresses import parts_of, passwords_of
from config.secrets import secret_options
from config.sections.broker import BrokerSettings
from config.sections.ledger import LedgerSettings
from config.sections.section import Section
from config.sections.sources import SourceSettings
from config.settings import Settings
from connector.domain.errors import UsageError


def secrets_of(settings: Settings) -> Iterator[str]:
    """Yield keys, signing secrets, and the passwords inside URLs; what cannot be read has none.

    What commands tell is left out: none is run for the sake of a message, and what has been told is known already.
    """
    for account in settings.accounts.values():
        yield from _readable(account, "webhook_secret", account.webhook_secrets)
        yield from _readable(account, "api_key", partial(_parts, _whole, account.key))
    for source in settings.sources.values():
        yield from _readable(source, "", partial(_told_options, source.opened_options))
    yield from _readable(settings.archive, "", partial(_told_options, settings.archive.opened_options))
    urls: list[LedgerSettings | BrokerSettings | SourceSettings] = [settings.ledger, settings.broker]
    for placed in [*urls, *settings.sources.values()]:
        yield from _readable(placed, "url", partial(_parts, passwords_of, placed.address))
    for recipient in settings.notifications.recipients.values():
        yield from _readable(recipient, "address", partial(_parts, parts_of, recipient.where))
    yield from _readable(settings.oidc, "client_secret", partial(_parts, _whole, settings.oidc.secret))
    general = settings.notifications
    yield from _readable(general, "heartbeat_url", partial(_parts, parts_of, general.heartbeat))


def _whole(text: str) -> Iterable[str]:
    return [text]


def _parts(of: Callable[[str], Iterable[str]], ask: Callable[[], str | None]) -> Iterable[str]:
    return of(ask() or "")


def _told_options(options: Callable[[], dict[str, Any]]) -> Iterable[str]:
    return secret_options(options())


def _readable(section: Section, name: str, ask: Callable[[], Iterable[str]]) -> Iterator[str]:
    if getattr(section, f"{name}_command", None) is not None:
        return
    try:
        yield from filter(None, ask())
    except UsageError:
        return
