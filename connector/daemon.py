"""The daemon: all roles in one process, working straight off the ledger.

It needs no broker, and does not mind others that have one.
"""

from __future__ import annotations

import logging
from functools import partial
from threading import Event

from config.settings import Settings
from connector.bootstrap import Services
from connector.closing import in_time, stop_all
from connector.crew import Crew, logged
from connector.domain.errors import OutsideError
from connector.duties import Duties, rounds
from connector.errands import archive, discover, drain, follow, notify, open_ledger, reconcile
from connector.lookout import Lookout
from connector.reload import Reloader
from connector.web.server import PatientWeb, WebServer

log = logging.getLogger(__name__)

_MOST_THREADS = 64
"""Bells that are answered at once: each waits for a server most of the time, and what is stuck ends by itself.

However many accounts there are at the start, for others may be added any time; no thread starts before it has work.
"""

_LOOK_THREADS = 16
"""Of others, for looks into ERPs: of hundreds that do not answer, each would keep one for ten seconds."""

_GLANCE = 0.5
"""Seconds between looks whether the web still answers."""


def run(settings: Settings, stop: Event) -> None:
    """Work until `stop` is set; then finish the steps under way and leave nothing leased, within reason.

    Raises:
        LedgerError: the ledger cannot be opened at the start. Later failures are waited out.
        UsageError: the configuration is wrong.
    """
    services = Services(settings, stop=stop)
    open_ledger(services)
    web = PatientWeb(services)
    lookout, reloader = Lookout(services), Reloader(services)
    crew, lookers = Crew(_MOST_THREADS), Crew(_LOOK_THREADS)
    duties = Duties(
        services,
        ring=lambda account: crew.call(f"account {account}", lambda: drain(services, account, stopping=stop.is_set)),
        discover=lambda source: lookers.call(f"source {source}", lambda: discover(services, source)),
        follow=lambda account: crew.call(
            f"news of {account}", lambda: follow(services, account, stopping=stop.is_set)
        ),
        notify=lambda: crew.call("notifications", lambda: notify(services)),
        reconcile=lambda account: crew.call(
            f"comparison of {account}", lambda: reconcile(services, account, stopping=stop.is_set)
        ),
        archive=lambda account: crew.call(
            f"archive of {account}", lambda: archive(services, account, stopping=stop.is_set)
        ),
    )
    log.info("the daemon works; ledger %s", services.ledger.database.display)
    leave = partial(logged, "scheduler", duties.leave)
    with in_time(stop, leave=leave, busy=lambda: [*crew.busy(), *lookers.busy()]):
        try:
            web.start()
            lookout.start()
            reloader.start()
            rounds(duties, stop)
        finally:
            stop_all(crew, lookers, reloader, web, lookout)
            leave()
            services.close()
    log.info("the daemon has stopped")


def serve(settings: Settings, stop: Event) -> None:
    """Answer over HTTP until `stop` is set; others do the work.

    Raises:
        LedgerError: the ledger cannot be opened.
        OutsideError: the port is taken, or the web has failed.
        UsageError: the configuration is wrong.
    """
    services = Services(settings, stop=stop)
    services.open_ledger()
    web = WebServer(services).start()
    lookout, reloader = Lookout(services).start(), Reloader(services).start()
    with in_time(stop):
        try:
            while not stop.wait(_GLANCE):
                if not web.is_serving:
                    raise OutsideError("The web does not answer any more.", action="The log says why.")
        finally:
            stop_all(reloader, lookout, web)
            services.close()
