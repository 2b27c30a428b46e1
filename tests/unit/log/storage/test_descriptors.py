from __future__ import annotations

import errno

import pytest

from millstream_log.storage.descriptors import FilePool
from millstream_log.testing import MemoryFiles


def pool(files: MemoryFiles, open_max: int) -> FilePool:
    """Return a pool with room for so many."""
    return FilePool(files, open_max=open_max, writable=True)


def touch(given: FilePool, *paths: str) -> None:
    """Use each file for a moment."""
    for path in paths:
        given.unpin(given.pin(path, create=True))


def test_the_least_recently_used_is_closed(files: MemoryFiles) -> None:
    """With room for two, the one that was not used for longest makes place."""
    given = pool(files, 2)
    touch(given, "/a", "/b", "/a", "/c")
    assert files.open_count == 2
    assert list(given._open) == ["/a", "/c"]


def test_a_pinned_file_stays_open(files: MemoryFiles) -> None:
    """What is in use is never closed, even when that passes the bound."""
    given = pool(files, 1)
    pinned = given.pin("/a", create=True)
    touch(given, "/b", "/c")
    assert pinned.file.size() == 0
    given.forget("/a")
    assert pinned.file.size() == 0
    given.unpin(pinned)
    with pytest.raises(OSError, match="Bad file"):
        pinned.file.size()


def test_running_out_of_descriptors_closes_idle_files(files: MemoryFiles) -> None:
    """EMFILE is answered by making room; only when nothing is idle does it get out."""
    files.open_max = 3
    given = pool(files, 100)
    touch(given, "/a", "/b", "/c", "/d")
    held = [given.pin(path) for path in list(given._open)]
    while len(held) < 3:
        held.append(given.pin(f"/more-{len(held)}", create=True))
    with pytest.raises(OSError, match="Too many open files") as caught:
        given.pin("/e", create=True)
    assert caught.value.errno == errno.EMFILE


def test_closing_gives_every_descriptor_back(files: MemoryFiles) -> None:
    """Nothing stays open behind a closed pool."""
    given = pool(files, 5)
    touch(given, "/a", "/b")
    given.close()
    assert files.open_count == 0
