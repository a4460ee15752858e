"""The place of the archive: written once, whole or not at all."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, Final

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from connector.archive.storage import ArchiveError, Bucket, Folder, Storage, open_storage, sha256
from connector.domain.errors import UsageError

KILLED = -signal.SIGKILL


S3: Final = "S3_URL"
"""Names a server of S3 for the tests marked slow, such as `moto_server -p 5099` and `S3_URL=http://127.0.0.1:5099`.

Its package s3fs is not among those of development, and any key must do.
"""


class Unconditional(MemoryFileSystem):  # type: ignore[misc]
    """A store that takes no notice of the condition that there is nothing yet."""

    protocol = "unconditional"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("unconditional://")))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        super().pipe_file(path, value, mode="overwrite", **options)


fsspec.register_implementation("unconditional", Unconditional, clobber=True)


def s3(monkeypatch: pytest.MonkeyPatch, bucket: str) -> Bucket:
    """A place on a server of S3; skips where there is none."""
    if S3 not in os.environ:
        pytest.skip(f"no server of S3: start one, and name it in {S3}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return Bucket(f"s3://{bucket}/archive", {"endpoint_url": os.environ[S3]})


@pytest.fixture(params=["folder", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def storage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """A folder, and stores of objects behind fsspec."""
    if request.param == "folder":
        yield open_storage(str(tmp_path / "archive"), {})
    elif request.param == "s3":
        bucket = f"b{uuid.uuid4().hex}"
        place = s3(monkeypatch, bucket)
        fsspec.filesystem("s3", endpoint_url=os.environ[S3]).mkdir(bucket)
        yield place
    else:
        files = fsspec.filesystem("memory")
        files.mkdir("/evidence")
        yield open_storage("memory://evidence/archive", {})
        files.rm("/evidence", recursive=True)


def test_a_file_is_there_as_it_was_put(storage: Storage) -> None:
    storage.put("files/ab/one.xml", b"<a/>")

    assert storage.read("files/ab/one.xml") == b"<a/>"
    assert storage.digest("files/ab/one.xml") == sha256(b"<a/>")
    assert list(storage.names()) == ["files/ab/one.xml"]


def test_what_was_never_put_is_not_there(storage: Storage) -> None:
    storage.put("files/ab/one.xml", b"<a/>")

    assert storage.read("files/ab/two.xml") is None
    assert storage.digest("files/ab/two.xml") is None


def test_the_same_again_is_fine_and_anything_else_is_refused(storage: Storage) -> None:
    storage.put("files/ab/one.xml", b"<a/>")
    storage.put("files/ab/one.xml", b"<a/>")

    with pytest.raises(ArchiveError, match=r"holds something else as files/ab/one\.xml"):
        storage.put("files/ab/one.xml", b"<b/>")

    assert storage.read("files/ab/one.xml") == b"<a/>"


def test_a_place_without_anything_has_no_names(storage: Storage) -> None:
    assert list(storage.names()) == []
    storage.check()
    assert list(storage.names()) == []


def test_a_store_that_knows_no_condition_is_looked_at_first() -> None:
    storage = Bucket("unconditional://evidence/archive", {})
    storage.put("files/ab/one.xml", b"<a/>")
    storage.put("files/ab/one.xml", b"<a/>")

    with pytest.raises(ArchiveError, match=r"holds something else as files/ab/one\.xml"):
        storage.put("files/ab/one.xml", b"<b/>")

    assert storage.read("files/ab/one.xml") == b"<a/>"


@pytest.mark.parametrize("storage", ["folder", pytest.param("s3", marks=pytest.mark.slow)], indirect=True)
def test_of_many_that_write_at_once_one_counts(storage: Storage) -> None:
    contents = [b"%d" % number * 100_000 for number in range(8)]

    def put(content: bytes) -> bool:
        try:
            storage.put("files/ab/one.bin", content)
        except ArchiveError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = dict(zip(contents, pool.map(put, contents), strict=True))
    assert [content for content, stored in done.items() if stored] == [storage.read("files/ab/one.bin")]


def test_a_bucket_that_is_not_there_is_said_and_never_made() -> None:
    storage = Bucket("memory://nowhere/archive", {})

    with pytest.raises(ArchiveError, match="cannot be read: there is no /nowhere"):
        storage.check()


@pytest.mark.slow
def test_a_bucket_that_s3_does_not_have_is_said_and_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = s3(monkeypatch, f"b{uuid.uuid4().hex}")

    with pytest.raises(ArchiveError, match="cannot be written"):
        storage.put("files/ab/one.xml", b"<a/>")
    with pytest.raises(ArchiveError, match="cannot be read: there is no b"):
        storage.check()
    assert list(storage.names()) == []


def test_a_store_with_folders_gets_those_that_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    storage = Bucket(f"local://{tmp_path}/archive", {})
    storage.put("files/ab/one.xml", b"<a/>")
    storage.put("files/cd/two.xml", b"<b/>")
    with pytest.raises(ArchiveError, match="holds something else"):
        storage.put("files/ab/one.xml", b"<b/>")

    assert sorted(storage.names()) == ["files/ab/one.xml", "files/cd/two.xml"]


def test_a_full_disk_is_said_in_a_sentence_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "archive")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # as a quota does
    try:
        with pytest.raises(ArchiveError, match=r"archive cannot be written: File too large\.") as caught:
            folder.put("files/ab/large.pdf", b"x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert "Nothing is lost" in caught.value.action
    assert list(folder.names()) == []
    assert list((tmp_path / "archive" / "incoming").iterdir()) == []


@pytest.fixture
def linkless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A folder on a share that knows no links."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    return Folder(tmp_path / "share")


def test_where_nothing_can_be_linked_a_file_is_written_once_all_the_same(linkless: Folder) -> None:
    linkless.check()
    linkless.put("files/aa/x.xml", b"<x/>")
    linkless.put("files/aa/x.xml", b"<x/>")
    with pytest.raises(ArchiveError, match="something else"):
        linkless.put("files/aa/x.xml", b"<y/>")

    assert linkless.read("files/aa/x.xml") == b"<x/>"
    assert list(linkless.names()) == ["files/aa/x.xml"]
    assert list(Path(linkless.place, "incoming").iterdir()) == []


def test_where_nothing_can_be_linked_one_of_many_counts(linkless: Folder) -> None:
    def put(number: int) -> bool:
        try:
            linkless.put("manifests/1.sha256", str(number).encode())
        except ArchiveError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(put, range(40)))
    assert written.count(True) == 1
    assert linkless.read("manifests/1.sha256") == str(written.index(True)).encode()


def test_a_claim_that_a_killed_writer_left_keeps_others_away_for_an_hour(linkless: Folder) -> None:
    claim = Path(linkless.place, "incoming", f"{sha256(b'a')}.claim")
    claim.parent.mkdir(parents=True)
    claim.touch()
    with pytest.raises(ArchiveError, match="somebody else is just writing a"):
        linkless.put("a", b"1")
    os.utime(claim, (time.time() - 3601,) * 2)
    linkless.tidy()
    linkless.put("a", b"1")


def test_the_check_names_a_file_as_putting_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(ArchiveError, match="cannot be written"):
        Folder(tmp_path).check()
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_place_that_cannot_be_one_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(ArchiveError, match="cannot be written: File exists"):
        Folder(tmp_path / "file" / "archive").check()
    with pytest.raises(UsageError, match=r"archive\.url"):
        open_storage("nosuch://bucket", {})


def test_refusals_of_a_store_are_said_in_a_sentence() -> None:
    storage = Bucket("local:///proc/1/archive", {})  # a place that nobody can write to

    with pytest.raises(ArchiveError, match="cannot be written: ") as caught:
        storage.put("files/ab/one.xml", b"<a/>")

    assert "tried again" in caught.value.action


def test_files_cannot_be_changed_by_a_slip(tmp_path: Path) -> None:
    Folder(tmp_path).put("one.xml", b"<a/>")

    assert (tmp_path / "one.xml").stat().st_mode & 0o777 == 0o440


@pytest.mark.slow
def test_kill_9_while_an_object_goes_to_s3_leaves_it_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = f"b{uuid.uuid4().hex}"
    storage = s3(monkeypatch, bucket)
    fsspec.filesystem("s3", endpoint_url=os.environ[S3]).mkdir(bucket)
    content = b"x" * 20_000_000
    stood = 0
    for number in range(20):
        name = f"files/ab/{number}.bin"
        writer = subprocess.Popen(
            [sys.executable, "-c", PUT_TO_S3, bucket, name, os.environ[S3]], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "now\n"
        time.sleep(number / 40)
        writer.kill()
        writer.communicate()
        time.sleep(0.5)  # the server may be storing what it has received
        assert storage.digest(name) in {None, sha256(content)}
        stood += storage.digest(name) is not None
        storage.put(name, content)
        assert storage.digest(name) == sha256(content)
    assert 0 < stood < 20


PUT_TO_S3 = """
import sys
from connector.archive.storage import Bucket
bucket, name, url = sys.argv[1:]
storage = Bucket(f"s3://{bucket}/archive", {"endpoint_url": url})
storage.read(name)
print("now", flush=True)
storage.put(name, b"x" * 20_000_000)
"""

PUT = """
import sys
from pathlib import Path
from connector.archive.storage import Folder
Folder(Path(sys.argv[1])).put("files/ab/one.bin", b"x" * 300_000)
"""


@pytest.mark.parametrize(
    ("point", "stands"),
    [
        ("archive.half_written", False),
        ("archive.half_written:4", False),
        ("archive.written", False),
        ("archive.named", True),
    ],
)
def test_kill_9_leaves_no_half_file_with_a_good_name(tmp_path: Path, point: str, *, stands: bool) -> None:
    folder = Folder(tmp_path)
    environment = {**os.environ, "CONNECTOR_CRASH_AT": point}
    ended = subprocess.run([sys.executable, "-c", PUT, str(tmp_path)], env=environment, check=False)

    assert ended.returncode == KILLED
    assert list(folder.names()) == (["files/ab/one.bin"] if stands else [])
    folder.put("files/ab/one.bin", b"x" * 300_000)
    assert folder.digest("files/ab/one.bin") == sha256(b"x" * 300_000)


def test_what_a_killed_writer_left_is_removed_after_an_hour(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    for name in ("old", "new"):
        (incoming / name).write_bytes(b"half")
    os.utime(incoming / "old", (0, 0))

    folder.tidy()

    assert [file.name for file in incoming.iterdir()] == ["new"]


def test_what_another_worker_removes_first_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    for name in ("one", "two"):
        (incoming / name).write_bytes(b"half")
        os.utime(incoming / name, (0, 0))
    found = [incoming / "gone", *incoming.iterdir()]
    monkeypatch.setattr(Path, "glob", lambda *_: iter(found))

    Folder(tmp_path).tidy()

    assert list(incoming.iterdir()) == []
