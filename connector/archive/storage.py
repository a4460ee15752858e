"""The place of the archive: a folder, or whatever fsspec reaches, such as a bucket. Files are written once.

A file appears under its name whole and durable, or not at all; what stands there is never written over.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from time import time
from typing import Any, BinaryIO, Final, Protocol, cast

from connector.crashpoints import crashpoint
from connector.domain.errors import OutsideError, UsageError

_PIECE: Final = 64 * 1024
_INCOMING: Final = "incoming"
_LEFT_BEHIND: Final = 3600.0
"""Seconds after which an unfinished file has lost its writer."""
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
"""What systems of files say that know no second name of a file: FAT, many mounted shares."""


class ArchiveError(OutsideError):
    """The archive cannot be read or written now; what was to be kept is tried again."""


class Storage(Protocol):
    """A place of files. Used from several threads.

    Raises everywhere: `ArchiveError`.
    """

    place: str
    """Where it is, without secrets."""

    def put(self, name: str, content: bytes) -> None:
        """Store a file; one of this name with the same content is fine, any other one is left as it is.

        Raises:
            ArchiveError: also where another content stands under the name.
        """

    def read(self, name: str) -> bytes | None:
        """Return a whole file; None where there is none."""

    def digest(self, name: str) -> str | None:
        """Return the SHA-256 of a file, in hexadecimal digits; None where there is none."""

    def names(self) -> Iterator[str]:
        """Yield the names of all files, in any order."""

    def tidy(self) -> None:
        """Remove what interrupted writers left behind."""

    def check(self) -> None:
        """See that the place is there and can be written to."""


def sha256(content: bytes) -> str:
    """Return the hash under which a content is filed."""
    return hashlib.sha256(content).hexdigest()


def open_storage(url: str, options: Mapping[str, Any]) -> Storage:
    """Return the place that a setting names; nothing is read or written yet.

    Args:
        url: a path, or an address of fsspec such as `s3://bucket/folder`.
        options: of the address's kind, such as `endpoint_url`.

    Raises:
        UsageError: the address cannot be used here.
    """
    kind, separator, rest = url.partition("://")
    if not separator:
        return Folder(Path(url))
    if kind == "file":
        return Folder(Path(rest))
    return Bucket(url, options)


class Folder:
    """A folder of this machine, or one that is mounted here."""

    def __init__(self, folder: Path) -> None:
        """Keep files below `folder`, which is made when the first one comes."""
        self._folder = folder.absolute()
        self.place = str(self._folder)

    def put(self, name: str, content: bytes) -> None:
        """Write beside, make durable, then give it its name, which fails where the name is taken."""
        target = self._folder / name
        if target.exists():
            _see_that_it_is(self, name, content)
            return
        try:
            unfinished = self._write(content)
            try:
                self._make(target.parent)
                self._name(unfinished, target)
            except FileExistsError:  # another worker was quicker
                _see_that_it_is(self, name, content)
                return
            finally:
                unfinished.unlink(missing_ok=True)
            _make_durable(target.parent)
        except OSError as error:
            raise self._failed(error, "written") from error

    def _name(self, unfinished: Path, target: Path) -> None:
        """Give a file its name.

        Raises:
            FileExistsError: the name is taken.
        """
        try:
            os.link(unfinished, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._rename(unfinished, target)
        crashpoint("archive", "named")

    def _rename(self, unfinished: Path, target: Path) -> None:
        """Where nothing can be linked, a claim keeps two from taking a name at once: renaming would write over it."""
        name = str(target.relative_to(self._folder))
        claim = self._folder / _INCOMING / f"{sha256(name.encode())}.claim"
        try:
            claim.touch(exist_ok=False)
        except FileExistsError:
            raise BlockingIOError(errno.EAGAIN, f"somebody else is just writing {name}") from None
        try:
            if target.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
            unfinished.rename(target)
        finally:
            claim.unlink(missing_ok=True)

    def _write(self, content: bytes) -> Path:
        incoming = self._folder / _INCOMING
        self._make(incoming)
        unfinished = incoming / uuid.uuid4().hex
        try:
            with unfinished.open("xb") as stream:
                for start in range(0, len(content), _PIECE):
                    stream.write(content[start : start + _PIECE])
                    stream.flush()
                    crashpoint("archive", "half_written")
                os.fsync(stream.fileno())
            with contextlib.suppress(PermissionError):  # shares that know no such rights
                unfinished.chmod(0o440)  # nobody changes it by a slip
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        crashpoint("archive", "written")
        return unfinished

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        _make_durable(folder.parent)

    def read(self, name: str) -> bytes | None:
        """Return a whole file."""
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed(error, "read") from error

    def digest(self, name: str) -> str | None:
        """Return the hash of a file, read in pieces."""
        try:
            with (self._folder / name).open("rb") as stream:
                return _digest(stream)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed(error, "read") from error

    def names(self) -> Iterator[str]:
        """Yield the names of all files but the unfinished ones."""
        for folder, below, files in os.walk(self._folder, onerror=self._raise):
            here = Path(folder).relative_to(self._folder)
            if here == Path():
                below[:] = [name for name in below if name != _INCOMING]
            for file in files:
                yield str(PurePosixPath(here / file))

    def _raise(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # a place where nothing was ever kept
            raise self._failed(error, "read") from error

    def tidy(self) -> None:
        """Remove unfinished files whose writer is long gone."""
        try:
            for file in (self._folder / _INCOMING).glob("*"):
                with contextlib.suppress(FileNotFoundError):  # its writer, or another worker, was quicker
                    if time() - file.stat().st_mtime > _LEFT_BEHIND:
                        file.unlink()
        except OSError as error:
            raise self._failed(error, "written") from error

    def check(self) -> None:
        """Write and name a file as all others are, but beside them, and remove it."""
        try:
            unfinished = self._write(b"check")
            named = unfinished.with_suffix(".check")
            try:
                self._name(unfinished, named)
                _make_durable(named.parent)
            finally:
                unfinished.unlink(missing_ok=True)
                named.unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(error, "written") from error

    def _failed(self, error: OSError, what: str) -> ArchiveError:
        return ArchiveError(
            f"The archive {self.place} cannot be {what}: {error.strerror or error}.",
            action="Make room, or see to the rights of the folder. Nothing is lost: it is tried again.",
        )


class Bucket:
    """A store of objects that fsspec reaches; an object appears whole or not at all."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Prepare the way to `url`.

        Raises:
            UsageError: no such kind of storage, its package is not installed, or it takes other options.
        """
        import fsspec

        try:
            self._files, self._root = fsspec.core.url_to_fs(url, **options)
        except ImportError as error:
            raise UsageError(
                f"archive.url needs a package that is not installed: {error}.",
                action="For S3: pip install 'b2brouter-connector[s3]'.",
            ) from None
        except (ValueError, TypeError) as error:
            raise UsageError(f"archive.url or archive.options cannot be used: {error}.") from None
        self._bucket = str(PurePosixPath(*PurePosixPath(self._root).parts[: 1 + self._root.startswith("/")]))
        self.place = f"{url.partition('://')[0]}://{self._root.lstrip('/')}"

    def put(self, name: str, content: bytes) -> None:
        """Store an object unless there is one of this name.

        Looked for first, for some stores know no condition on writing; where one does, it decides between two that
        write at once.
        """
        if self.digest(name) is not None:
            _see_that_it_is(self, name, content)
            return
        try:
            self._create(name, content)
        except FileExistsError:  # another worker was quicker
            _see_that_it_is(self, name, content)
        except _failures() as error:
            raise self._failed(error, "written") from error

    def _create(self, name: str, content: bytes) -> None:
        try:
            self._files.pipe_file(self._path(name), content, mode="create")
        except FileNotFoundError:  # a store with folders; a bucket that is not there stays so
            for folder in list(PurePosixPath(name).parents)[-2::-1]:
                self._make(self._path(str(folder)))
            self._files.pipe_file(self._path(name), content, mode="create")

    def _make(self, folder: str) -> None:
        with contextlib.suppress(FileExistsError):
            self._files.mkdir(folder, create_parents=False)

    def read(self, name: str) -> bytes | None:
        """Return a whole object."""
        try:
            return cast(bytes, self._files.cat_file(self._path(name)))
        except FileNotFoundError:
            return None
        except _failures() as error:
            raise self._failed(error, "read") from error

    def digest(self, name: str) -> str | None:
        """Return the hash of an object, read in pieces."""
        try:
            with self._files.open(self._path(name), "rb") as stream:
                return _digest(stream)
        except FileNotFoundError:
            return None
        except _failures() as error:
            raise self._failed(error, "read") from error

    def names(self) -> Iterator[str]:
        """Yield the names of all objects below the root."""
        try:
            self._files.invalidate_cache()
            for folder, _, files in self._files.walk(self._root):
                here = str(folder).strip("/").removeprefix(self._root.strip("/")).strip("/")
                yield from (f"{here}/{file}" if here else file for file in files if file)
        except FileNotFoundError:
            return
        except _failures() as error:
            raise self._failed(error, "read") from error

    def tidy(self) -> None:
        """Do nothing: an interrupted upload leaves no object."""

    def check(self) -> None:
        """See that the bucket is there; nothing is written, for nothing could be removed from some."""
        try:
            self._files.invalidate_cache()
            there = self._files.exists(self._bucket)
        except _failures() as error:
            raise self._failed(error, "read") from error
        if not there:
            raise self._failed(FileNotFoundError(f"there is no {self._bucket}"), "read")

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _failed(self, error: Exception, what: str) -> ArchiveError:
        said = " ".join(str(error).split()) or type(error).__name__
        return ArchiveError(
            f"The archive {self.place} cannot be {what}: {said}.",
            action="Check address, credentials and rights of the storage. Nothing is lost: it is tried again.",
        )


def _failures() -> tuple[type[Exception], ...]:
    """What a storage raises: the libraries of S3 have errors that are none of the system's."""
    try:
        library = importlib.import_module("botocore.exceptions")
    except ImportError:
        return (OSError,)
    return (OSError, library.BotoCoreError, library.ClientError)


def _see_that_it_is(storage: Storage, name: str, content: bytes) -> None:
    if storage.digest(name) != sha256(content):
        raise ArchiveError(
            f"The archive {storage.place} holds something else as {name}; it was left as it is.",
            action="Run connector archive verify.",
        )


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := stream.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _make_durable(folder: Path) -> None:
    """Have the names in a folder survive a power cut, where the system of files can be told to."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, *_NO_LINKS}:
            raise
    finally:
        os.close(handle)
