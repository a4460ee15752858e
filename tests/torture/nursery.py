"""Starts the product's processes quickly: one process has imported it, and each new one is a fork of that.

They are real processes with the product's own entry point, each in a session of its own. With `fresh` they are
started by a new interpreter instead, which is the same but for a second of imports on a busy machine.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import random
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

_RUN = (
    "import faulthandler, signal, sys; faulthandler.register(signal.SIGUSR1);"
    " from connector.cli import main; sys.exit(main())"
)

_IMPORTED = (
    "connector.cli.sync", "connector.cli.daemons", "connector.cli.simulator", "connector.cli.acts",
    "connector.simulator.main", "connector.daemon", "connector.foreground", "connector.bootstrap",
    "connector.adapters.sql", "connector.b2brouter.client", "connector.crashpoints", "connector.errands",
    "connector.lookout", "connector.web.app", "rich.progress", "workers.launch", "workers.scheduler",
    "alembic.command", "celery.bin.worker", "celery.concurrency.thread", "celery.apps.worker",
    "celery.fixups", "kombu.transport.redis", "kombu.transport.pyamqp", "psycopg", "sqlalchemy.dialects.sqlite",
    "sqlalchemy.dialects.postgresql.psycopg", "uvicorn.protocols.http.auto", "uvicorn.loops.auto",
)  # fmt: skip

_ANSWER = 1.0
"""Seconds in which a process has written where it is."""


@dataclass(eq=False)
class Child:
    """One process of the product."""

    name: str
    pid: int
    log: Path
    armed: str | None
    started: float = field(default_factory=time.monotonic)
    status: int | None = None  # as `waitpid` says; None while it lives
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def alive(self) -> bool:
        return not self.ended.is_set()

    @property
    def signal(self) -> int | None:
        """What killed it, if a signal did."""
        return os.WTERMSIG(self.status) if self.status is not None and os.WIFSIGNALED(self.status) else None

    @property
    def code(self) -> int | None:
        return os.WEXITSTATUS(self.status) if self.status is not None and os.WIFEXITED(self.status) else None

    def send(self, number: int) -> bool:
        """Send a signal, unless it has ended: its number may belong to another process by then."""
        if not self.alive:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> bool:
        return self.send(signal.SIGKILL)

    def wait(self, seconds: float) -> bool:
        return self.ended.wait(seconds)

    def where(self) -> str:
        """Have it say what each of its threads does; "" where it does not answer."""
        known = self.log.stat().st_size
        if not self.send(signal.SIGUSR1):
            return ""
        self.wait(_ANSWER)
        return self.log.read_bytes()[known:].decode(errors="replace")


class Nursery:
    """The parent of all processes, as the harness sees it. Used from several threads."""

    def __init__(self, *, fresh: bool = False, patience: float = 30) -> None:
        self._fresh = fresh
        self._lock = threading.Lock()
        self._children: dict[int, Child] = {}
        self._early: dict[int, int] = {}
        self._answers: dict[int, int] = {}  # by the order's number
        self._orders = count(1)
        self.patience = patience
        self._answered = threading.Condition()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith("CONNECTOR_")},
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def start(
        self, name: str, argv: Sequence[str], log: Path, *, env: Mapping[str, str], armed: str | None = None
    ) -> Child:
        """Start `connector ARGV…`."""
        environment = dict(env) | ({"CONNECTOR_CRASH_AT": armed} if armed else {})
        with self._lock:
            number = next(self._orders)
            order = {
                "number": number, "argv": list(argv), "env": environment, "log": str(log), "fresh": self._fresh
            }  # fmt: skip
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            with self._answered:
                if not self._answered.wait_for(lambda: number in self._answers, self.patience):
                    raise RuntimeError("the nursery does not answer")
                pid = self._answers.pop(number)
                child = Child(name, pid, log, armed)
                self._children[pid] = child
                if pid in self._early:
                    self._end(child, self._early.pop(pid))
        return child

    def send(self, number: int) -> None:
        """Send a signal to the parent itself."""
        self._process.send_signal(number)

    def close(self) -> None:
        for child in list(self._children.values()):
            child.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            news = json.loads(line)
            with self._answered:
                if "born" in news:
                    self._answers[news["number"]] = news["born"]
                    self._answered.notify_all()
                elif news["died"] in self._children:
                    self._end(self._children[news["died"]], news["status"])
                else:
                    self._early[news["died"]] = news["status"]

    def _end(self, child: Child, status: int) -> None:
        child.status = status
        del self._children[child.pid]
        child.ended.set()


# ---------------------------------------------------------------- in the nursery's own process


_living: set[int] = set()
"""Children that have not been waited for: their numbers are theirs still."""


def main() -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inbox = selectors.DefaultSelector()
    inbox.register(sys.stdin.fileno(), selectors.EVENT_READ)
    inbox.register(reading, selectors.EVENT_READ)
    rest = b""
    while True:
        for key, _ in inbox.select():
            data = os.read(key.fd, 65536)
            if key.fd == reading:
                _reap()
                continue
            if not data:  # the harness has gone
                for pid in _living:
                    os.kill(pid, signal.SIGKILL)
                return
            *orders, rest = (rest + data).split(b"\n")
            for order in orders:
                wanted = json.loads(order)
                _tell(born=_born(wanted), number=wanted["number"])


def _tell(**news: Any) -> None:
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()


def _reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _living.discard(pid)
        _tell(died=pid, status=status)


def _born(order: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid:
        _living.add(pid)
        return pid
    code = 70
    try:
        _be(order)
        code = _run(order["argv"])
    finally:
        sys.stdout.flush()
        os._exit(code)


def _be(order: Mapping[str, Any]) -> None:
    """Become a process like any other: own session, own output, own environment, own chance."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faulthandler.register(signal.SIGUSR1)
    nothing, log = (
        os.open(os.devnull, os.O_RDONLY),
        os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
    )
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.closerange(3, 64)
    os.environ.update(order["env"])
    if order["fresh"]:
        os.execv(sys.executable, [sys.executable, "-c", _RUN, *order["argv"]])
    random.seed()
    importlib.reload(importlib.import_module("connector.crashpoints"))


def _run(argv: Sequence[str]) -> int:
    from connector.cli import main as connector

    sys.argv = ["connector", *argv]
    try:
        connector()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    main()
