"""How a message gets to an address: through Apprise. Addresses are secrets, and Apprise's log would show them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from connector.notify.texts import Message

if TYPE_CHECKING:
    from apprise import Apprise

log = logging.getLogger(__name__)

_TALKATIVE: Final = ("apprise", "requests", "urllib3")


def usable(address: str) -> bool:
    """Return whether an address is one that Apprise knows how to reach; nobody is asked."""
    return _service(address) is not None


def send(address: str, message: Message) -> bool:
    """Send a message; return whether the service at the address took it."""
    service = _service(address)
    if service is None:
        return False
    from apprise import NotifyFormat

    try:
        return bool(service.notify(title=message.subject, body=message.text, body_format=NotifyFormat.TEXT))
    except Exception as error:  # noqa: BLE001  # one of a hundred plugins: none may cost the message
        log.warning(
            "a notification could not be handed over: %s", type(error).__name__
        )  # its text may be the address
        return False


def _service(address: str) -> Apprise | None:
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    import apprise  # slow to import, and needed only when there is something to tell

    asset = apprise.AppriseAsset(app_id="B2Brouter connector", app_desc="B2Brouter connector", async_mode=False)
    service = apprise.Apprise(asset=asset)
    return service if service.add(address) else None
