"""The Celery app: JSON only, ids only, late acknowledgement, no result backend, no delays.

`celery -A workers.app worker` works, and `connector worker` starts the same with its configuration file named.
Why each setting is as it is stands in docs/decisions/0003-celery-is-a-doorbell.md.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery import Celery
from celery.signals import worker_shutdown, worker_shutting_down

from config.sections.broker import BrokerSettings
from connector.closing import LONGEST_STOP, end_now
from connector.domain.errors import UsageError
from workers.queues import CLASSIC, QUORUM, quorum_queue
from workers.tls import broker_tls
from workers.turns import THREADS

log = logging.getLogger(__name__)

_VISIBILITY = 600
"""Seconds until Redis gives an unacknowledged bell to another worker; a drain ends well before."""


def make_app(broker: BrokerSettings) -> Celery:
    """Return the configured app.

    Raises:
        UsageError: there is no broker in the configuration, or it has no queues of the kind that is asked for.
    """
    broker_url = broker.address()
    if broker_url.startswith("memory://"):
        raise UsageError(
            "There is no broker in the configuration: [broker] url is memory://.",
            action="Set redis://… or amqp://…, or use connector run, which needs none.",
        )
    address, tls = broker_tls(broker_url)
    made = Celery("connector", broker=address, include=["workers.tasks"])
    made.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        result_backend=None,
        result_backend_thread_safe=True,
        task_serializer="json",
        accept_content=["json"],
        task_default_queue=CLASSIC,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_prefetch_multiplier=1,
        worker_pool="threads",
        worker_concurrency=THREADS,  # of which each kind of errand has its own: none must keep another waiting
        worker_hijack_root_logger=False,
        broker_use_ssl=tls,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=_transport_options(broker_url),
        broker_heartbeat=30,
    )
    if broker.queue == "quorum":
        _use_quorum_queue(made, broker_url)
    return made


def _use_quorum_queue(app: Celery, url: str) -> None:
    """Keep the bells in a replicated queue. Celery sees the kind, and asks for no global prefetch, which it lacks."""
    if not url.startswith(("amqp://", "amqps://")):
        raise UsageError(
            "[broker] queue is quorum, and only RabbitMQ has such queues.",
            action="Give a URL amqp://… or amqps://…, or take queue away.",
        )
    app.conf.update(
        task_default_queue=QUORUM,
        task_queues=[quorum_queue()],
        worker_detect_quorum_queues=True,
        worker_consumer="workers.queues:Consumer",
    )


def _transport_options(url: str) -> dict[str, Any]:
    """What the broker's transport needs so that a half-open connection cannot hang for ever."""
    if url.startswith(("redis://", "rediss://")):
        return {
            "visibility_timeout": _VISIBILITY,
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 25,
            "global_keyprefix": "b2b:",
        }
    return {"confirm_publish": True}


def __getattr__(name: str) -> Any:
    """Make `app` when Celery's own command asks for it: only then must a broker be configured."""
    if name != "app":
        raise AttributeError(name)
    from config import settings

    globals()["app"] = made = make_app(settings.load().broker)
    return made


@worker_shutting_down.connect
def _let_drains_end(**_: Any) -> None:
    """Take no further jobs; the steps under way are finished. Then the process ends, whatever Celery waits for.

    An idle consumer that lost its RabbitMQ connection once, with bells still unanswered, otherwise sleeps on (kombu's
    hub wakes only when a message comes).
    """
    from workers import tasks

    tasks.stopping.set()
    end = threading.Timer(LONGEST_STOP, _end)
    end.daemon = True
    end.start()


@worker_shutdown.connect
def _tell_figures(**_: Any) -> None:
    """Add to the ledger what was counted since the lookout last did."""
    from connector.crew import logged
    from workers import tasks

    logged("figures", tasks.services().meter.fold)


def _end() -> None:
    log.warning("the worker ends now: Celery has not stopped within %s seconds", LONGEST_STOP)
    end_now()
