from __future__ import annotations

import errno

import pytest

from millstream_log.testing import ManualClock, MemoryFiles


def write(files: MemoryFiles, path: str, data: bytes, *, sync: bool = False) -> None:
    """Write a file from its beginning."""
    file = files.open(path, writable=True, create=True)
    file.pwrite(data, 0)
    if sync:
        file.sync()
    file.close()


def test_what_was_synced_outlives_a_crash() -> None:
    """Bytes and name, both synced, are there whatever the seed says."""
    for seed in range(50):
        files = MemoryFiles(seed=seed)
        write(files, "/a", b"kept", sync=True)
        files.sync_dir("/")
        file = files.open("/a", writable=True)
        file.pwrite(b" and more", 4)
        files.crash()
        assert files.read("/a").startswith(b"kept")


def test_a_crash_tears_and_forgets() -> None:
    """Among a few seeds are all ends: nothing, a part, zeros, everything, no name at all."""
    ends = set()
    for seed in range(200):
        files = MemoryFiles(seed=seed)
        write(files, "/a", b"x" * 8)
        files.crash()
        ends.add(files.read("/a") if files.exists("/a") else None)
    assert {None, b"", b"x" * 8, b"xxxx"} <= ends
    assert any(end and b"\0" in end for end in ends)


def test_a_name_without_sync_may_go_back() -> None:
    """A rename that was not synced is done or not, never half."""
    ends = set()
    for seed in range(50):
        files = MemoryFiles(seed=seed)
        write(files, "/a", b"new", sync=True)
        write(files, "/b", b"old", sync=True)
        files.sync_dir("/")
        files.rename("/a", "/b")
        files.crash()
        ends.add((files.exists("/a"), files.read("/b")))
    assert ends == {(True, b"old"), (False, b"new")}


def test_open_files_and_locks_end_with_a_crash() -> None:
    """A handle from before cannot write after, and the lock is free."""
    files = MemoryFiles()
    files.lock("/lock", "me")
    file = files.open("/a", writable=True, create=True)
    files.crash()
    with pytest.raises(OSError, match="Bad file"):
        file.pwrite(b"x", 0)
    files.lock("/lock", "you").release()


def test_faults_come_as_asked() -> None:
    """The third matching call fails once; a full disk takes what fits; healing ends it all."""
    files = MemoryFiles()
    write(files, "/a", b"")
    file = files.open("/a", writable=True)
    files.fail("pwrite", errno.EIO, path="/a", after=2)
    file.pwrite(b"1", 0)
    file.pwrite(b"2", 1)
    with pytest.raises(OSError, match="Input/output") as caught:
        file.pwrite(b"3", 2)
    assert caught.value.errno == errno.EIO
    files.space_left = 3
    with pytest.raises(OSError, match="No space"):
        file.pwrite(b"45678", 2)
    assert files.read("/a") == b"12456"
    file.truncate(2)
    file.pwrite(b"xyz", 2)
    files.heal()
    file.pwrite(b"and on", 5)


def test_the_clock_stands_until_it_is_moved() -> None:
    """Both clocks move by what they are told."""
    clock = ManualClock(1000)
    assert (clock.now_ms(), clock.monotonic()) == (1000, 0.0)
    clock.advance(1500)
    assert (clock.now_ms(), clock.monotonic()) == (2500, 1.5)
