"""`connector completion`: the Tab key knows commands, options and their values."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from connector.cli.completion import SHELLS

CONNECTOR = [sys.executable, "-m", "connector.cli"]


def completed(*words: str) -> list[str]:
    """What a shell is offered for the last of these words."""
    told = {"COMP_WORDS": " ".join(["connector", *words]), "COMP_CWORD": str(len(words))}
    done = subprocess.run(
        CONNECTOR,
        env={"_CONNECTOR_COMPLETE": "bash_complete", **told},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_commands_are_completed() -> None:
    assert completed("rec") == ["reconcile"]
    assert "support-bundle" in completed("")
    assert completed("archive", "ver") == ["verify"]


def test_options_and_their_values_are_completed() -> None:
    assert completed("jobs", "--by") == ["--by-cause"]
    assert completed("jobs", "--status", "h") == ["held"]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_a_script_that_it_can_read(shell: str) -> None:
    done = subprocess.run([*CONNECTOR, "completion", shell], capture_output=True, text=True, check=True)

    assert f"_CONNECTOR_COMPLETE={shell}_complete" in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True)


def test_another_shell_is_refused_in_a_sentence() -> None:
    done = subprocess.run([*CONNECTOR, "completion", "tcsh"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.stderr
    assert "Traceback" not in done.stderr
