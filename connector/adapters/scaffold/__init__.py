"""`connector adapters new`: a package with an adapter that works, to be changed bit by bit into another ERP's."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel

from connector.adapters import installed
from connector.adapters.settings_table import settings_table
from connector.domain.errors import OutsideError, UsageError
from connector.ports import INTERFACE

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TEMPLATES: Final = "templates"


def new_package(name: str, folder: Path) -> Sequence[Path]:
    """Write a package for the adapter `name` into a folder that does not exist yet; return its files.

    Raises:
        UsageError: the name cannot be one, is taken, or the folder exists.
        OutsideError: the folder cannot be written.
    """
    _require_free(name, folder)
    module = f"connector_{name}"
    cls = "".join(part.capitalize() for part in name.split("_"))
    values = {"name": name, "module": module, "cls": cls, "title": cls, "interface": INTERFACE}
    environment = Environment(
        loader=PackageLoader("connector.adapters.scaffold", _TEMPLATES),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # Python and Markdown, no HTML
    )
    written = []
    try:
        for template in sorted(environment.list_templates(extensions=["j2"]), key=_readme_last):
            if _readme_last(template):
                values["settings"] = settings_table(_options(folder / module, cls)).rstrip()
            path = folder / template.removesuffix(".j2").replace("package/", f"{module}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(environment.get_template(template).render(values), encoding="utf-8")
            written.append(path)
    except OSError as error:
        told = f"{folder} cannot be written: {error.strerror}."
        raise OutsideError(told, action="Name another folder with --into.") from error
    return written


def _require_free(name: str, folder: Path) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name} cannot be the name of an adapter.",
            action="Use small letters, digits and underscores, such as acme.",
        )
    if name in {adapter.name for adapter in installed()}:
        raise UsageError(f"There is an adapter {name} already.", action="See: connector adapters list.")
    if folder.exists():
        raise UsageError(f"{folder} exists already.", action="Name another folder: --into.")


def _readme_last(template: str) -> bool:
    return template == "README.md.j2"


def _options(package: Path, cls: str) -> type[BaseModel]:
    """Return the model of the settings that was just written: the README's table is made from it."""
    spec = importlib.util.spec_from_file_location("connector_scaffold_settings", package / "settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where pydantic looks up what its annotations mean
    try:
        spec.loader.exec_module(module)
        model: type[BaseModel] = getattr(module, f"{cls}Options")
    finally:
        del sys.modules[spec.name]
    return model
