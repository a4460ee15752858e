"""Fixtures for the command line."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config import logging as log
from connector.demo.stage import Stage
from tests.cli.shop import Reopened, Shop


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command sets up the logging of its process; here the process is the tests'."""
    root = logging.getLogger()
    level = root.level
    yield
    log._install()
    root.setLevel(level)
    log.redaction.forget()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A back office with seventeen documents, none of them found yet, and a simulator that behaves."""
    folder = tmp_path / "shop"
    folder.mkdir()
    with Stage(folder, today=datetime.now(UTC).date()) as stage:
        yield Shop(stage)


@pytest.fixture(scope="session")
def _played_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Where a first sync was played, and what it left behind, to be put back there for each test."""
    folder, kept = tmp_path_factory.mktemp("played"), tmp_path_factory.mktemp("kept")
    with Stage(folder, today=datetime.now(UTC).date()) as stage:
        assert Shop(stage).run("sync", "--patience", "8").status == 3
    for path in folder.iterdir():
        shutil.copy(path, kept)
    return kept, folder


@pytest.fixture
def played(_played_once: tuple[Path, Path]) -> Iterator[Shop]:
    """The same after a first sync: six invoices issued, eight held."""
    with Reopened(*_played_once) as stage:
        yield Shop(stage)


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The same, shared by all tests that only look."""
    folder = tmp_path_factory.mktemp("day")
    with Stage(folder, today=datetime.now(UTC).date()) as stage:
        shop = Shop(stage)
        assert shop.run("sync", "--patience", "8").status == 3
        yield shop
