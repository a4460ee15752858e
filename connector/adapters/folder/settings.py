"""The options of a source with `adapter = "folder"`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator, model_validator

from connector.adapters.options import AdapterOptions


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or any(part.startswith(".") for part in path.parts):
        raise ValueError("give the name of a folder inside the folder")
    return str(path)


SubFolder = Annotated[str, AfterValidator(_inside)]


class FolderOptions(AdapterOptions):
    """Options of the folder adapter."""

    folder: Path = Field(description="Where the files are dropped: an absolute path.")
    patterns: list[str] = Field(
        ["*.xml", "*.xsig"],
        min_length=1,
        description="Which files are read, whatever the case: * and ? stay within a folder, **/ means any depth.",
    )
    done: SubFolder = Field("done", description="Folder, inside the folder, of files that were issued.")
    failed: SubFolder = Field("failed", description="Folder, inside the folder, of files that a person must look at.")
    settle_seconds: float = Field(
        2.0, ge=0, le=300, description="A file is read when it has not changed for so many seconds."
    )
    max_megabytes: float = Field(10.0, gt=0, le=16, description="Larger files are refused unread.")

    @field_validator("folder")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        if not folder.is_absolute():
            raise ValueError("give an absolute path")
        return folder

    @model_validator(mode="after")
    def _apart(self) -> FolderOptions:
        if self.done == self.failed:
            raise ValueError("done and failed must be two folders")
        return self

    @property
    def max_bytes(self) -> int:
        """The largest file that is read."""
        return int(self.max_megabytes * 1_000_000)
