"""`connector run`, `scheduler`, `worker` and `web`: the daemon, whole or by roles."""

from __future__ import annotations

from connector.cli.command import command
from connector.cli.session import Session
from connector.cli.signals import stopping
from connector.domain.errors import UsageError
from connector.memory import few_arenas
from connector.operations.brokers import known_kind
from connector.operations.preflight import check_what_works


@command("run")
def run(session: Session) -> None:
    """Run the daemon, all roles in one process, until a signal ends it after the steps under way."""
    from connector import daemon

    _prepare(session)
    with stopping() as stop:
        daemon.run(session.settings, stop)


@command("web")
def web(session: Session) -> None:
    """Answer over HTTP alone, until a signal ends it: health and webhooks."""
    from connector import daemon

    _begin(session)
    with stopping() as stop:
        daemon.serve(session.settings, stop)


@command("scheduler")
def scheduler(session: Session) -> None:
    """Run the scheduler alone; it needs a broker. Several may run: one of them is in office."""
    _need_a_broker(session, "scheduler")
    _prepare(session)
    from workers import scheduler as role

    with stopping() as stop:
        role.main(session.settings, stop)


@command("worker")
def worker(session: Session) -> None:
    """Run a worker alone; it needs a broker. Start as many as you like."""
    _need_a_broker(session, "worker")
    _prepare(session)
    from workers import launch

    launch.worker(session.settings, session.config_path)


def _begin(session: Session) -> None:
    few_arenas()
    session.log_as_daemon()


def _prepare(session: Session) -> None:
    _begin(session)
    check_what_works(session.services, session.sources())


def _need_a_broker(session: Session, role: str) -> None:
    broker = session.settings.broker
    if broker.embedded:
        raise UsageError(
            f"A {role} alone needs a broker, and [broker] url is memory://.",
            action="Set redis://… or amqp://…, or use connector run, which needs none.",
        )
    known_kind(broker.address())
