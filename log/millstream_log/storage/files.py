"""The files seam: all that storage asks of a file system, and its body over the real one.

Invariants:
    Methods raise OSError and nothing else of their own; the caller says what it was doing
    and raises StorageError.
    What was written is on the disk after `sync`; a name (create, rename, remove) after
    `sync_dir` of its directory. Nothing more is promised, and nothing more is relied on.
    An open file is never renamed or removed by its own process (Windows forbids it).
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from typing import Protocol

from ..errors import LockedError

Buffer = bytes | bytearray | memoryview


class File(Protocol):
    """An open file; reads and writes say where."""

    path: str

    def pread(self, size: int, position: int) -> bytes:
        """Return `size` bytes from `position`; fewer only at the end of the file."""
        ...

    def pwrite(self, data: Buffer, position: int) -> None:
        """Write all of `data` at `position`, or raise OSError with some prefix written."""
        ...

    def size(self) -> int:
        """Return the size in bytes."""
        ...

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        ...

    def sync(self) -> None:
        """Return when what was written and the size are on the disk; from any thread."""
        ...

    def close(self) -> None:
        """Give the descriptor back; twice is once."""
        ...


class Lock(Protocol):
    """A held directory lock."""

    def release(self) -> None:
        """Let others have it; twice is once."""
        ...


class Files(Protocol):
    """A file system; paths are plain text."""

    def open(self, path: str, *, writable: bool = False, create: bool = False) -> File:
        """Open `path`; `create` makes it when it is missing. Never truncates."""
        ...

    def read(self, path: str) -> bytes:
        """Return the whole content."""
        ...

    def list(self, path: str) -> list[str]:
        """Return the names in a directory, in no order."""
        ...

    def is_dir(self, path: str) -> bool:
        """Tell whether `path` is a directory."""
        ...

    def exists(self, path: str) -> bool:
        """Tell whether there is anything at `path`."""
        ...

    def size(self, path: str) -> int:
        """Return the size in bytes of the file at `path`."""
        ...

    def modified_ms(self, path: str) -> int:
        """Return when the file was last written, in epoch ms."""
        ...

    def make_dir(self, path: str) -> None:
        """Make the directory and its parents; one that exists is fine."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give `old` the name `new`, in place of what bore it, in one step."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; one that is missing is fine."""
        ...

    def remove_dir(self, path: str) -> None:
        """Remove a directory and all below it; one that is missing is fine."""
        ...

    def sync_dir(self, path: str) -> None:
        """Return when the names in the directory are on the disk."""
        ...

    def lock(self, path: str, holder: str) -> Lock:
        """Take the lock at `path` and write `holder` into it; LockedError names who has it."""
        ...


def replace_file(files: Files, path: str, data: Buffer, *, sync: bool = True) -> None:
    """Give the file at `path` the content `data`, whole or not at all.

    With `sync` the new content outlives a crash once this returns.
    """
    temporary = path + ".tmp"
    file = files.open(temporary, writable=True, create=True)
    try:
        file.truncate(0)
        file.pwrite(data, 0)
        if sync:
            file.sync()
    finally:
        file.close()
    files.rename(temporary, path)
    if sync:
        files.sync_dir(os.path.dirname(path))


_O_BINARY = getattr(os, "O_BINARY", 0)
_HAS_PREAD = hasattr(os, "pread")
_datasync = getattr(os, "fdatasync", os.fsync)


class OsFile:
    """A descriptor of the operating system."""

    __slots__ = ("_fd", "_seek_lock", "path")

    def __init__(self, path: str, flags: int) -> None:
        self.path = path
        self._seek_lock = None if _HAS_PREAD else threading.Lock()
        self._fd = os.open(path, flags | _O_BINARY, 0o644)

    def pread(self, size: int, position: int) -> bytes:
        """Return `size` bytes from `position`; fewer only at the end of the file."""
        data = self._pread_once(size, position)
        if len(data) == size or not data:
            return data
        parts = [data]
        have = len(data)
        while have < size:
            data = self._pread_once(size - have, position + have)
            if not data:
                break
            parts.append(data)
            have += len(data)
        return b"".join(parts)

    def _pread_once(self, size: int, position: int) -> bytes:
        if self._seek_lock is None:
            return os.pread(self._fd, size, position)
        with self._seek_lock:
            os.lseek(self._fd, position, os.SEEK_SET)
            return os.read(self._fd, size)

    def pwrite(self, data: Buffer, position: int) -> None:
        """Write all of `data` at `position`, or raise OSError with some prefix written."""
        written = self._pwrite_once(data, position)
        if written == len(data):
            return
        view = memoryview(data)
        while written < len(view):
            written += self._pwrite_once(view[written:], position + written)

    def _pwrite_once(self, data: Buffer, position: int) -> int:
        if self._seek_lock is None:
            return os.pwrite(self._fd, data, position)
        with self._seek_lock:
            os.lseek(self._fd, position, os.SEEK_SET)
            return os.write(self._fd, data)

    def size(self) -> int:
        """Return the size in bytes."""
        return os.fstat(self._fd).st_size

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(self._fd, size)

    def sync(self) -> None:
        """Return when what was written and the size are on the disk; from any thread."""
        _datasync(self._fd)

    def close(self) -> None:
        """Give the descriptor back; twice is once."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class OsFiles:
    """The operating system's own files."""

    def open(self, path: str, *, writable: bool = False, create: bool = False) -> File:
        """Open `path`; `create` makes it when it is missing. Never truncates."""
        flags = os.O_RDWR if writable else os.O_RDONLY
        return OsFile(path, flags | os.O_CREAT if create else flags)

    def read(self, path: str) -> bytes:
        """Return the whole content."""
        with open(path, "rb") as file:
            return file.read()

    def list(self, path: str) -> list[str]:
        """Return the names in a directory, in no order."""
        return os.listdir(path)

    def is_dir(self, path: str) -> bool:
        """Tell whether `path` is a directory."""
        return os.path.isdir(path)

    def exists(self, path: str) -> bool:
        """Tell whether there is anything at `path`."""
        return os.path.exists(path)

    def size(self, path: str) -> int:
        """Return the size in bytes of the file at `path`."""
        return os.stat(path).st_size

    def modified_ms(self, path: str) -> int:
        """Return when the file was last written, in epoch ms."""
        return os.stat(path).st_mtime_ns // 1_000_000

    def make_dir(self, path: str) -> None:
        """Make the directory and its parents; one that exists is fine."""
        os.makedirs(path, exist_ok=True)

    def rename(self, old: str, new: str) -> None:
        """Give `old` the name `new`, in place of what bore it, in one step."""
        os.replace(old, new)

    def remove(self, path: str) -> None:
        """Remove a file; one that is missing is fine."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass

    def remove_dir(self, path: str) -> None:
        """Remove a directory and all below it; one that is missing is fine."""
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            pass

    def sync_dir(self, path: str) -> None:
        """Return when the names in the directory are on the disk."""
        if sys.platform == "win32":  # no such call there, and names are journalled
            return
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def lock(self, path: str, holder: str) -> Lock:
        """Take the lock at `path` and write `holder` into it; LockedError names who has it."""
        return _OsLock(path, holder)


class _OsLock:
    """An advisory lock that the system drops when the process ends, however it ends."""

    def __init__(self, path: str, holder: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | _O_BINARY, 0o644)
        if not _try_lock(self._fd):
            # The first byte may be what Windows locks, so the text stands after it.
            os.lseek(self._fd, 1, os.SEEK_SET)
            other = os.read(self._fd, 4096).decode(errors="replace").strip()
            os.close(self._fd)
            where = os.path.dirname(path)
            raise LockedError(f"{where} is written by {other or 'another process'}")
        os.ftruncate(self._fd, 1)
        os.lseek(self._fd, 0, os.SEEK_SET)
        os.write(self._fd, b"\n" + holder.encode() + b"\n")

    def release(self) -> None:
        """Let others have it; twice is once."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.ftruncate(fd, 1)
            os.close(fd)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(fd: int) -> bool:
        os.lseek(fd, 0, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
