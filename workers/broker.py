"""The broker as seen from our side: whether it can be reached, and how a message gets there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from amqp.exceptions import AMQPError  # a refusal is none of Kombu's own errors
from celery import Celery
from kombu import Connection
from kombu.exceptions import KombuError
from kombu.exceptions import OperationalError as BrokerError

from connector.domain.errors import OutsideError

_CONNECT_SECONDS = 5
_CONFIRM_SECONDS = 5
"""How long RabbitMQ may take to say that it has a bell; in an alarm of its memory it says nothing at all."""

_NOT_LONG = dict.fromkeys(("read_timeout", "write_timeout", "socket_timeout"), _CONFIRM_SECONDS)
"""RabbitMQ's and Redis's time-outs of a connection on which little is asked."""

_FAULTS = (BrokerError, KombuError, OSError, AMQPError)


def reach(app: Celery) -> None:
    """See that the broker answers.

    Raises:
        OutsideError: it does not; the message has no password.
    """
    try:
        with app.connection_for_write(connect_timeout=_CONNECT_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, timeout=_CONNECT_SECONDS)
    except _FAULTS as error:
        raise _unreachable(app) from error


def _unreachable(app: Celery) -> OutsideError:
    with app.connection_for_write() as connection:
        address = connection.as_uri(include_password=False)
    return OutsideError(
        f"The broker {address} cannot be reached, or refuses our user.",
        action="Check that it runs, and [broker] url; or use connector run.",
    )


class Bell:
    """Sends messages that carry nothing but a name."""

    def __init__(self, app: Celery) -> None:
        """Send through an app's broker."""
        self._app = app
        self._asking: Connection | None = None

    def waiting(self) -> int:
        """Return how many bells nobody has fetched yet.

        Raises:
            OutsideError: the broker does not answer.
        """
        rested = self._asking is not None
        try:
            return self._count()
        except _FAULTS as error:
            self._hang_up()
            if rested:  # it may have been cut meanwhile
                return self.waiting()
            raise _unreachable(self._app) from error

    def _count(self) -> int:
        """Ask on a connection of its own: RabbitMQ does not listen to one that rings while its memory is short."""
        if self._asking is None:
            self._asking = self._app.connection_for_write(
                connect_timeout=_CONNECT_SECONDS, transport_options=_NOT_LONG
            )
        asking = self._asking
        queue = self._app.amqp.queues[self._app.conf.task_default_queue]
        try:
            asking.ensure_connection(max_retries=1, interval_start=0, timeout=_CONNECT_SECONDS)
            declared: Any = queue.bind(asking.default_channel).queue_declare()
            return int(declared.message_count)
        except asking.connection_errors + asking.channel_errors as error:  # some are none of Kombu's own
            raise BrokerError(str(error)) from error

    def _hang_up(self) -> None:
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.collect()

    def send(self, task: str, *, now: datetime, expires: float, **ids: str) -> None:
        """Send one; later than so many seconds from now RabbitMQ, or the worker that gets it, throws it away.

        Args:
            task: by its name.
            now: by the ledger's clock, which the worker looks at too: those of two machines may differ by more.
            expires: seconds.
            ids: what it is about.

        Raises:
            OutsideError: the broker did not take it; the next round tries again.
        """
        # Celery's own argument would count from this machine's clock.
        until = {"expires": (now + timedelta(seconds=expires)).isoformat()}
        try:
            self._app.send_task(
                task,
                kwargs=ids,
                ignore_result=True,
                retry=False,
                headers=until,
                expiration=expires,
                confirm_timeout=_CONFIRM_SECONDS,
            )
        except _FAULTS as error:
            raise _unreachable(self._app) from error
