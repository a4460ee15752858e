"""The simulator in the foreground, as `connector simulator` starts it."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from connector.simulator.faults import FaultKind, fault_details
from connector.simulator.journal import Entry
from connector.simulator.seeds import DEFAULT_KEY, plant, plant_accounts
from connector.simulator.server import SimulatorServer
from connector.simulator.switches import Switches


def serve(  # noqa: PLR0913 - one parameter per option of the command
    host: str = "127.0.0.1",
    port: int = 8790,
    *,
    state_file: str | Path | None = None,
    api_key: str = DEFAULT_KEY,
    accounts: Sequence[Mapping[str, Any]] = (),
    number_guard: bool = True,
    drop_after: float = 0.0,
    drop_before: float = 0.0,
    error_503: float = 0.0,
    error_429: float = 0.0,
    latency: float = 0.0,
    speed: float = 1.0,
    seed: int | None = None,
    switches: Mapping[str, object] | None = None,
    faults: Sequence[Mapping[str, object]] = (),
    webhook_url: str | None = None,
    webhook_secret: str = "whsec_test",  # noqa: S107 - a made-up secret for made-up events
    quiet: bool = False,
) -> None:
    """Serve until a signal ends it; one line per request on standard output.

    `accounts` are seeds that replace or add accounts that the key sees (`{"id": 1, "name": …}`). `drop_after` and
    `drop_before` are shares (0 to 1) of all writes whose connection is cut, after or before storing;
    `error_503` and `error_429` are shares of all requests, answered so before storing. `latency` is in
    seconds per request; `speed` divides the waits of the state machine; `seed` makes chance repeat.
    `switches` sets any other switch by name, `faults` adds any other rule (`{"kind": "html", "times": 3}`).

    Raises:
        UnknownSwitchError, BadFaultError, BadSeedError: a value that cannot be used.
        OSError: the port is taken, or the state file cannot be opened.
    """
    chosen = Switches(number_guard=number_guard, latency=latency)
    chosen.set({"speed": speed, **(switches or {})})
    log = None if quiet else _print_line
    server = SimulatorServer(
        host=host, port=port, switches=chosen, seed=seed, state_file=state_file, api_key=api_key, log=log
    )
    if accounts:
        plant_accounts(server.world, accounts, api_key=api_key)
    _share(server, FaultKind.DROP_AFTER, drop_after, writes_only=True)
    _share(server, FaultKind.DROP_BEFORE, drop_before, writes_only=True)
    _share(server, FaultKind.UNAVAILABLE_BEFORE, error_503)
    _share(server, FaultKind.RATE_LIMIT, error_429)
    for rule in faults:
        details = fault_details(rule)
        server.world.faults.add(details.pop("kind", ""), **details)
    if webhook_url is not None:
        plant(server.world, {"web_hooks": [{"url": webhook_url, "secret": webhook_secret}]})
    server.run(announce=lambda url: _say(f"B2Brouter simulator on {url}  key {api_key}  status page at /"))


def _share(server: SimulatorServer, kind: FaultKind, share: float, *, writes_only: bool = False) -> None:
    if share:
        method = "POST" if writes_only else None
        server.world.faults.add(kind, method=method, probability=share, times=None)


def _print_line(entry: Entry) -> None:
    status = entry.status if entry.status is not None else "cut"
    remarks = " ".join(part for part in (entry.number, entry.fault, entry.problem) if part)
    target = f"{entry.path}?{entry.query}" if entry.query else entry.path
    _say(f"{entry.at:%H:%M:%S.%f} {entry.method:<6} {target} {status} {remarks}".rstrip())


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
