"""RabbitMQ's replicated queues as the doorbell."""

from __future__ import annotations

from typing import Any

import pytest
from amqp.exceptions import NotFound
from kombu import Connection, Queue

from config.sections.broker import BrokerSettings
from connector.clock import SystemClock
from connector.domain.errors import UsageError
from tests.e2e.installation import until
from workers.app import make_app
from workers.broker import Bell


def waiting(connection: Connection, queue: str) -> int:
    with connection.channel() as channel:
        declared: Any = Queue(queue, channel=channel).queue_declare(passive=True)
        return int(declared.message_count)


def test_bells_wait_in_a_replicated_queue_and_not_longer_than_they_are_of_use(rabbitmq_url: str) -> None:
    app = make_app(BrokerSettings(url=rabbitmq_url, queue="quorum"))
    with app.connection_for_write() as connection:
        Bell(app).send("drain", now=SystemClock().now(), expires=0.3, account="main")
        until(lambda: waiting(connection, "connector.quorum") == 0, within=10, what="the bell is still there")
        Bell(app).send("drain", now=SystemClock().now(), expires=60, account="main")
        assert waiting(connection, "connector.quorum") == 1
        with pytest.raises(NotFound):
            waiting(connection, "connector")


def test_other_brokers_have_no_such_queues() -> None:
    with pytest.raises(UsageError, match="only RabbitMQ has such queues"):
        make_app(BrokerSettings(url="redis://127.0.0.1/0", queue="quorum"))
