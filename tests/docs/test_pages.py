"""The pages that are made from the software: as it is, and without a gap."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import connector
from config.settings import Settings
from connector import docs
from connector.adapters import adapter_class, installed
from connector.cli.group import COMMANDS, main
from connector.docs import commands, configuration
from connector.docs.markdown import plain

ROOT = Path(connector.__file__).parents[1]


@pytest.mark.parametrize("name", docs.pages())
def test_the_pages_are_as_the_software_is(name: str) -> None:
    page = ROOT / "docs" / name

    assert page.read_text(encoding="utf-8") == docs.pages()[name], "make docs"


def test_the_pages_are_written_where_one_says(tmp_path: Path) -> None:
    docs.write(tmp_path)

    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(docs.pages())


# ---------------------------------------------------------------- settings


def entries(text: str) -> dict[str, str]:
    """What stands below each heading of the third level."""
    parts = re.split(r"^### (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def all_settings() -> Iterator[str]:
    """The places of all settings, read from the schema and not from the fields: by another way than the page."""
    whole = Settings.model_json_schema(by_alias=True)

    def below(properties: dict[str, Any], place: str) -> Iterator[str]:
        for name, info in properties.items():
            named = info.get("additionalProperties")
            schema = named if isinstance(named, dict) else info
            if "Settings" in schema.get("$ref", ""):
                inner = whole["$defs"][schema["$ref"].rpartition("/")[2]]
                yield from below(inner["properties"], f"{place}{name}.{'NAME.' if schema is named else ''}")
            else:
                yield f"{place}{name}"

    return below(whole["properties"], "")


def test_every_setting_stands_on_the_page_with_its_meaning_and_its_variable() -> None:
    described = entries(configuration.page())
    expected = list(all_settings())

    assert len(expected) > 100
    assert [name for name in described if ": " not in name] == expected
    for name, text in described.items():
        meaning, values, *_ = text.strip().split("\n\n")
        assert re.search(r"`CONNECTOR_[A-Z0-9_]+`$", values), name
        assert meaning, name


def test_every_option_of_our_adapters_stands_on_the_page() -> None:
    described = entries(configuration.page())
    ours = {adapter.name for adapter in installed() if adapter.target.startswith("connector.")}

    assert set(configuration.ADAPTERS) == ours
    for adapter in ours:
        for name, field in adapter_class(adapter).Options.model_fields.items():
            assert f"{adapter}: {field.alias or name}" in described


def test_a_setting_says_what_it_takes_and_what_holds_without_it() -> None:
    described = entries(configuration.page())

    assert "number, more than 0, up to 300 · default `30`" in described["b2brouter.timeout"]
    assert "**required**" in described["sources.NAME.adapter"]
    assert '`"hold"`, `"adopt"` · default `"hold"`' in described["sources.NAME.existing"]
    assert "text, secret" in described["accounts.NAME.api_key"]
    assert "list of time of day" in described["notifications.recipients.NAME.digest_at"]


def test_no_default_of_a_secret_is_hidden_by_stars() -> None:
    assert "*****" not in configuration.page()


def test_a_page_that_a_description_names_is_linked() -> None:
    assert "[validation.md](validation.md) lists them" in configuration.page()


def test_a_star_in_a_description_stays_a_star() -> None:
    assert r"\*.pdf, Annex\*" in configuration.page()
    assert r"manifests/\*/\*.sha256" in commands.page()
    assert plain("all of `*.pdf` and <more>") == "all of `*.pdf` and &lt;more>"


# ---------------------------------------------------------------- commands


def all_commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command below this one with its full name."""
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield f"{path} {name}", inner
            yield from all_commands(inner, f"{path} {name}")


ALL = dict(all_commands(main, "connector"))


def test_every_command_has_its_place_in_the_reference() -> None:
    headings = re.findall(r"^##+ (connector .*)$", commands.page(), re.MULTILINE)

    assert len(ALL) > len(COMMANDS)
    assert sorted(headings) == sorted(ALL)


@pytest.mark.parametrize("path", ALL)
def test_every_option_stands_with_its_command(path: str) -> None:
    page = commands.page()
    general = page[page.index("## General options") : page.index("## connector init")]
    section = re.split(r"^##+ ", page[page.index(f"# {path}\n") :], maxsplit=2, flags=re.MULTILINE)[0]
    for parameter in ALL[path].params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert any(f"`{option}" in general + section or f", {option}" in section for option in parameter.opts)


def test_the_exit_statuses_stand_at_the_top() -> None:
    for status in (0, 1, 2, 3):
        assert f"\n| {status} | " in commands.page()


# ---------------------------------------------------------------- what the pages tell people to type

EXAMPLES = [
    (file.relative_to(ROOT).as_posix(), line.strip())
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "deploy" / "README.md"]
    if file.name not in docs.pages()
    for block in re.findall(
        r"^```(?:sh|console)\n(.*?)^```", file.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    for line in block.splitlines()
    if re.match(r"(\S*/)?connector ", line.strip())
]


@pytest.mark.parametrize(("page", "line"), EXAMPLES)
def test_every_command_that_a_page_shows_exists_with_its_options(page: str, line: str) -> None:
    words = re.sub(r"\s#.*|\s[|>&].*", "", line).split()[1:]
    command: click.Command = main
    known = {option for parameter in main.params for option in parameter.opts}
    while words:
        word = words.pop(0)
        if word == "--config":
            words.pop(0)
        elif word.startswith("--"):
            assert word.partition("=")[0] in known, f"{page}: {line}"
        elif isinstance(command, click.Group):
            inner = command.get_command(click.Context(command), word)
            assert inner is not None, f"{page}: {line}"
            command = inner
            known |= {option for parameter in command.params for option in parameter.opts} | {"--help"}
