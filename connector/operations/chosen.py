"""What a check-up is about: everything, or some accounts and sources with what belongs to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from connector.bootstrap import Services
from connector.operations.preflight import accounts_of


@dataclass(frozen=True, slots=True)
class Chosen:
    """Names of the configuration, in its order."""

    accounts: Sequence[str]
    sources: Sequence[str]


def chosen(services: Services, accounts: Collection[str] = (), sources: Collection[str] = ()) -> Chosen:
    """Return what is meant: with accounts their sources, with sources their accounts, with both these alone.

    Where nothing is named, all of the configuration is meant.

    Raises:
        UsageError: there is no such account or source.
    """
    for name in accounts:
        services.account_settings(name)
    for name in sources:
        services.source_settings(name)
    settings = services.settings
    if not accounts and not sources:
        return Chosen([*settings.accounts], [*settings.sources])
    issuers = set(accounts or accounts_of(services, [*sources]))
    erps = set(sources or (source for name in accounts for source in services.sources_of(name)))
    return Chosen([*filter(issuers.__contains__, settings.accounts)], [*filter(erps.__contains__, settings.sources)])
