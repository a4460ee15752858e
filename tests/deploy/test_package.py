"""What is shipped: the product, whole, and nothing else; it installs and begins in an empty environment."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from connector.simulator import SimulatorServer

ROOT = Path(__file__).parents[2]
PACKAGES = {"connector", "workers", "config"}
UNWANTED = re.compile(
    r"(^|/)(tests?|__pycache__|\.git|\.venv|build|dist|secrets|node_modules|\..*_cache)/|\.(pyc|db|db-wal|log|env|key|pem)$"
)
PRODUCT = re.compile(r"^connector/adapters/scaffold/templates/tests/")  # of the packages that `adapters new` writes
SECRET = re.compile(rb"(live|prod)_[0-9a-zA-Z]{16,}|BEGIN [A-Z ]*PRIVATE KEY")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheel and sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--target", "sdist", "--directory"]
    subprocess.run([*command, str(folder)], cwd=ROOT, check=True, capture_output=True, timeout=120)
    return folder


def wheel(built: Path) -> Path:
    [file] = built.glob("*.whl")
    return file


def unwanted(names: Iterable[str]) -> list[str]:
    return [name for name in names if UNWANTED.search(name) and not PRODUCT.match(name)]


def product() -> set[str]:
    """The files of the packages that are under version control."""
    listed = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True)
    return {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}


def test_the_wheel_holds_the_product_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(wheel(built)) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        assert not any(SECRET.search(archive.read(name)) for name in names)
    assert unwanted(names) == []
    described = {name for name in names if ".dist-info/" in name}
    assert {name.rpartition("/")[2] for name in described} == {
        "METADATA", "WHEEL", "RECORD", "entry_points.txt", "LICENSE",
    }  # fmt: skip
    assert product() <= names - described
    assert {name.partition("/")[0] for name in names - described} == PACKAGES


def test_the_sdist_holds_what_the_wheel_is_made_of_with_documentation_and_deployment(built: Path) -> None:
    [file] = built.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert unwanted(names) == []
    assert product() <= names
    assert {name.partition("/")[0] for name in names} == PACKAGES | {
        "docs", "deploy", "LICENSE", "README.md", "CHANGELOG.md", "SECURITY.md", "PKG-INFO", "pyproject.toml",
        ".gitignore", "requirements.lock", "requirements-extras.lock", "requirements-dev.lock",
        "requirements-build.lock",
    }  # fmt: skip


def test_what_an_installation_in_a_clone_keeps_there_gets_into_no_package(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "connector/__init__.py", "deploy/compose.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    secrets = ("api_key", "erp_url", "deploy/etc/connector.toml", "deploy/secrets/api_key")
    for name in secrets:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a secret", encoding="utf-8")

    command = [sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", "dist"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)

    with tarfile.open(next((tmp_path / "dist").glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert "deploy/compose.yaml" in names
    assert names.isdisjoint(secrets)
    ignored = subprocess.run(["git", "check-ignore", *secrets], cwd=ROOT, check=True, capture_output=True, text=True)
    assert ignored.stdout.split() == list(secrets)


@pytest.mark.slow
def test_it_begins_in_an_empty_environment(built: Path, tmp_path: Path, simulator: SimulatorServer) -> None:
    """What it depends on is lent by this environment, so that no network is needed."""
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    libraries = next(home.glob("lib/python*/site-packages"))
    command = [str(home / "bin" / "pip"), "install", "--quiet", "--no-deps", "--no-index", str(wheel(built))]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (libraries / "lent.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")

    def connector(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = str(home / "bin" / "connector")
        return subprocess.run(
            [program, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    assert connector("--version").stdout.startswith("connector")
    (tmp_path / "in").mkdir()
    assert connector("init", "--adapter", "folder").returncode == 0
    config = tmp_path / "connector.toml"
    text = config.read_text("utf-8").replace("http://127.0.0.1:8790", simulator.base_url)
    config.write_text(re.sub(r'(?m)^folder = ".*"', f'folder = "{tmp_path / "in"}"', text), encoding="utf-8")
    checked = connector("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Traceback" not in checked.stderr
    assert connector("sync", "--patience", "1").returncode == 0
    where = subprocess.run(
        [str(home / "bin" / "python"), "-c", "import connector as a, workers as b; print(a.__file__, b.__file__)"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert where.stdout.count(str(libraries)) == 2
