"""Bodies of the seams that fail on request: files in memory that forget, a clock by hand.

    files = MemoryFiles(seed=7)
    log_dir = LogDir.open("/log", files=files, clock=ManualClock())
    ...
    files.crash()          what was not synced is lost, or half there
    LogDir.open("/log", files=files)

Invariants:
    After `crash`, bytes that were synced are there under every name that was synced.
    Of the rest a random beginning is there, in the order it was done; the write after it may
    be torn, or its place may hold zeros. The seed decides, nothing else.
"""

from __future__ import annotations

import errno
import os
import random
import threading
from typing import NamedTuple

from ..errors import LockedError
from ..storage.files import Buffer, File, Lock


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._elapsed_ms = 0

    def now_ms(self) -> int:
        """Return the wall clock in epoch milliseconds."""
        return self._now_ms

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start; never goes back."""
        return self._elapsed_ms / 1000

    def advance(self, ms: int) -> None:
        """Move both clocks forward."""
        self._now_ms += ms
        self._elapsed_ms += ms


class _Write(NamedTuple):
    position: int
    data: bytes

    def apply(self, content: bytearray) -> None:
        if not self.data:
            return
        end = self.position + len(self.data)
        if len(content) < end:
            content.extend(bytes(end - len(content)))
        content[self.position : end] = self.data


class _Truncate(NamedTuple):
    size: int

    def apply(self, content: bytearray) -> None:
        del content[self.size :]
        content.extend(bytes(self.size - len(content)))


class _Node:
    """A file's content: as seen, as synced, and the difference as steps."""

    def __init__(self, modified_ms: int) -> None:
        self.content = bytearray()
        self.synced = bytearray()
        self.pending: list[_Write | _Truncate] = []
        self.modified_ms = modified_ms

    def do(self, step: _Write | _Truncate) -> None:
        step.apply(self.content)
        self.pending.append(step)

    def sync(self) -> None:
        for step in self.pending:
            step.apply(self.synced)
        self.pending.clear()

    def crash(self, chance: random.Random) -> None:
        """Keep a beginning of the pending steps; tear the one after it."""
        kept = chance.randint(0, len(self.pending))
        for step in self.pending[:kept]:
            step.apply(self.synced)
        if kept < len(self.pending):
            torn = self.pending[kept]
            if isinstance(torn, _Write) and torn.data:
                part = torn.data[: chance.randrange(len(torn.data))]
                if chance.random() < 0.3 and torn.position + len(part) >= len(self.synced):
                    # The size got there, the data did not.
                    part += bytes(chance.randrange(len(torn.data) - len(part) + 1))
                _Write(torn.position, part).apply(self.synced)
        self.pending.clear()
        self.content = bytearray(self.synced)


class _Entry(NamedTuple):
    """One change of names: `node` None removes, `moved_from` renames all below it too."""

    directory: str
    path: str
    node: _Node | None
    moved_from: str = ""


_DIRECTORY = _Node(0)
"""Stands for a directory among the names."""


class _Fault(NamedTuple):
    code: int
    path: str
    after: int
    times: int


