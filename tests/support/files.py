"""Sample files of the formats that the adapter `folder` reads, and changed copies of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from connector.adapters.folder.files import Files
from connector.adapters.folder.settings import FolderOptions

SAMPLES: Final = Path(__file__).parents[1] / "data" / "folder"
NAMES: Final = tuple(sorted(path.name for path in SAMPLES.iterdir()))


def sample(name: str, *replaced: tuple[str, str]) -> bytes:
    """Return a sample file in which some texts are others, wherever they stand."""
    content = (SAMPLES / name).read_text(encoding="utf-8")
    for old, new in replaced:
        assert old in content, f"{name} has no {old}"
        content = content.replace(old, new)
    return content.encode()


def files(folder: Path, **options: object) -> Files:
    """Return the files of a folder, which are read at once unless the test says otherwise."""
    settings = {"folder": folder, "settle_seconds": 0, **options}
    return Files("erp", FolderOptions.model_validate(settings), sleep=lambda seconds: None)
