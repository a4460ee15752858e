"""The simulator as a server: in a thread for tests, or in the foreground for the command line."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self, cast

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from connector.simulator import control, page, restore
from connector.simulator.app import ApiApp
from connector.simulator.clock import Clock
from connector.simulator.connection import TRANSPORT
from connector.simulator.journal import Entry
from connector.simulator.rate import RateLimit
from connector.simulator.seeds import DEFAULT_KEY, plant_defaults
from connector.simulator.storage import Storage
from connector.simulator.switches import Switches
from connector.simulator.webhooks import Postman
from connector.simulator.world import World

_TICK: Final = 0.02  # seconds between two looks at what is due
_START_LIMIT: Final = 10.0
_STOP_LIMIT: Final = 10.0
_KEEP_ALIVE: Final = 75  # seconds that an idle connection stays open
_BACKLOG: Final = 2048


class SimulatorServer:
    """A simulator on a port of its own.

    `world` is the state behind it, for tests: `world.faults`, `world.switches`, `world.journal`,
    `world.invoices`, and what the other modules do with it.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock | None = None,
        switches: Switches | None = None,
        seed: int | None = None,
        state_file: str | Path | None = None,
        api_key: str = DEFAULT_KEY,
        log: Callable[[Entry], None] | None = None,
    ) -> None:
        self._storage = Storage(Path(state_file)) if state_file is not None else None
        self.world = World(clock=clock, switches=switches, seed=seed, storage=self._storage)
        self.api_key = api_key
        self._first_switches = self.world.switches.as_dict()
        if not restore.restored(self.world):
            plant_defaults(self.world, api_key=api_key)
        self.postman = Postman(self.world)
        self._host = host
        self._port = port
        self._api = ApiApp(self.world, self.postman, log)
        self._app = self._with_control()
        self._server: uvicorn.Server | None = None
        self._thread: Thread | None = None

    @property
    def base_url(self) -> str:
        """`http://host:port`; the port is known once the server has started."""
        return f"http://{self._host}:{self._port}"

    def start(self) -> None:
        """Serve from a background thread; returns once requests are answered.

        After `stop` it may start again, on the same port and with the same world.
        """
        self._open()
        listening = self._listen()
        server = self._server = uvicorn.Server(self._config())
        self._thread = Thread(
            target=asyncio.run, args=(self._serve(server, listening),), name="simulator", daemon=True
        )
        self._thread.start()
        limit = monotonic() + _START_LIMIT
        while not server.started:
            self._thread.join(timeout=0.002)
            if not self._thread.is_alive() or monotonic() > limit:
                raise RuntimeError("the simulator did not start")

    def run(self, *, announce: Callable[[str], None]) -> None:
        """Serve in the foreground until a signal ends it; `announce` is told the base URL.

        Raises:
            OSError: the port is taken.
        """
        self._open()
        listening = self._listen()
        announce(self.base_url)
        try:
            with suppress(KeyboardInterrupt):
                asyncio.run(self._serve(uvicorn.Server(self._config()), listening))
        finally:
            self._close()

    def stop(self) -> None:
        """Stop at once; requests that still hang are cut off."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout=_STOP_LIMIT)
            self._server = self._thread = None
        self._close()

    def reset(self) -> None:
        """Back to the world as it was made: default documents, first switches, no faults, no history."""
        with self.world.lock:
            self.world.clear()
            self.world.switches.set(self._first_switches)
            plant_defaults(self.world, api_key=self.api_key)
        self._api.rate = RateLimit()
        self.postman.deliveries.clear()

    def wait_for_webhooks(self, seconds: float = 10.0) -> bool:
        """Wait until everything that was to be told by now has been told or given up."""
        self.world.flush_events()
        return self.postman.wait_idle(seconds)

    async def _serve(self, server: uvicorn.Server, listening: socket.socket) -> None:
        """Answer requests; meanwhile webhooks leave, and what is due is done though nobody asks."""
        self.postman.start()
        ticking = asyncio.create_task(self._tick(server))
        try:
            await server.serve([listening])
        finally:
            ticking.cancel()
            self.postman.stop()

    async def _tick(self, server: uvicorn.Server) -> None:
        while True:
            self.world.run_due()
            with self.world.lock:
                self.world.commit()
            if server.should_exit:
                self._api.closing.set()
            await asyncio.sleep(_TICK)

    def _open(self) -> None:
        self._api.closing = asyncio.Event()
        if self._storage is not None:
            self._storage.open()

    def _close(self) -> None:
        if self._storage is not None:
            self._storage.close()

    def _listen(self) -> socket.socket:
        """Bind before the server starts, so that the port is known and connections queue from then on.

        The protocol is named, because asyncio sends small packets at once only on sockets that say TCP.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((self._host, self._port))
        listening.listen(_BACKLOG)
        self._port = listening.getsockname()[1]
        return listening

    def _with_control(self) -> ASGIApp:
        """The API with the control interface and the status page beside it."""
        beside = Starlette(
            routes=[
                Route("/", page.status_page(self.world)),
                Mount("/_simulator", routes=control.routes(self.world, self.postman, self.reset)),
            ]
        )

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            own = scope["path"] == "/" or scope["path"].startswith("/_simulator")
            await (beside if own else self._api)(scope, receive, send)

        return app

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            http=_protocol,  # type: ignore[arg-type]  # a factory serves as well as a class
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=1,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _protocol(**settings: Any) -> asyncio.Protocol:
    """An HTTP protocol that shows each request its connection, so that a fault can cut it."""
    protocol: Any = AutoHTTPProtocol(**settings)  # of one of two classes, by what is installed
    inner = protocol.app

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope[TRANSPORT] = protocol.transport
        await inner(scope, receive, send)

    protocol.app = app
    return cast("asyncio.Protocol", protocol)