class MemoryFiles:
    """A file system in memory."""

    def __init__(self, *, seed: int = 0, clock: ManualClock | None = None) -> None:
        self.space_left: int | None = None  # bytes that may yet be written; None: no end
        self.read_only = False
        self.open_max: int | None = None
        self.syncs = 0  # calls of sync, of files
        self.open_count = 0
        self._chance = random.Random(seed)
        self._clock = clock or ManualClock()
        self._names: dict[str, _Node] = {"/": _DIRECTORY}
        self._synced: dict[str, _Node] = {"/": _DIRECTORY}
        self._journal: list[_Entry] = []
        self._locks: dict[str, str] = {}
        self._faults: dict[str, _Fault] = {}
        self._era = 0
        self._mutex = threading.RLock()

    # -- what tests do to it

    def crash(self) -> None:
        """Lose power: open files are gone, locks too, and what was not synced may be."""
        with self._mutex:
            self._era += 1
            self.open_count = 0
            self._locks.clear()
            self._faults.clear()
            kept = self._chance.randint(0, len(self._journal))
            for entry in self._journal[:kept]:
                _apply(self._synced, entry)
            self._journal.clear()
            self._names = dict(self._synced)
            for node in {id(node): node for node in self._names.values()}.values():
                node.crash(self._chance)

    def fail(
        self, call: str, code: int = errno.EIO, *, path: str = "", after: int = 0, times: int = 1
    ) -> None:
        """Let `call` ("pwrite", "sync", "open", ...) raise OSError `code`.

        Only for paths that contain `path`, after `after` calls that work, `times` times.
        """
        self._faults[call] = _Fault(code, path, after, times)

    def heal(self) -> None:
        """End every fault."""
        self._faults.clear()
        self.space_left = self.open_max = None
        self.read_only = False

    def damage(self, path: str, position: int, data: bytes) -> None:
        """Overwrite bytes on the disk, behind everyone's back."""
        with self._mutex:
            node = self._file(path)
            node.sync()
            for content in (node.content, node.synced):
                content[position : position + len(data)] = data

    # -- the seam

    def open(self, path: str, *, writable: bool = False, create: bool = False) -> File:
        """Open `path`; `create` makes it when it is missing. Never truncates."""
        with self._mutex:
            path = _normal(path)
            self._check("open", path)
            if writable and self.read_only:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
            if self.open_max is not None and self.open_count >= self.open_max:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)
            if create and path not in self._names:
                self._parent(path)
                self._change(path, _Node(self._clock.now_ms()))
            node = self._file(path)
            self.open_count += 1
            return _MemoryFile(self, path, node, writable)

    def read(self, path: str) -> bytes:
        """Return the whole content."""
        self._check("read", path)
        return bytes(self._file(path).content)

    def list(self, path: str) -> list[str]:
        """Return the names in a directory, in no order."""
        with self._mutex:
            path = _normal(path)
            if self._names.get(path) is not _DIRECTORY:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            start = path.rstrip("/") + "/"
            below = [name[len(start) :] for name in self._names if name.startswith(start)]
            return [name for name in below if name and "/" not in name]

    def is_dir(self, path: str) -> bool:
        """Tell whether `path` is a directory."""
        return self._names.get(_normal(path)) is _DIRECTORY

    def exists(self, path: str) -> bool:
        """Tell whether there is anything at `path`."""
        return _normal(path) in self._names

    def size(self, path: str) -> int:
        """Return the size in bytes of the file at `path`."""
        return len(self._file(path).content)

    def modified_ms(self, path: str) -> int:
        """Return when the file was last written, in epoch ms."""
        return self._file(path).modified_ms

    def make_dir(self, path: str) -> None:
        """Make the directory and its parents; one that exists is fine."""
        with self._mutex:
            path = _normal(path)
            if self._names.get(path) is _DIRECTORY:
                return
            self._check("make_dir", path)
            self.make_dir(os.path.dirname(path))
            self._change(path, _DIRECTORY)

    def rename(self, old: str, new: str) -> None:
        """Give `old` the name `new`, in place of what bore it, in one step."""
        with self._mutex:
            old, new = _normal(old), _normal(new)
            self._check("rename", old)
            node = self._names.get(old)
            if node is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), old)
            self._parent(new)
            self._change(new, node, moved_from=old)

    def remove(self, path: str) -> None:
        """Remove a file; one that is missing is fine."""
        with self._mutex:
            path = _normal(path)
            if path in self._names:
                self._check("remove", path)
                self._change(path, None)

    def remove_dir(self, path: str) -> None:
        """Remove a directory and all below it; one that is missing is fine."""
        with self._mutex:
            path = _normal(path)
            if path in self._names:
                self._check("remove", path)
                self._change(path, None)

    def sync_dir(self, path: str) -> None:
        """Return when the names in the directory are on the disk."""
        with self._mutex:
            path = _normal(path)
            self._check("sync_dir", path, writes=False)
            for entry in self._journal:
                if entry.directory == path:
                    _apply(self._synced, entry)
            self._journal = [entry for entry in self._journal if entry.directory != path]

    def lock(self, path: str, holder: str) -> Lock:
        """Take the lock at `path` and write `holder` into it; LockedError names who has it."""
        with self._mutex:
            path = _normal(path)
            if path in self._locks:
                where = os.path.dirname(path)
                raise LockedError(f"{where} is written by {self._locks[path]}")
            file = self.open(path, writable=True, create=True)
            file.close()
            self._locks[path] = holder
            return _MemoryLock(self._locks, path, self._locks[path])

    def _file(self, path: str) -> _Node:
        path = _normal(path)
        node = self._names.get(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if node is _DIRECTORY:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return node

    def _parent(self, path: str) -> None:
        if self._names.get(os.path.dirname(path)) is not _DIRECTORY:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def _change(self, path: str, node: _Node | None, *, moved_from: str = "") -> None:
        entry = _Entry(os.path.dirname(path), path, node, moved_from)
        _apply(self._names, entry)
        self._journal.append(entry)

    def _check(self, call: str, path: str, *, writes: bool = True) -> None:
        if self.read_only and writes and call not in ("open", "read", "pread"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        fault = self._faults.get(call)
        if fault is None or fault.path not in path:
            return
        if fault.after:
            self._faults[call] = fault._replace(after=fault.after - 1)
            return
        if fault.times == 1:
            del self._faults[call]
        else:
            self._faults[call] = fault._replace(times=fault.times - 1)
        raise OSError(fault.code, os.strerror(fault.code), path)


def _normal(path: str) -> str:
    return os.path.normpath(os.path.join("/", path))


def _apply(names: dict[str, _Node], entry: _Entry) -> None:
    below = entry.path + "/"
    if entry.node is None:
        for name in [name for name in names if name == entry.path or name.startswith(below)]:
            del names[name]
        return
    if not entry.moved_from:
        names[entry.path] = entry.node
        return
    if entry.moved_from not in names:
        # The name it had was never on the disk; the file itself is what was renamed.
        names[entry.path] = entry.node
        return
    names[entry.path] = names.pop(entry.moved_from)
    start = entry.moved_from + "/"
    for name in [name for name in names if name.startswith(start)]:
        names[below + name[len(start) :]] = names.pop(name)


class _MemoryFile:
    """An open file of `MemoryFiles`."""

    def __init__(self, files: MemoryFiles, path: str, node: _Node, writable: bool) -> None:
        self.path = path
        self._files = files
        self._node = node
        self._writable = writable
        self._era = files._era
        self._is_open = True

    def _use(self, call: str) -> None:
        if not self._is_open or self._era != self._files._era:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self.path)
        if call in ("pwrite", "truncate") and not self._writable:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self.path)

    def pread(self, size: int, position: int) -> bytes:
        """Return `size` bytes from `position`; fewer only at the end of the file."""
        self._use("pread")
        self._files._check("pread", self.path)
        return bytes(self._node.content[position : position + size])

    def pwrite(self, data: Buffer, position: int) -> None:
        """Write all of `data` at `position`, or raise OSError with some prefix written."""
        with self._files._mutex:
            self._use("pwrite")
            data = bytes(data)
            self._node.modified_ms = self._files._clock.now_ms()
            try:
                self._files._check("pwrite", self.path)
            except OSError as error:
                if error.errno != errno.EROFS:
                    self._node.do(_Write(position, data[: len(data) // 2]))
                raise
            more = max(position + len(data) - len(self._node.content), 0)
            space = self._files.space_left
            if space is not None and more > space:
                self._node.do(_Write(position, data[: max(len(data) - more + space, 0)]))
                self._files.space_left = 0
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
            if space is not None:
                self._files.space_left = space - more
            self._node.do(_Write(position, data))

    def size(self) -> int:
        """Return the size in bytes."""
        self._use("size")
        return len(self._node.content)

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        with self._files._mutex:
            self._use("truncate")
            self._files._check("truncate", self.path)
            if self._files.space_left is not None:
                self._files.space_left += max(len(self._node.content) - size, 0)
            self._node.do(_Truncate(size))

    def sync(self) -> None:
        """Return when what was written and the size are on the disk; from any thread."""
        with self._files._mutex:
            self._use("sync")
            self._files.syncs += 1
            try:
                self._files._check("sync", self.path, writes=False)
            except OSError:
                # What could not be written is dropped, and the next sync would not know of it.
                self._node.pending.clear()
                raise
            self._node.sync()

    def close(self) -> None:
        """Give the descriptor back; twice is once."""
        with self._files._mutex:
            if self._is_open and self._era == self._files._era:
                self._files.open_count -= 1
            self._is_open = False


class _MemoryLock:
    def __init__(self, locks: dict[str, str], path: str, holder: str) -> None:
        self._locks = locks
        self._path = path
        self._holder = holder

    def release(self) -> None:
        """Let others have it; twice is once."""
        if self._holder and self._locks.get(self._path) == self._holder:
            del self._locks[self._path]
        self._holder = ""
