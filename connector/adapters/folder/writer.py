"""What is written into the folder: reference and xref beside a file, and where the file goes then.

The side-car file stands in `done` before its file comes there. Whatever moment the process dies at, the same call
again finishes what was begun.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from connector.adapters.folder.files import NOTE, SIDECAR, Files
from connector.adapters.writeback import refuse_others
from connector.crashpoints import crashpoint
from connector.domain.errors import WriteBackRefusedError

_LARGEST: Final = 65_536
"""Bytes of a side-car file that are read; ours are far smaller."""


class Writer:
    """Moves files, and writes beside them."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def record(self, key: str, reference: str, xref: str) -> None:
        """Write both values into the side-car file, then move the file to `done`; repeating it changes nothing.

        Raises:
            WriteBackRefusedError: another reference is there, the file is gone, or another of its name is done.
        """
        relative = self._files.relative(key)
        with self._files.translated():
            if relative is None or not any(self._files.places(key)):
                raise WriteBackRefusedError(
                    f"The file {key} is gone; {reference} was not written.", action="Put it back, then retry."
                )
            done = self._files.done / relative
            sidecar = beside(done, SIDECAR)
            wanted = {"reference": reference, "xref": xref}
            present = read_sidecar(sidecar)
            refuse_others(key, {name: present.get(name) for name in wanted}, wanted)
            source = next((path for path in self._files.places(key) if path != done), None)
            if source is not None:
                _see_that_it_replaces_nothing(source, done)
            if not present:
                write_whole(sidecar, json.dumps({**wanted, "file": key}, indent=2, ensure_ascii=False) + "\n")
            crashpoint("record", "between")
            if source is not None:
                _move(source, done)
            beside(self._files.failed / relative, NOTE).unlink(missing_ok=True)

    def set_aside(self, key: str, message: str) -> None:
        """Move a waiting file to `failed`, with a note beside it; any other stays where it is."""
        relative = self._files.relative(key)
        if relative is None:
            return
        with self._files.translated():
            waiting, failed = self._files.root / relative, self._files.failed / relative
            if os.path.lexists(waiting):
                _move(waiting, failed)
                write_whole(beside(failed, NOTE), message.strip() + "\n")

    def known(self, key: str) -> dict[str, Any]:
        """Return what the side-car file of a document says; nothing where there is none.

        Raises:
            WriteBackRefusedError: there is one that cannot be read.
        """
        relative = self._files.relative(key)
        if relative is None:
            return {}
        with self._files.translated():
            return read_sidecar(beside(self._files.done / relative, SIDECAR))


def beside(path: Path, suffix: str) -> Path:
    """Return the name of what stands beside a file; of a long name, as much as file systems take."""
    name = (
        os.fsdecode(os.fsencode(path.name)[: 255 - len(suffix)]) if len(os.fsencode(path.name)) > 230 else path.name
    )
    return path.with_name(name + suffix)


def read_sidecar(path: Path) -> dict[str, Any]:
    """Return what a side-car file says; nothing where there is none.

    Raises:
        WriteBackRefusedError: it is none of ours, so that it cannot be told what was written.
    """
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(_LARGEST))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        found = error
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in ("reference", "xref")):
        raise WriteBackRefusedError(
            f"The side-car file {path} cannot be read.", action="Move it away, if the file beside it was not issued."
        )
    return found


def write_whole(path: Path, text: str) -> None:
    """Write a file that is there whole, on the disk, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".b2brouter-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o664)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _flush(path.parent)


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    _flush(target.parent)
    _flush(source.parent)


def _see_that_it_replaces_nothing(source: Path, done: Path) -> None:
    """Nothing that was issued before is written over, unless it is the same, byte for byte."""
    if os.path.lexists(done) and source.read_bytes() != done.read_bytes():
        raise WriteBackRefusedError(
            f"Another file stands at {done} already; {source.name} stays where it is.",
            action="Give each file a name of its own.",
        )


def _flush(folder: Path) -> None:
    """Have a change of names in a folder on the disk, where its file system can do that."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
