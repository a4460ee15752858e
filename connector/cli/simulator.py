"""`connector simulator`: the local stand-in for B2Brouter."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import click

from connector.cli.command import command
from connector.cli.session import Session
from connector.cli.signals import stopping
from connector.domain.errors import OutsideError, UsageError

_SHARE = click.FloatRange(0, 1)


@command("simulator")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8790, show_default=True, help="Port to listen on.")
@click.option("--state", "state_file", type=click.Path(path_type=Path), help="Keep all documents in this file.")
@click.option("--api-key", default="test_key", show_default=True, help="The key that it accepts.")
@click.option("--no-number-guard", is_flag=True, help="Accept a number twice.")
@click.option("--drop-after", type=_SHARE, default=0.0, help="Share of writes cut off after storing.")
@click.option("--drop-before", type=_SHARE, default=0.0, help="Share of writes cut off before storing.")
@click.option("--error-503", type=_SHARE, default=0.0, help="Share of requests answered 503.")
@click.option("--error-429", type=_SHARE, default=0.0, help="Share of requests answered 429.")
@click.option("--latency", type=click.FloatRange(min=0), default=0.0, help="Seconds that each request takes.")
@click.option(
    "--speed", type=click.FloatRange(min=0, min_open=True), default=1.0, help="How many times faster states move on."
)
@click.option("--seed", type=int, help="Makes chance repeat itself.")
@click.option("--set", "switches", metavar="NAME=VALUE", multiple=True, help="Any other switch of behaviour.")
@click.option(
    "--fault", "faults", metavar="JSON", multiple=True, help='Any other fault: {"kind": "html", "times": 3}.'
)
@click.option("--account", "accounts", metavar="JSON", multiple=True, help='An account: {"id": 1, "name": "…"}.')
@click.option("--webhook-url", help="Where events are sent to.")
@click.option("--webhook-secret", default="whsec_test", show_default=True, help="What signs them.")
@click.option("--quiet", is_flag=True, help="No line per request.")
def simulator(_session: Session, **options: Any) -> None:
    """Run the local stand-in for B2Brouter, until a signal ends it.

    It keeps documents, computes totals, moves states on, sends signed webhooks, and fails on request. Its
    status page is at its address; no configuration is needed.
    """
    from connector.simulator import BadFaultError, BadSeedError, UnknownSwitchError
    from connector.simulator.main import serve

    options["number_guard"] = not options.pop("no_number_guard")
    options["switches"] = dict(map(_switch, options["switches"]))
    options["faults"] = [_object(text, "--fault") for text in options["faults"]]
    options["accounts"] = [_object(text, "--account") for text in options["accounts"]]
    try:
        with stopping():  # what the server leaves of a signal ends it in peace
            serve(**options)
    except (BadFaultError, BadSeedError, UnknownSwitchError) as error:
        raise UsageError(f"The simulator cannot start: {error}.", action="See: connector simulator --help") from None
    except sqlite3.Error as error:
        raise OutsideError(
            f"The simulator cannot keep its documents in {options['state_file']}: {error}.",
            action="Name another file with --state, in a folder that our user may write.",
        ) from None
    except OSError as error:
        raise OutsideError(
            f"The simulator cannot listen on {options['host']}:{options['port']}: {error.strerror or error}.",
            action="Choose another one with --port, or end what uses it.",
        ) from None


def _switch(text: str) -> tuple[str, object]:
    """Read `number_filter=prefix`: what is JSON counts as such, anything else is a text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set takes NAME=VALUE, not {text}.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _object(text: str, option: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UsageError(f"{option} takes a JSON object, not {text}.")
    return value
