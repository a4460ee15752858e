"""`make site`: the documentation as a site, without a broken link and without another host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import connector

ROOT = Path(connector.__file__).parents[1]
BUILDER = ["mkdocs", "build", "--strict"]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def checked(site: Path) -> subprocess.CompletedProcess[str]:
    return run(ROOT / ".ci" / "site" / "check.py", site)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew."""
    folder = tmp_path_factory.mktemp("site")
    built = run("-m", *BUILDER, "--site-dir", folder)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_every_link_leads_somewhere_and_nothing_comes_from_another_host(site: Path) -> None:
    assert checked(site).stdout.splitlines()[-1].endswith(" 0 faults")


def test_pages_from_beside_the_folder_are_on_the_site_and_lead_back(site: Path) -> None:
    assert 'href="threat-model.html"' in (site / "security.html").read_text(encoding="utf-8")
    assert 'href="operations.html#upgrades"' in (site / "deployment.html").read_text(encoding="utf-8")
    assert "Unreleased" in (site / "changelog.html").read_text(encoding="utf-8")


def test_the_picture_stands_in_the_page_so_that_its_text_can_be_selected(site: Path) -> None:
    for page in ("index.html", "architecture.html"):
        assert ">The ledger, our own database</text>" in (site / page).read_text(encoding="utf-8")


def test_a_translated_page_says_its_language(site: Path) -> None:
    assert '<html lang="ca"' in (site / "reasons.ca.html").read_text(encoding="utf-8")
    assert '<html lang="en"' in (site / "reasons.html").read_text(encoding="utf-8")


def test_search_works_from_a_folder_too(site: Path) -> None:
    """Opened without a server, the index is read as a script, and a frame takes the place of the worker."""
    assert (site / "search" / "search_index.js").read_text(encoding="utf-8").startswith("var __index = {")
    assert "assets/iframe-worker.js" in (site / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[gone](gone.md)", "gone.md"),
        ("[gone](operations.md#gone)", "#gone"),
        ("[gone](../deploy/gone.md)", "gone.md"),
    ],
)
def test_a_link_that_leads_nowhere_fails(text: str, complaint: str, tmp_path: Path) -> None:
    pages = tmp_path / "docs"
    pages.mkdir()
    (pages / "index.md").write_text(f"# A page\n\n{text}\n", encoding="utf-8")
    (pages / "operations.md").write_text("# Another\n", encoding="utf-8")
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = settings[: settings.index("\nnav:")].replace(".ci/site", str(ROOT / ".ci" / "site"))
    (tmp_path / "mkdocs.yml").write_text(f"docs_dir: {pages}\n{settings}", encoding="utf-8")

    built = run("-m", *BUILDER, "--config-file", tmp_path / "mkdocs.yml", "--site-dir", tmp_path / "site")

    assert built.returncode != 0
    assert complaint in built.stderr + built.stdout


@pytest.mark.parametrize(
    ("tag", "complaint"),
    [
        ('<a href="gone.html">x</a>', "gone.html leads nowhere"),
        ('<a href="#gone">x</a>', "#gone names no place"),
        ('<a href=".">x</a>', ". leads to a folder"),
        ('<script src="https://cdn.example.com/x.js"></script>', "from another host"),
        ('<link rel="stylesheet" href="//fonts.example.com/x.css">', "from another host"),
    ],
)
def test_a_built_page_that_is_wrong_is_named(tag: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(f"<html><body>{tag}</body></html>", encoding="utf-8")

    looked = checked(tmp_path)

    assert looked.returncode == 1
    assert complaint in looked.stdout


def test_links_to_other_sites_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text('<a href="https://www.b2brouter.net">x</a>', encoding="utf-8")

    assert checked(tmp_path).returncode == 0
