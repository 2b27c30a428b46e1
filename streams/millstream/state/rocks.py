"""A store on disk: RocksDB through rocksdict, without its own write-ahead log.

The changelog is the write-ahead log: what a crash takes from RocksDB's memory is replayed from
there. All writes of a commit go in as one batch, so any state that survives is a commit's.

Invariants: meta lies beside the entries in the same batch, under a key no entry can have.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from rocksdict import Options, Rdict, ReadOptions, WriteBatch, WriteOptions

from ..errors import StateStoreError
from .store import Change

_META = b"\xff\xffmeta"


class RocksStore:
    """A store in a folder of its own; it holds few megabytes of memory itself."""

    def __init__(self, folder: str, *, write_buffer_bytes: int = 16 << 20) -> None:
        self._folder = folder
        self._buffer = write_buffer_bytes
        self._write_options = WriteOptions()
        self._write_options.disable_wal = True  # type: ignore[method-assign,assignment]
        self._db = self._open()

    def _open(self) -> Rdict:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_size(self._buffer)
        options.set_max_write_buffer_number(2)
        options.set_keep_log_file_num(2)
        options.set_max_open_files(64)
        Path(self._folder).parent.mkdir(parents=True, exist_ok=True)
        try:
            return Rdict(self._folder, options=options)
        except Exception as exc:  # rocksdict raises bare Exception for everything
            raise StateStoreError(
                f"cannot open the state store in {self._folder}: {exc}. The changelog can "
                "rebuild it: remove the folder while no app is running"
            ) from exc

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a key, or None."""
        value: bytes | None = self._db.get(key)
        return value

    def write(self, changes: Iterable[Change], meta: bytes) -> None:
        """Apply changes and meta together."""
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, value in changes:
            if value is None:
                delete(key)
            else:
                put(key, value)
        put(_META, meta)
        self._db.write(batch, self._write_options)

    def meta(self) -> bytes | None:
        """Return the meta last written; None in a new store."""
        return self.get(_META)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries whose key starts with `prefix`, in byte order."""
        entries = self._db.iter(ReadOptions())
        entries.seek(prefix)
        while entries.valid():
            key = entries.key()
            if not key.startswith(prefix):
                return
            if key != _META:
                yield key, entries.value()
            entries.next()

    def wipe(self) -> None:
        """Forget everything, meta too."""
        self._db.close()
        shutil.rmtree(self._folder)
        self._db = self._open()

    def close(self) -> None:
        """Write what is in memory to the disk and let go of it."""
        self._db.flush()
        self._db.close()
