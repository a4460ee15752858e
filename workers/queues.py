"""Where the bells wait: a queue, and the consumer that takes them from it."""

from __future__ import annotations

from typing import Any, Final

from celery.worker import consumer
from celery.worker.consumer.delayed_delivery import DelayedDelivery
from kombu import Exchange, Queue

CLASSIC: Final = "connector"

QUORUM: Final = "connector.quorum"
"""A name of its own: RabbitMQ does not let a queue change its kind."""

_ANSWER_WITHIN_MS: Final = 3_600_000
"""Until RabbitMQ takes an unanswered bell back and closes the channel. Comparing a large account may outlast the
server's usual 30 minutes, and nobody waits for a bell of a hung worker: the scheduler has rung again long before."""

_DELIVERIES: Final = 5
"""A bell at which workers die is dropped then; as long as something is due, there are new ones."""


def quorum_queue() -> Queue:
    """Return RabbitMQ's replicated queue."""
    return Queue(
        QUORUM,
        Exchange(QUORUM, type="direct"),
        routing_key=QUORUM,
        queue_arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": _DELIVERIES,
            "x-consumer-timeout": _ANSWER_WITHIN_MS,
        },
    )


class Consumer(consumer.Consumer):
    """Celery's own, without the 28 queues for delayed messages that it adds to a quorum queue: no bell is delayed."""

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[misc, valid-type]  # Celery's is without types
        default_steps: Final[list[Any]] = [
            step
            for step in consumer.Consumer.Blueprint.default_steps
            if step != f"{DelayedDelivery.__module__}:{DelayedDelivery.__name__}"
        ]
