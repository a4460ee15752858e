"""How the product logs."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from config import logging as log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_daemon_logs_one_json_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.for_a_daemon()
    logging.getLogger("some.part").info("took %s", 3, extra={"job": 7})
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["logger"], line["message"], line["job"]) == ("info", "some.part", "took 3", 7)
    assert line["time"].endswith("Z")


def test_what_a_library_has_written_a_second_time_in_colours_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    log.for_a_daemon()
    logging.getLogger("uvicorn.error").info("Finished %s", 3, extra={"color_message": "Finished \033[36m%d\033[0m"})
    line = json.loads(capsys.readouterr().err)
    assert line["message"] == "Finished 3"
    assert "color_message" not in line


def test_a_warning_of_python_s_is_a_line_like_the_others() -> None:
    program = "from config import logging; logging.for_a_daemon(); import warnings; warnings.warn('two\\nlines')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    line = json.loads(done.stderr)
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert "two\nlines" in line["message"]


def test_a_traceback_stays_within_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.for_a_daemon()
    try:
        raise ValueError("no good")
    except ValueError:
        logging.getLogger("part").exception("failed")
    (text,) = capsys.readouterr().err.splitlines()
    assert "ValueError: no good" in json.loads(text)["error"]


def test_the_level_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    log.for_a_daemon("warning")
    logging.getLogger("part").info("too much")
    logging.getLogger("part").warning("right")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_person_gets_plain_lines_and_tracebacks_on_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    log.for_a_daemon()
    try:
        raise ValueError("no good")
    except ValueError:
        logging.getLogger("part").exception("failed")
        assert terminal.getvalue().endswith("error   failed: ValueError: no good\n")
        monkeypatch.setenv("CONNECTOR_DEBUG", "1")
        logging.getLogger("part").exception("failed")
    assert "Traceback" in terminal.getvalue()


def test_registered_secrets_are_struck_out_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    log.redaction.register(["p@ss word!", "short"])
    log.for_a_daemon()
    try:
        raise ValueError("url with p%40ss%20word%21")
    except ValueError:
        logging.getLogger("part").exception("key %s", "p@ss word!", extra={"url": "x p%40ss+word%21"})
    written = capsys.readouterr().err
    assert written.count("***") == 4
    assert not [form for form in ("ss word", "ss%20word", "ss+word") if form in written]
    assert log.redaction.clean("a short text") == "a short text"  # would occur by chance


def test_a_person_sees_nothing_by_itself_but_bugs_are_kept_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    log.for_a_person()
    logging.getLogger("part").error("said by the command itself")
    assert log.error_file() is None
    try:
        raise ValueError("no good")
    except ValueError:
        logging.getLogger("part").exception("failed")
    file = log.error_file()
    assert isinstance(file, Path)
    assert file.stat().st_mode & 0o077 == 0
    assert "no good" in file.read_text(encoding="utf-8")
    assert capsys.readouterr().err == ""
    file.unlink()


def test_where_files_end_with_the_process_a_bug_is_told_on_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR_TRANSIENT", "1")
    log.for_a_person()
    logging.getLogger("part").error("said by the command itself")
    try:
        raise ValueError("no good")
    except ValueError:
        logging.getLogger("part").exception("failed")
    assert log.error_file() is None
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: no good" in json.loads(line)["error"]


def test_a_person_may_ask_for_more(capsys: pytest.CaptureFixture[str]) -> None:
    log.for_a_person("info")
    logging.getLogger("part").info("job 1 held")
    assert "job 1 held" in capsys.readouterr().err
