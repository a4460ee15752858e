"""The web application on its port, in a thread of its own."""

from __future__ import annotations

import logging
import socket
from ipaddress import ip_address
from threading import Event, Thread
from typing import TYPE_CHECKING, Final, Self

from connector.domain.errors import OutsideError, UsageError

if TYPE_CHECKING:
    import uvicorn

    from connector.bootstrap import Services

log = logging.getLogger(__name__)

_BACKLOG: Final = 128
"""Connections that the system holds until they are taken, and that are taken at one go: files for a moment."""

_PORT_PAUSE: Final = 5.0
"""Seconds between looks whether a port that was taken is free."""
_GLANCE: Final = 0.5
"""Seconds between looks whether the web still answers."""

_GRACE: Final = 5
"""Seconds that requests under way have when the process ends."""


class WebServer:
    """Binds at once, so that a taken port is known before anything else begins; serves from `start` on."""

    def __init__(self, services: Services) -> None:
        """Bind the port of the settings.

        Raises:
            OutsideError: the port is taken, or the address is none of this machine.
            UsageError: other machines could reach it, and nobody could sign in yet.
        """
        self._services = services
        _refuse_strangers(services)
        self._socket = _bind(services.settings.web.host, services.settings.web.port)
        self._ending = Event()
        self._server: uvicorn.Server | None = None
        self._thread = Thread(target=self._serve, name="web", daemon=True)

    @property
    def address(self) -> str:
        """Where it answers."""
        host, port = self._socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self) -> Self:
        """Serve; requests that come before the application is ready wait for it."""
        self._thread.start()
        log.info("the web answers at %s", self.address)
        return self

    @property
    def is_serving(self) -> bool:
        """Whether it still does; it ends by itself only when something is wrong with it."""
        return self._thread.is_alive()

    def begin_to_stop(self) -> None:
        """Take no further request."""
        self._ending.set()
        if self._server is not None:
            self._server.should_exit = True

    def stop(self) -> None:
        """Finish the requests under way and give the port back."""
        self.begin_to_stop()
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * _GRACE)
        self._socket.close()

    def _serve(self) -> None:
        # The web framework takes longer to import than the rest to start: the work need not wait for it.
        try:
            import uvicorn

            from connector.web.app import make_app
            from connector.web.connections import Connection, seldom_refused

            logging.getLogger("asyncio").addFilter(seldom_refused)
            self._server = uvicorn.Server(
                uvicorn.Config(
                    make_app(self._services),
                    http=Connection,
                    backlog=_BACKLOG,
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,  # addresses may hold what is nobody's business
                    proxy_headers=False,
                    server_header=False,
                    timeout_keep_alive=30,
                    timeout_graceful_shutdown=_GRACE,
                )
            )
            if not self._ending.is_set():
                self._server.run(sockets=[self._socket])
        except Exception:
            log.exception("the web does not answer any more: unexpected error")
        except SystemExit as error:  # of which a thread says nothing
            log.error("the web does not answer any more: it ended with status %s", error.code)


class PatientWeb:
    """The web of a process that has more important things to do: where the port is taken, it waits for it.

    Two daemons with one configuration both work; whoever has the port answers, and the other takes over after it.
    Where it ended by itself it begins anew.
    """

    def __init__(self, services: Services) -> None:
        """Prepare; nothing is bound yet."""
        self._services = services
        self._ending = Event()
        self._thread = Thread(target=self._serve, name="web-port", daemon=True)

    def start(self) -> None:
        """Serve as soon as the port is free."""
        self._thread.start()

    def begin_to_stop(self) -> None:
        """Take no further request, or wait no longer for the port."""
        self._ending.set()

    def stop(self) -> None:
        """Finish the requests under way and give the port back."""
        self.begin_to_stop()
        if self._thread.ident is not None:
            self._thread.join(timeout=3 * _GRACE)

    def _serve(self) -> None:
        while (web := self._bound()) is not None:
            web.start()
            while web.is_serving and not self._ending.wait(_GLANCE):
                pass
            web.stop()  # gives the port back also where it has ended by itself
            if not self._ending.is_set():
                log.error("the web has ended by itself, and begins anew")
                self._ending.wait(_PORT_PAUSE)

    def _bound(self) -> WebServer | None:
        told = False
        while not self._ending.is_set():
            try:
                return WebServer(self._services)
            except (OutsideError, UsageError) as error:
                if not told:
                    log.warning("%s The invoices go on without it, and it is tried again.", error.message)
                told = True
                self._ending.wait(_PORT_PAUSE)
        return None


def _refuse_strangers(services: Services) -> None:
    """What other machines can reach begins with its users, not with whoever comes first."""
    host = services.settings.web.host
    if not _is_loopback(host) and not services.settings.oidc.on and not services.ledger.people.has_users():
        raise UsageError(
            f"The web would listen on {host}, where other machines reach it, and nobody could sign in yet.",
            action="Add a user first: connector users add NAME --role operator; or listen on 127.0.0.1.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise OutsideError(
            f"The web cannot listen on {host}:{port}: {error.strerror or error}.",
            action="Choose another host or port in [web], or end what uses it.",
        ) from None
    return listening
