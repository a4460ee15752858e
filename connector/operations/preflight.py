"""What can be known to be wrong without talking to anybody is said before anything begins."""

from __future__ import annotations

from collections.abc import Sequence

from config.settings import Settings, reject_foreign_key
from connector.bootstrap import Services
from connector.domain.errors import UsageError


def check_configuration(services: Services, sources: Sequence[str]) -> None:
    """Read the options of the sources, and the keys of the accounts that they lead to.

    Raises:
        UsageError: an adapter, an option, a URL or a key cannot be used.
    """
    for name in sources:
        services.adapter(name)
    for account in accounts_of(services, sources):
        check_account(services.settings, account)


def accounts_of(services: Services, sources: Sequence[str]) -> Sequence[str]:
    """Return the accounts that issue for these sources."""
    wanted = set(sources)
    return [name for name in services.settings.accounts if wanted & set(services.sources_of(name))]


def check_account(settings: Settings, account: str) -> None:
    """See that the key of an account can be read and is for this environment.

    A command that tells it is asked when the key is needed: to ask for all of many accounts would take long.

    Raises:
        UsageError: it is not.
    """
    if settings.accounts[account].api_key_command is not None:
        return
    try:
        reject_foreign_key(account, settings.accounts[account].key(), settings.b2brouter.environment)
    except ValueError as error:
        raise UsageError(f"{error}.", action="Use the key of that environment.") from None
