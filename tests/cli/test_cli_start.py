"""How quickly the command line starts, and what it loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from connector.cli.group import COMMANDS, main
from tests.cli.shop import Shop, call

LIBRARIES = (sys.executable, "-c", "import click, pydantic_settings, sqlalchemy")
HEAVY = ("pydantic", "sqlalchemy", "httpx", "celery", "rich", "redis", "alembic")


def seconds(*arguments: str) -> float:
    """The processor time of a run: what else the machine does shall not count, nor coverage, nor compiling."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTHONDONT"))}
    process = subprocess.Popen(arguments, env=plain, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


def ends_within(limit: float, *arguments: str) -> bool:
    """Whether the best of five runs is that quick, where our libraries are loaded in 0.3 s at best.

    Whoever shares the machine's cores makes each instruction slower, of those as of ours.
    """
    runs = [(seconds(*LIBRARIES), seconds(*arguments)) for _ in range(5)]
    libraries = min(theirs for theirs, _ in runs)
    return min(ours for _, ours in runs) < limit * max(1.0, libraries / 0.3)


def with_nothing_to_do(day: Shop) -> Path:
    """The configuration of a shop where all is done: the fixture may be as old as news of what it issued is due."""
    config = day.changed(("discover_every = 1", "discover_every = 60"), name="patient.toml")
    day.run("sync", config=config)
    return config


def test_help_comes_within_a_third_of_a_second() -> None:
    assert ends_within(0.3, sys.executable, "-m", "connector.cli", "--help")


def test_a_sync_with_nothing_to_do_takes_less_than_eight_tenths_of_a_second(day: Shop) -> None:
    config = with_nothing_to_do(day)
    assert ends_within(0.8, sys.executable, "-m", "connector.cli", "--config", str(config), "sync")


def test_nothing_heavy_is_imported_before_a_command_is_known() -> None:
    program = f"import sys, connector.cli; print([m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_a_sync_with_nothing_to_do_loads_no_http(day: Shop) -> None:
    config = with_nothing_to_do(day)
    program = (
        "import sys\nfrom connector.cli import main\n"
        f"try: main(['--config', {str(config)!r}, 'sync'])\nexcept SystemExit: pass\n"
        "print([m for m in ('httpx', 'celery', 'redis', 'alembic', 'rich') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_and_explains_itself(name: str) -> None:
    command = main.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert command.name == name
    assert command.help
    shown = call(name, "--help")
    assert shown.status == 0
    assert "--json" in shown.out


def test_help_lists_all_commands() -> None:
    shown = call("--help")
    assert shown.status == 0
    for name, (_, line) in COMMANDS.items():
        assert name in shown.out
        assert line.split()[0] in shown.out


def test_without_a_command_there_is_help_and_status_2() -> None:
    shown = call()
    assert shown.status == 2
    assert "Commands:" in shown.out


def test_version() -> None:
    shown = call("--version")
    assert (shown.status, shown.out.split()[0]) == (0, "connector,")


def test_an_unknown_command_is_met_with_the_nearest_one() -> None:
    shown = call("explian")
    assert shown.status == 2
    assert "Did you mean explain?" in shown.err


def test_json_and_config_count_after_the_command_name_too(day: Shop) -> None:
    shown = call("jobs", "--config", str(day.config), "--json")
    assert shown.status == 0
    assert shown.lines
