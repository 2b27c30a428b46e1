"""Open files, bounded: the least recently used is closed when one more is needed.

Invariants:
    A pinned file stays open; every `pin` is followed by one `unpin`, from any thread.
    More files than `open_max` are open only while more than that are pinned.
Source: a process has 1,024 descriptors by default; a directory may have 2,000 partitions.
"""

from __future__ import annotations

import errno
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from .files import File, Files

T = TypeVar("T")


class Pinned:
    """An open file and how many use it now."""

    __slots__ = ("doomed", "file", "path", "pins")

    def __init__(self, path: str, file: File) -> None:
        self.path = path
        self.file = file
        self.pins = 0
        self.doomed = False  # to be closed by the last unpin


class FilePool:
    """Opens files when they are used and closes those that were not used for longest."""

    def __init__(self, files: Files, *, open_max: int, writable: bool) -> None:
        self.files = files
        self.open_max = max(open_max, 1)
        self.writable = writable
        self._open: OrderedDict[str, Pinned] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._open)

    def pin(self, path: str, *, create: bool = False) -> Pinned:
        """Return the file at `path`, open until it is given to `unpin`. Raises OSError."""
        with self._lock:
            pinned = self._open.get(path)
            if pinned is None:
                if len(self._open) >= self.open_max:
                    self._evict(len(self._open) - self.open_max + 1)
                pinned = Pinned(path, self._open_file(path, create))
                self._open[path] = pinned
            else:
                self._open.move_to_end(path)
            pinned.pins += 1
            return pinned

    def unpin(self, pinned: Pinned) -> None:
        """Tell that a pinned file is no longer in use."""
        with self._lock:
            pinned.pins -= 1
            if pinned.doomed and not pinned.pins:
                pinned.file.close()

    def open(self, path: str, *, create: bool = False) -> File:
        """Open a file outside the pool, making room in the pool when descriptors run out."""
        with self._lock:
            return self._open_file(path, create)

    def forget(self, path: str) -> None:
        """Close the file at `path`, now or when its last user is done: it will be renamed."""
        with self._lock:
            pinned = self._open.pop(path, None)
            if pinned is not None:
                self._close(pinned)

    def close(self) -> None:
        """Close all."""
        with self._lock:
            while self._open:
                self._close(self._open.popitem()[1])

    def patiently(self, call: Callable[[], T]) -> T:
        """Return what `call` returns; when it runs out of descriptors, make room, call again."""
        try:
            return call()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        with self._lock:
            self._evict(len(self._open) // 2 + 1)
        return call()

    def _open_file(self, path: str, create: bool) -> File:
        return self.patiently(lambda: self.files.open(path, writable=self.writable, create=create))

    def _evict(self, count: int) -> None:
        idle = [pinned for pinned in self._open.values() if not pinned.pins]
        for pinned in idle[:count]:
            del self._open[pinned.path]
            pinned.file.close()

    @staticmethod
    def _close(pinned: Pinned) -> None:
        if pinned.pins:
            pinned.doomed = True
        else:
            pinned.file.close()
