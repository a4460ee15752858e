"""The broker as seen from our side: whether it can be reached, and how a message gets there."""

from __future__ import annotations

from datetime import datetime, timedelta

from amqp.exceptions import AMQPError  # a refusal is none of Kombu's own errors
from celery import Celery
from kombu.exceptions import KombuError
from kombu.exceptions import OperationalError as BrokerError

from connector.domain.errors import OutsideError

_CONNECT_SECONDS = 5
_CONFIRM_SECONDS = 5
"""How long RabbitMQ may take to say that it has a bell; in an alarm of its memory it says nothing at all."""

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
