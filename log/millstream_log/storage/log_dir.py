"""A directory of partition logs, with one writer.

    .lock                              who is writing
    .kafka_cleanshutdown               the last writer closed everything
    recovery-point-offset-checkpoint   below these offsets nothing has to be scanned
    log-start-offset-checkpoint        what delete_records has reached
    cleaner-offset-checkpoint          below these offsets the log was compacted
    clicks-0/                          a partition
    clicks-1.<32 hex digits>-delete/   a deleted one, not yet removed

Invariants:
    A recovery point on the disk never lies above what was synced.
    A partition that cannot be opened stands in `failed`; the others go on.
    A reader takes no lock and changes nothing.
    What `create` and `delete` do with `sync=False` may be undone by a crash until `sync`; a
    partition.metadata may come out lost or torn even then, and reads as no topic id.
Source: the data directory of Apache Kafka 4.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import uuid
from collections.abc import Callable
from operator import itemgetter

from ..clock import Clock, SystemClock
from ..errors import CorruptRecordError, LogError, StorageError
from ..model import TopicPartition
from . import checkpoint as text
from .descriptors import FilePool
from .files import Files, Lock, OsFiles, replace_file
from .log_config import LogConfig
from .partition_log import PartitionLog
from .producers import EXPIRATION_MS
from .recovery import CLEAN

logger = logging.getLogger(__name__)

LOCK = ".lock"
CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
_DELETED = "-delete"
_NAME_BYTES_MAX = 255

_ATTRIBUTES = {
    text.RECOVERY_POINTS: "recovery_point",
    text.LOG_STARTS: "log_start_offset",
    text.FIRST_DIRTY: "first_dirty_offset",
}
_Checkpoints = dict[str, dict[TopicPartition, int]]
Configs = Callable[[TopicPartition], LogConfig]


def _defaults(_: TopicPartition) -> LogConfig:
    return LogConfig()


class LogDir:
    """The partitions of one directory. Made by `open`."""

    def __init__(
        self,
        path: str,
        files: Files,
        clock: Clock,
        pool: FilePool,
        lock: Lock | None,
        disk_bytes_max: int,
    ) -> None:
        self.path = path
        self.files = files
        self.clock = clock
        self.read_only = not pool.writable
        self.disk_bytes_max = disk_bytes_max  # -1: without bound
        self.was_clean = False  # the last writer closed it
        self.producer_expiration_ms = EXPIRATION_MS  # of silent producers, for `retain`
        self.partitions: dict[TopicPartition, PartitionLog] = {}
        self.failed: dict[TopicPartition, LogError] = {}
        self._pool = pool
        self._lock = lock
        self._doomed: list[tuple[int, str]] = []  # (when, path) of directories to remove
        self._written: _Checkpoints = {}
        self._kept: _Checkpoints = {name: {} for name in _ATTRIBUTES}  # of failed partitions
        self._configs: Configs = _defaults
        self._is_closed = False
        self._write_lock = threading.Lock()  # a log is cut while a thread writes checkpoints

    @classmethod
    def open(
        cls,
        path: str,
        *,
        files: Files | None = None,
        clock: Clock | None = None,
        configs: Configs = _defaults,
        read_only: bool = False,
        open_files_max: int = 512,
        disk_bytes_max: int = -1,
    ) -> LogDir:
        """Open the directory, make it when it is missing, recover what was not closed.

        Raises: LockedError when another process writes here; StorageError.
        """
        files = files or OsFiles()
        pool = FilePool(files, open_max=_open_max(open_files_max), writable=not read_only)
        lock = None
        try:
            if not read_only:
                if not files.is_dir(path):
                    files.make_dir(path)
                    files.sync_dir(os.path.dirname(os.path.abspath(path)))
                holder = f"process {os.getpid()}: {' '.join(sys.orig_argv)}"
                lock = files.lock(os.path.join(path, LOCK), holder)
            made = cls(path, files, clock or SystemClock(), pool, lock, disk_bytes_max)
            made._configs = configs
            made._load()
        except BaseException as error:
            pool.close()
            if lock is not None:
                lock.release()
            if isinstance(error, OSError):
                raise StorageError(f"open {path}: {error}") from error
            raise
        return made

    # -- opening

    def _load(self) -> None:
        names = self.files.list(self.path)
        self.was_clean = CLEAN_SHUTDOWN in names
        found = self._read_checkpoints()
        for name in sorted(names):
            path = os.path.join(self.path, name)
            if name.endswith(_DELETED):
                if not self.read_only:
                    self.files.remove_dir(path)
                continue
            partition = partition_of(name)
            if partition is not None and self.files.is_dir(path):
                self._open_found(partition, found)
        if not self.read_only:
            # Only now: a crash while opening leaves nothing half recovered behind the mark,
            # and no recovery point lies above a log end that recovery has moved back.
            self._write(text.RECOVERY_POINTS)
            if self.was_clean:
                self.files.remove(os.path.join(self.path, CLEAN_SHUTDOWN))
                self.files.sync_dir(self.path)

    def _read_checkpoints(self) -> _Checkpoints:
        """Return what each of the three files says, by its name."""
        found = {name: self._read(name) for name in _ATTRIBUTES}
        if self.was_clean:
            found[text.RECOVERY_POINTS] = {}
        return found

    def _read(self, name: str) -> dict[TopicPartition, int]:
        path = os.path.join(self.path, name)
        try:
            data = self._pool.patiently(lambda: self.files.read(path))
            return text.decode_offsets(data, path)
        except FileNotFoundError:
            return {}
        except CorruptRecordError as error:
            logger.warning("left out, more is scanned instead: %s", error)
            return {}

    def _open_found(self, partition: TopicPartition, found: _Checkpoints) -> None:
        default = CLEAN if self.was_clean else 0
        point = found[text.RECOVERY_POINTS].get(partition, default)
        start = found[text.LOG_STARTS].get(partition, 0)
        dirty = found[text.FIRST_DIRTY].get(partition, 0)
        try:
            log = self._open_partition(partition, point, start)
            log.first_dirty_offset = dirty
        except (CorruptRecordError, StorageError) as error:
            logger.error("partition %s cannot be opened: %s", partition, error)
            self.failed[partition] = error
            # What the checkpoints say of it must outlive their next writing.
            for name, offset in zip(_ATTRIBUTES, (point, start, dirty), strict=True):
                self._kept[name][partition] = offset

    def _open_partition(
        self,
        partition: TopicPartition,
        recovery_point: int,
        log_start_offset: int,
        topic_id: str = "",
        config: LogConfig | None = None,
    ) -> PartitionLog:
        directory = os.path.join(self.path, str(partition))
        log = PartitionLog(
            partition,
            directory,
            config or self._configs(partition),
            self._pool,
            topic_id=topic_id or self._topic_id(directory),
            recovery_point=recovery_point,
            log_start_offset=log_start_offset,
            now_ms=self.clock.now_ms(),
            before_cut=self._lower,
        )
        self.partitions[partition] = log
        return log

    def _topic_id(self, directory: str) -> str:
        path = os.path.join(directory, text.PARTITION_METADATA)
        try:
            data = self._pool.patiently(lambda: self.files.read(path))
            return text.decode_topic_id(data, path)
        except FileNotFoundError:
            return ""
        except CorruptRecordError as error:
            logger.warning("topic id left out: %s", error)
            return ""

    # -- partitions

    def create(
        self,
        topic_partition: TopicPartition,
        topic_id: str,
        config: LogConfig,
        *,
        sync: bool = True,
    ) -> PartitionLog:
        """Make an empty partition log; one that exists is returned as it is.

        `topic_id` is 32 hex digits. Without `sync` the caller calls `sync` afterwards, once
        for many. Raises StorageError.
        """
        found = self.partitions.get(topic_partition)
        if found is not None:
            return found
        if topic_partition in self.failed:
            raise self.failed[topic_partition]
        directory = os.path.join(self.path, str(topic_partition))
        try:
            self.files.make_dir(directory)
            path = os.path.join(directory, text.PARTITION_METADATA)
            if topic_id:
                replace_file(self.files, path, text.encode_topic_id(topic_id), sync=sync)
            log = self._open_partition(topic_partition, 0, 0, topic_id, config)
            if sync:
                self.files.sync_dir(self.path)
        except OSError as error:
            raise StorageError(f"create {directory}: {error}") from error
        return log

    def delete(self, topic_partition: TopicPartition, *, sync: bool = True) -> None:
        """Close the partition and mark its directory for removal. Raises StorageError.

        Without `sync` the caller calls `sync` afterwards, once for many.
        """
        log = self.partitions.pop(topic_partition, None)
        self.failed.pop(topic_partition, None)
        delay = LogConfig().file_delete_delay_ms if log is None else log.config.file_delete_delay_ms
        if log is not None:
            log.abandon()
        directory = os.path.join(self.path, str(topic_partition))
        mark = f".{uuid.uuid4().hex}{_DELETED}"
        doomed = os.path.join(self.path, str(topic_partition)[: _NAME_BYTES_MAX - len(mark)] + mark)
        try:
            self.files.rename(directory, doomed)
            if sync:
                self.files.sync_dir(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(f"delete {directory}: {error}") from error
        self._doomed.append((self.clock.now_ms() + delay, doomed))

    def sync(self) -> None:
        """Return when what was created and deleted is on the disk. Raises StorageError."""
        try:
            self.files.sync_dir(self.path)
        except OSError as error:
            raise StorageError(f"sync {self.path}: {error}") from error

    def configure(self, topic_partition: TopicPartition, config: LogConfig) -> None:
        """Give a partition a new config, in force from the next call on."""
        self.partitions[topic_partition].config = config

    def size_bytes(self) -> int:
        """Return the bytes of all partitions."""
        return sum(log.size_bytes for log in list(self.partitions.values()))

    # -- what is done from time to time

    def retain(self, now_ms: int) -> int:
        """Apply retention to every partition and to the whole; return the bytes removed.

        Producers that have been silent for `producer_expiration_ms` are forgotten too.
        Partitions whose removal failed are logged and tried again at the next call.
        """
        for due, path in list(self._doomed):
            if due <= now_ms:
                self.files.remove_dir(path)
                self._doomed.remove((due, path))
        expiration_ms = self.producer_expiration_ms
        self._each(lambda log: log.expire_producers(now_ms, expiration_ms), "expiry")
        removed = self._each(lambda log: log.retain(now_ms), "retention")
        return removed + self._retain_whole(now_ms)

    def _retain_whole(self, now_ms: int) -> int:
        """Remove the oldest closed segments until the directory is within its bound."""
        if self.disk_bytes_max < 0:
            return 0
        removed = 0
        over = self.size_bytes() - self.disk_bytes_max
        while removed < over:
            logs = [(log.oldest_timestamp(), log) for log in self.partitions.values()]
            aged = [(time, log) for time, log in logs if time is not None]
            won = min(aged, key=itemgetter(0))[1].drop_oldest(now_ms) if aged else 0
            if not won:
                logger.warning(
                    "%s holds %d bytes more than disk_bytes_max %d, and nothing that may go",
                    self.path,
                    over - removed,
                    self.disk_bytes_max,
                )
                break
            removed += won
        return removed

    def compact(self, now_ms: int) -> int:
        """Compact every partition that is due; return the bytes won. Runs in any thread."""
        return self._each(lambda log: log.compact(now_ms), "compaction")

    def flush(self) -> None:
        """Flush every partition that has something unflushed; failures are logged."""
        self._each(lambda log: log.flush(), "flush")

    def _each(self, act: Callable[[PartitionLog], int], what: str) -> int:
        total = 0
        for partition, log in list(self.partitions.items()):
            if log.closed:
                continue
            try:
                total += act(log)
            except (StorageError, CorruptRecordError) as error:
                logger.error("%s of %s failed: %s", what, partition, error)
        return total

    @property
    def scan_bytes(self) -> int:
        """Return how many bytes the next start has to scan, should this process be killed now."""
        return sum(log.scan_bytes for log in self.partitions.values())

    def checkpoint(self) -> None:
        """Flush, then write recovery points, log starts and how far compaction came.

        Partitions that cannot be flushed keep the recovery point they had. Raises StorageError.
        """
        self._each(lambda log: log.checkpoint(), "checkpoint")
        try:
            for name in _ATTRIBUTES:
                self._write(name)
        except OSError as error:
            raise StorageError(f"checkpoint {self.path}: {error}") from error

    def _write(self, name: str) -> None:
        with self._write_lock:
            self._write_alone(name)

    def _write_alone(self, name: str) -> None:
        attribute = _ATTRIBUTES[name]
        offsets = {p: getattr(log, attribute) for p, log in list(self.partitions.items())}
        offsets.update({p: o for p, o in self._kept[name].items() if p in self.failed})
        if name != text.RECOVERY_POINTS:
            offsets = {p: offset for p, offset in offsets.items() if offset}
        if self._written.get(name) == offsets:
            return
        path = os.path.join(self.path, name)
        self._written.pop(name, None)
        data = text.encode_offsets(offsets)
        self._pool.patiently(lambda: replace_file(self.files, path, data))
        self._written[name] = offsets

    def _lower(self, log: PartitionLog) -> None:
        """Write down a recovery point that has moved back, before the log is cut."""
        written = self._written.get(text.RECOVERY_POINTS)
        if written is None or written.get(log.topic_partition, 0) > log.recovery_point:
            self._write(text.RECOVERY_POINTS)

    def refresh(self) -> bool:
        """Read-only: see new and removed partitions and what was appended.

        Tell whether anything is new. Raises StorageError when the directory is gone.
        """
        try:
            names = self.files.list(self.path)
            self.was_clean = CLEAN_SHUTDOWN in names
            checkpoints = self._read_checkpoints()
            found = {p for p in map(partition_of, names) if p is not None}
            changed = False
            for partition in set(self.partitions) - found:
                self.partitions.pop(partition).abandon()
                changed = True
            for partition in sorted(found - set(self.partitions)):
                self.failed.pop(partition, None)
                self._open_found(partition, checkpoints)
                changed = changed or partition in self.partitions
            for partition, log in self.partitions.items():
                start = checkpoints[text.LOG_STARTS].get(partition, 0)
                changed = self._follow(log, start) or changed
        except OSError as error:
            raise StorageError(f"refresh {self.path}: {error}") from error
        return changed

    def _follow(self, log: PartitionLog, log_start_offset: int) -> bool:
        before = log.log_start_offset
        try:
            changed = log.refresh()
        except (StorageError, CorruptRecordError) as error:
            logger.warning("partition %s stays as it was: %s", log.topic_partition, error)
            return False
        start = max(log.log_start_offset, log_start_offset)
        log.log_start_offset = min(start, log.log_end_offset)
        return changed or log.log_start_offset != before

    def close(self) -> None:
        """Flush and close all, leave the mark of a clean shutdown, release the lock.

        Raises StorageError when a partition could not be written; the lock is released, and
        the next opening recovers.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if not self.read_only:
                self._leave()
        finally:
            for log in self.partitions.values():
                log.abandon()
            self._pool.close()
            if self._lock is not None:
                self._lock.release()

    def _leave(self) -> None:
        errors = []
        for log in self.partitions.values():
            try:
                log.close()
            except (StorageError, CorruptRecordError) as error:
                errors.append(error)
        try:
            for _, path in self._doomed:
                self.files.remove_dir(path)
            for name in _ATTRIBUTES:
                self._write(name)
            if not errors and not self.failed:
                mark = b'{"version":0,"brokerEpoch":-1}'
                replace_file(self.files, os.path.join(self.path, CLEAN_SHUTDOWN), mark)
        except OSError as error:
            raise StorageError(f"close {self.path}: {error}") from error
        if errors:
            raise errors[0]


def partition_of(name: str) -> TopicPartition | None:
    """Return the partition that a directory is named after."""
    topic, dash, number = name.rpartition("-")
    if not dash or not topic or not number.isdecimal() or topic.startswith("."):
        return None
    return TopicPartition(topic, int(number))


def _open_max(wanted: int) -> int:
    """Return the bound on open files: at most a quarter of what the process may have."""
    if sys.platform == "win32":
        return wanted
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(min(wanted, soft // 4), 1)
