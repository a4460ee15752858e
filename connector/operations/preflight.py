"""What can be known to be wrong without talking to anybody is said before anything begins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from config.settings import Settings, reject_foreign_key
from connector.b2brouter.keys import sendable
from connector.bootstrap import Services
from connector.domain.errors import UsageError
from connector.domain.wording import sentences

log = logging.getLogger(__name__)


def check_configuration(services: Services, sources: Sequence[str]) -> None:
    """Read the options of the sources, and the keys of the accounts that they lead to.

    Raises:
        UsageError: an adapter, an option, a URL or a key cannot be used.
    """
    for name in sources:
        services.adapter(name)
    for account in accounts_of(services, sources):
        check_account(services.settings, account)


def check_what_works(services: Services, sources: Sequence[str]) -> None:
    """Do the same for a daemon, which works with what can be used: a key that is lost stops no other account.

    What cannot be used is logged. Its account is paused as soon as there is work for it; of a source that is not
    looked into there is an alarm (`no_look`).

    Raises:
        UsageError: no source or no account can be used.
    """
    accounts = accounts_of(services, sources)
    faults = [
        *_faults(services.adapter, sources),
        *_faults(lambda account: check_account(services.settings, account), accounts),
    ]
    for fault in faults:
        log.error("%s Everything else goes on without it.", sentences(fault.message, fault.action))


def _faults(see: Callable[[str], Any], names: Sequence[str]) -> Sequence[UsageError]:
    """Return what is wrong with some.

    Raises:
        UsageError: something is wrong with all of them.
    """
    faults = list(_each_fault(see, names))
    if faults and len(faults) == len(names):
        raise faults[0]
    return faults


def _each_fault(see: Callable[[str], Any], names: Iterable[str]) -> Iterator[UsageError]:
    for name in names:
        try:
            see(name)
        except UsageError as fault:
            yield fault


def accounts_of(services: Services, sources: Sequence[str]) -> Sequence[str]:
    """Return the accounts that issue for these sources."""
    wanted = set(sources)
    return [name for name in services.settings.accounts if wanted & set(services.sources_of(name))]


def check_account(settings: Settings, account: str) -> None:
    """See that the key of an account can be read and sent, and is for this environment.

    A command that tells it is asked when the key is needed: to ask for all of many accounts would take long.

    Raises:
        UsageError: it is not.
    """
    if settings.accounts[account].api_key_command is not None:
        return
    key = settings.accounts[account].key()
    try:
        reject_foreign_key(account, key, settings.b2brouter.environment)
        sendable(key)
    except ValueError as error:
        raise UsageError(f"{error}.", action="Use the key of that environment.") from None
    except UsageError as error:
        raise UsageError(f"accounts.{account}: {error.message}", action=error.action) from None
