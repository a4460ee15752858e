"""`connector worker`: a Celery worker with the options that the product was measured with."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from celery.signals import worker_ready

from config.settings import Settings
from connector.lookout import Lookout
from connector.reload import Reloader
from workers.app import make_app
from workers.broker import reach

_SAY_EACH_BELL: Final = ("celery.worker.strategy", "celery.app.trace")
"""Loggers of Celery with two lines for each bell, of which there may be thousands a minute: what is done for it has
lines of its own, and what fails is no less than a warning."""


def worker(settings: Settings, config: Path | None) -> None:
    """Work until a signal comes; a warm stop (SIGTERM) finishes the steps under way.

    Args:
        settings: as loaded.
        config: the file they came from, which the tasks load again by its name in the environment.

    Raises:
        UsageError: there is no broker in the configuration.
        OutsideError: broker or ledger cannot be reached at the start.
    """
    from workers import tasks

    app = make_app(settings.broker)
    reach(app)
    if config is not None:
        os.environ["CONNECTOR_CONFIG"] = str(config.resolve())
    for name in _SAY_EACH_BELL:
        logging.getLogger(name).setLevel(logging.WARNING)
    Lookout(tasks.services()).start()  # these two end with the process
    reloader = Reloader(tasks.services()).start()
    worker_ready.connect(lambda **_: reloader.listen(), weak=False)  # Celery would begin anew at SIGHUP
    app.worker_main(
        [
            "--quiet",  # no banner: our log is JSON from its first line on
            "worker",
            "--pool=threads",
            "--without-gossip",
            "--without-mingle",
            "--loglevel=INFO",
            f"--hostname=connector-{os.getpid()}@%h",
        ]
    )
