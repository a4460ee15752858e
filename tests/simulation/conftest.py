"""What is marked `nightly` runs only where it is asked for: `pytest -m nightly`, or with NIGHTLY set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("NIGHTLY") or "nightly" in (config.option.markexpr or ""):
        return
    later = [item for item in items if item.get_closest_marker("nightly") and _HERE in item.path.parents]
    if later:
        config.hook.pytest_deselected(items=later)
        items[:] = [item for item in items if item not in later]
