"""docs/adapters.md, followed to the letter: its files in a new package, its commands in their order."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.shop import call
from tests.cli.test_cli_scaffold import build_wheel, run

GUIDE = Path(__file__).parents[2] / "docs" / "adapters.md"
FILE = re.compile(r"^`([\w/.]+)`\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CONFIGURATION = """
[b2brouter]
environment = "simulator"
base_url = "http://127.0.0.1:9"
[accounts.main]
account_id = "1"
api_key = "test_key"
"""


@pytest.fixture(scope="module")
def faro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the guide, with its README's table made anew."""
    folder = tmp_path_factory.mktemp("guide") / "faro"
    assert call("adapters", "new", "faro", "--into", str(folder)).status == 0
    for name, content in files().items():
        assert (folder / name).exists(), name
        (folder / name).write_text(content, encoding="utf-8")
    readme = folder / "README.md"
    table = settings_of(build_wheel(folder, folder.parent))
    told = re.sub(
        r"(?s)(<!-- settings -->\n).*(<!-- /settings -->)",
        lambda found: f"{found[1]}{table}{found[2]}",
        readme.read_text(encoding="utf-8"),
    )
    readme.write_text(told, encoding="utf-8")
    return folder


def files() -> dict[str, str]:
    """The files that the guide shows in full."""
    return dict(FILE.findall(GUIDE.read_text(encoding="utf-8")))


def settings_of(wheel: Path) -> str:
    return run("connector.cli", "adapters", "settings", "faro", folder=wheel.parent, path=wheel).stdout


def test_the_guide_shows_every_file_that_has_to_change() -> None:
    package = {f"connector_faro/{name}.py" for name in ("__init__", "mapping", "reader", "settings", "writer")}
    assert set(files()) == package | {"tests/sample.sql", "tests/test_conformance.py"}


def test_the_adapter_of_the_guide_passes_every_rule(faro: Path) -> None:
    told = run("pytest", "-q", "-p", "no:cacheprovider", "-k", "not bounded_memory", folder=faro)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "35 pass, 0 fail, 3 skipped" in told.stdout


def test_the_adapter_of_the_guide_has_fewer_lines_than_250() -> None:
    written = [line for name, text in files().items() if name.startswith("connector_") for line in text.splitlines()]
    assert sum(bool(line.strip()) for line in written) < 250


def test_the_adapter_of_the_guide_is_tried_on_a_live_source(faro: Path, tmp_path: Path) -> None:
    source = re.search(r"```toml\n(\[sources.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert source is not None
    (tmp_path / "connector.toml").write_text(CONFIGURATION + source[1], encoding="utf-8")
    with closing(sqlite3.connect(tmp_path / "erp.db")) as connection:
        connection.executescript(files()["tests/sample.sql"])
    wheel = build_wheel(faro, tmp_path)
    told = run("connector.cli", "adapters", "test", "erp", "--json", folder=tmp_path, path=wheel)
    assert told.returncode == 0, told.stdout + told.stderr
    assert {finding["verdict"] for finding in json.loads(told.stdout)["findings"]} == {"pass"}
    listed = run("connector.cli", "adapters", "list", folder=tmp_path, path=wheel).stdout
    assert "faro\tconnector-faro\t0.1.0\tconnector_faro:FaroAdapter" in listed
    preview = run("connector.cli", "preview", "--json", folder=tmp_path, path=wheel)
    assert preview.returncode == 0, preview.stdout + preview.stderr
    assert json.loads(preview.stdout)["count"] == 3
