"""What a person sees on a terminal of eighty columns, and what goes into a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios

import pytest

from tests.cli.shop import Shop

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(shop: Shop, *arguments: str, answer: str = "", **env: str) -> tuple[int, str]:
    """Run a command on a terminal of eighty columns; return its status and what came out."""
    pid, terminal = pty.fork()
    if pid == 0:
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
            os.environ.pop(name, None)
        os.environ.update({"TERM": "xterm-256color", **env})
        os.execv(sys.executable, [sys.executable, "-m", "connector.cli", "--config", str(shop.config), *arguments])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    if answer:
        os.write(terminal, answer.encode())
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), b"".join(pieces).decode()


@pytest.mark.parametrize(
    "command", [["jobs"], ["explain", "B-0106"], ["check"], ["preview"], ["sync"], ["adapters", "list"]]
)
def test_eighty_columns_are_enough(day: Shop, command: list[str]) -> None:
    status, out = on_a_terminal(day, *command)
    assert status == (3 if command == ["sync"] else 0)
    lines = [line.rpartition("\r")[2] for line in ESCAPE.sub("", out).replace("\r\n", "\n").split("\n")]
    assert max(map(len, lines)) <= 80
    assert "\x1b[" in out


def test_no_color_is_honoured(day: Shop) -> None:
    _, out = on_a_terminal(day, "jobs", NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", out)
    assert "vat_number_wrong" in out
    _, out = on_a_terminal(day, "jobs", "--status", "x", NO_COLOR="1")
    assert "\x1b[" not in out


@pytest.mark.parametrize("command", [["jobs"], ["explain", "B-0106"], ["check"], ["preview"], ["sync"]])
def test_a_pipe_gets_neither_colour_nor_boxes(day: Shop, command: list[str]) -> None:
    process = day.process(*command, FORCE_COLOR="1")
    out, err = process.communicate(timeout=30)
    assert "\x1b" not in out + err
    assert not set("─│┃━┏╭") & set(out)


def test_progress_shows_counts_while_it_works(shop: Shop) -> None:
    shop.world.switches.set({"latency": 0.15})
    _, out = on_a_terminal(shop, "sync", "--patience", "8")
    assert "Working" in out
    assert re.search(r"\d+ pending", ESCAPE.sub("", out))


def test_json_has_no_progress(played: Shop) -> None:
    _, out = on_a_terminal(played, "sync", "--json")
    assert "Working" not in out
    assert out.startswith('{"found"')


def test_a_person_is_asked_before_several_invoices_change(played: Shop) -> None:
    _, out = on_a_terminal(played, "retry", "--status", "held", answer="n\n")
    assert "Go ahead?" in out
    assert "8 invoices would be tried again" in ESCAPE.sub("", out)
    assert played.run("sync", "--json", "--patience", "0").json["held"] == 8
    assert len(played.run("jobs", "--status", "held", "--json").lines) == 8
    _, out = on_a_terminal(played, "skip", "--status", "held", "--note", "x", answer="y\n")
    assert "8 invoices left out for good." in ESCAPE.sub("", out)


def test_a_long_list_is_cut_on_a_terminal_only(day: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from connector.cli import jobs
    from connector.cli.output import Output

    monkeypatch.setattr(jobs, "_ON_A_TERMINAL", 5)
    monkeypatch.setattr(Output, "terminal", property(lambda self: True))
    shown = day.run("jobs").out
    assert "These are the first 5" in shown
    assert "B-0111" not in shown


def test_a_name_that_would_steer_the_terminal_is_made_harmless(shop: Shop) -> None:
    shop.erp("UPDATE customer SET name = 'Evil' || char(27) || '[2J' || char(9) || 'Corp' WHERE id = 12")
    shop.run("sync", "--patience", "0")
    shown = shop.run("jobs", "--search", "Evil").out
    assert "\x1b" not in shown
    assert "Evil [2J Corp" in shown
    assert "\x1b" not in shop.run("explain", "B-0110").out
