"""Every body of the files seam does the same."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from millstream_log.errors import LockedError
from millstream_log.storage.files import Files, OsFile, OsFiles, replace_file
from millstream_log.testing import MemoryFiles


class SeekingFiles(OsFiles):
    """The operating system's files where it has no pread."""

    def open(self, path: str, *, writable: bool = False, create: bool = False) -> OsFile:
        file = super().open(path, writable=writable, create=create)
        assert isinstance(file, OsFile)
        file._seek_lock = threading.Lock()
        return file


@pytest.fixture(params=["os", "os without pread", "memory"])
def body(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Files, str]:
    """Return a body and a directory in it."""
    files: Files = {
        "os": OsFiles,
        "os without pread": SeekingFiles,
        "memory": MemoryFiles,
    }[request.param]()
    root = str(tmp_path / "root")
    files.make_dir(root)
    return files, root


def test_bytes_stay_where_they_are_written(body: tuple[Files, str]) -> None:
    """A write at a position is read there, a gap reads as zeros, the end reads short."""
    files, root = body
    file = files.open(root + "/a", writable=True, create=True)
    file.pwrite(b"hello", 0)
    file.pwrite(bytearray(b"world"), 7)
    file.pwrite(memoryview(b"J"), 0)
    assert file.pread(100, 0) == b"Jello\0\0world"
    assert file.pread(3, 7) == b"wor"
    assert file.pread(3, 12) == b""
    assert file.size() == files.size(root + "/a") == 12
    file.sync()
    file.truncate(5)
    assert file.pread(100, 0) == b"Jello"
    file.truncate(7)
    assert files.read(root + "/a") == b"Jello\0\0"
    file.close()
    file.close()


def test_opening_never_truncates(body: tuple[Files, str]) -> None:
    """A file that is there keeps its bytes, and one that is not there is said to be missing."""
    files, root = body
    with pytest.raises(FileNotFoundError):
        files.open(root + "/a", writable=True)
    with pytest.raises(FileNotFoundError):
        files.open(root + "/none/a", writable=True, create=True)
    for data in (b"abc", b"d"):
        file = files.open(root + "/a", writable=True, create=True)
        file.pwrite(data, 0)
        file.close()
    assert files.read(root + "/a") == b"dbc"


def test_a_file_opened_to_read_is_not_written(body: tuple[Files, str]) -> None:
    """A reader cannot change a file by mistake."""
    files, root = body
    files.open(root + "/a", writable=True, create=True).close()
    file = files.open(root + "/a")
    with pytest.raises(OSError):
        file.pwrite(b"x", 0)
    file.close()


def test_names_come_and_go(body: tuple[Files, str]) -> None:
    """Rename replaces, remove forgives what is missing, a list shows what is there."""
    files, root = body
    for name in ("a", "b"):
        file = files.open(f"{root}/{name}", writable=True, create=True)
        file.pwrite(name.encode(), 0)
        file.close()
    files.rename(root + "/a", root + "/b")
    assert files.list(root) == ["b"]
    assert files.read(root + "/b") == b"a"
    assert not files.exists(root + "/a")
    files.sync_dir(root)
    files.remove(root + "/b")
    files.remove(root + "/b")
    assert files.list(root) == []
    for missing in (files.read, files.size, files.modified_ms, files.list):
        with pytest.raises(FileNotFoundError):
            missing(root + "/b")
    with pytest.raises(FileNotFoundError):
        files.rename(root + "/a", root + "/b")


def test_directories_are_made_moved_and_removed_whole(body: tuple[Files, str]) -> None:
    """A directory goes with all that is in it."""
    files, root = body
    files.make_dir(root + "/x/y")
    files.make_dir(root + "/x/y")
    replace_file(files, root + "/x/y/a", b"1")
    files.rename(root + "/x", root + "/z")
    assert files.is_dir(root + "/z/y")
    assert not files.is_dir(root + "/z/y/a")
    assert files.read(root + "/z/y/a") == b"1"
    assert files.list(root) == ["z"]
    files.remove_dir(root + "/z")
    files.remove_dir(root + "/z")
    assert files.list(root) == []


def test_a_replaced_file_has_the_new_content_only(body: tuple[Files, str]) -> None:
    """A shorter content leaves nothing of a longer one, and no temporary file."""
    files, root = body
    replace_file(files, root + "/a", b"long content")
    replace_file(files, root + "/a", b"short", sync=False)
    assert files.read(root + "/a") == b"short"
    assert files.list(root) == ["a"]
    assert files.modified_ms(root + "/a") > 0


def test_a_lock_names_its_holder(body: tuple[Files, str]) -> None:
    """A second taker learns who holds it, and gets it once it was released."""
    files, root = body
    lock = files.lock(root + "/.lock", "process 7: cook soup")
    with pytest.raises(LockedError, match="process 7: cook soup"):
        files.lock(root + "/.lock", "process 8")
    lock.release()
    lock.release()
    files.lock(root + "/.lock", "process 8").release()


def test_a_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may write a part only; the rest follows at its place."""
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: real(fd, data[:3], at))
    file = OsFiles().open(str(tmp_path / "a"), writable=True, create=True)
    file.pwrite(b"0123456789", 2)
    monkeypatch.undo()
    real_read = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: real_read(fd, min(size, 4), at))
    assert file.pread(100, 2) == b"0123456789"
    file.close()
