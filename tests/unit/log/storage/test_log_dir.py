from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from millstream_log.errors import LockedError, StorageError
from millstream_log.model import TopicPartition
from millstream_log.storage.log_config import LogConfig
from millstream_log.storage.log_dir import LogDir, partition_of
from millstream_log.storage.partition_log import PartitionLog
from millstream_log.testing import ManualClock, MemoryFiles

Batch = Callable[..., bytearray]
Contents = Callable[[PartitionLog], list[tuple[int, bytes | None]]]
OpenDir = Callable[..., LogDir]
NOW = 1_000_000
A, B = TopicPartition("a", 0), TopicPartition("b-c.d_e", 12)
TOPIC_ID = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("name", "partition"),
    [
        ("a-0", A),
        ("b-c.d_e-12", B),
        ("a", None),
        ("-1", None),
        ("a-x", None),
        (".lock", None),
        ("a-0.ff-delete", None),
    ],
)
def test_a_directory_is_named_after_its_partition(name: str, partition: object) -> None:
    """The last dash separates topic and number; other names are left alone."""
    assert partition_of(name) == partition


def test_partitions_are_there_again(open_dir: OpenDir, batch: Batch, contents: Contents) -> None:
    """Records, ids, log starts and ends outlive a clean shutdown."""
    log_dir = open_dir()
    for partition in (A, B):
        log = log_dir.create(partition, TOPIC_ID, LogConfig())
        assert log_dir.create(partition, "ff" * 16, LogConfig()) is log
        log.append(batch("x", "y", "z"), now_ms=NOW)
        log.high_watermark = 3
        log.delete_records(1)
    log_dir.close()
    log_dir.close()
    log_dir = open_dir()
    assert log_dir.was_clean
    assert set(log_dir.partitions) == {A, B}
    for log in log_dir.partitions.values():
        assert log.topic_id == TOPIC_ID
        assert (log.log_start_offset, log.high_watermark) == (1, 3)
        assert contents(log) == [(1, b"y"), (2, b"z")]


def test_a_new_partition_outlives_a_crash(open_dir: OpenDir, files: MemoryFiles) -> None:
    """Once create returns, the partition and its id are on the disk."""
    open_dir().create(A, TOPIC_ID, LogConfig())
    files.crash()
    assert open_dir().partitions[A].topic_id == TOPIC_ID


def test_a_second_writer_is_refused_by_name(open_dir: OpenDir) -> None:
    """The message names process and command of who writes; after close the way is free."""
    log_dir = open_dir()
    with pytest.raises(LockedError, match=rf"/log is written by process {os.getpid()}: \S+"):
        open_dir()
    log_dir.close()
    open_dir().close()


def test_the_lock_holds_across_processes_and_ends_with_them(tmp_path: Path) -> None:
    """Another process is named while it lives; when it is killed nothing has to be cleared."""
    code = (
        "import sys; from millstream_log.storage.log_dir import LogDir;"
        f"LogDir.open({str(tmp_path)!r}); print('open', flush=True); sys.stdin.read()"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
    )
    assert child.stdout
    assert child.stdin
    assert child.stdout.readline() == b"open\n"
    with pytest.raises(LockedError, match=f"process {child.pid}: .*LogDir"):
        LogDir.open(str(tmp_path))
    LogDir.open(str(tmp_path), read_only=True).close()
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    LogDir.open(str(tmp_path)).close()


def test_a_deleted_partition_goes_in_two_steps(
    open_dir: OpenDir, batch: Batch, files: MemoryFiles, clock: ManualClock
) -> None:
    """Its name is free at once; its bytes go when the delay is over, or at the next opening."""
    log_dir = open_dir()
    config = LogConfig(file_delete_delay_ms=500)
    for partition in (A, B):
        log_dir.create(partition, TOPIC_ID, config).append(batch("x"), now_ms=NOW)
        log_dir.delete(partition)
        log_dir.delete(partition)
    assert not log_dir.partitions
    doomed = [name for name in files.list("/log") if name.endswith("-delete")]
    assert [name.split(".")[0] for name in sorted(doomed)] == ["a-0", "b-c"]
    assert log_dir.create(A, TOPIC_ID, config).log_end_offset == 0
    log_dir.retain(clock.now_ms() + 500)
    assert not [name for name in files.list("/log") if name.endswith("-delete")]
    log_dir.delete(A)
    files.crash()
    log_dir = open_dir()
    assert not log_dir.partitions
    assert not [name for name in files.list("/log") if name.endswith("-delete")]


def test_a_longest_name_can_still_be_deleted(open_dir: OpenDir, files: MemoryFiles) -> None:
    """The mark of deletion shortens a name that would grow too long for a file system."""
    log_dir = open_dir()
    long = TopicPartition("x" * 249, 0)
    log_dir.create(long, TOPIC_ID, LogConfig())
    log_dir.delete(long)
    assert max(map(len, files.list("/log"))) <= 255


def test_a_config_is_in_force_at_once(open_dir: OpenDir, batch: Batch) -> None:
    """What is configured bounds the next append."""
    log_dir = open_dir()
    log = log_dir.create(A, TOPIC_ID, LogConfig())
    log_dir.configure(A, LogConfig(segment_bytes=10))
    for _ in range(3):
        log.append(batch("x"), now_ms=NOW)
    assert len(log.segments) == 3


def test_a_checkpoint_flushes_and_says_so(
    open_dir: OpenDir, batch: Batch, files: MemoryFiles
) -> None:
    """The three files are Kafka's; a partition that cannot be flushed keeps its old point."""
    log_dir = open_dir()
    for partition in (A, B):
        log_dir.create(partition, TOPIC_ID, LogConfig()).append(batch("x", "y"), now_ms=NOW)
    files.fail("sync", path="/a-0/", times=9)
    log_dir.partitions[B].high_watermark = 2
    log_dir.partitions[B].delete_records(1)
    log_dir.checkpoint()
    files.heal()
    assert files.read("/log/recovery-point-offset-checkpoint") == b"0\n2\na 0 0\nb-c.d_e 12 2\n"
    assert files.read("/log/log-start-offset-checkpoint") == b"0\n1\nb-c.d_e 12 1\n"
    log_dir.checkpoint()
    assert files.read("/log/recovery-point-offset-checkpoint") == b"0\n2\na 0 2\nb-c.d_e 12 2\n"


def test_a_recovery_point_goes_back_before_the_log_is_cut(
    open_dir: OpenDir, batch: Batch, files: MemoryFiles, contents: Contents
) -> None:
    """What is written where something was cut off is scanned after a crash."""
    log_dir = open_dir()
    log = log_dir.create(A, TOPIC_ID, LogConfig())
    for value in "abcd":
        log.append(batch(value), now_ms=NOW)
    log_dir.checkpoint()
    log.truncate(1)
    log.append(batch("another"), now_ms=NOW)
    files.crash()
    rows = contents(open_dir().partitions[A])
    assert rows in ([(0, b"a")], [(0, b"a"), (1, b"another")])


def test_close_without_room_is_no_clean_shutdown(
    open_dir: OpenDir, batch: Batch, files: MemoryFiles, contents: Contents
) -> None:
    """If something could not be written, the next opening recovers; the lock is released."""
    log_dir = open_dir()
    log_dir.create(A, TOPIC_ID, LogConfig()).append(batch("x"), now_ms=NOW)
    files.fail("sync", times=99)
    with pytest.raises(StorageError):
        log_dir.close()
    files.heal()
    log_dir = open_dir()
    assert not log_dir.was_clean
    assert contents(log_dir.partitions[A]) == [(0, b"x")]


def test_a_reader_changes_nothing_and_sees_what_comes(
    open_dir: OpenDir, batch: Batch, files: MemoryFiles, contents: Contents, clock: ManualClock
) -> None:
    """Beside a writer it takes no lock; refresh shows appends, segments, partitions, removals."""
    config = LogConfig(segment_bytes=200, retention_ms=1_000, file_delete_delay_ms=0)
    writer = open_dir(config)
    log = writer.create(A, TOPIC_ID, config)
    log.append(batch("a"), now_ms=NOW)
    files.read_only = True
    reader = open_dir(config, read_only=True)
    seen = reader.partitions[A]
    assert contents(seen) == [(0, b"a")]
    assert not reader.refresh()
    with pytest.raises(StorageError, match="read-only"):
        seen.append(batch("x"), now_ms=NOW)
    files.heal()
    for value in "bcdef":
        log.append(batch(value), now_ms=NOW)
    writer.create(B, TOPIC_ID, config).append(batch("z"), now_ms=NOW)
    assert reader.refresh()
    assert contents(seen) == contents(log)
    assert seen.high_watermark == 6
    assert contents(reader.partitions[B]) == [(0, b"z")]
    log.high_watermark = 6
    writer.retain(NOW + 100_000)
    writer.retain(NOW + 100_000)
    writer.delete(B)
    assert reader.refresh()
    assert (seen.log_start_offset, seen.log_end_offset) == (6, 6)
    assert set(reader.partitions) == {A}
    reader.close()


def test_a_half_written_batch_is_the_end_to_a_reader(
    open_dir: OpenDir, batch: Batch, files: MemoryFiles, contents: Contents
) -> None:
    """What is on its way is not there yet, and is there when it is whole."""
    log = open_dir().create(A, TOPIC_ID, LogConfig())
    log.append(batch("a"), now_ms=NOW)
    size = log.size_bytes
    file = files.open(log.segments[0].path, writable=True)
    whole = batch("b")
    whole[0:8] = (1).to_bytes(8, "big")
    file.pwrite(whole[:40], size)
    reader = open_dir(read_only=True)
    seen = reader.partitions[A]
    assert contents(seen) == [(0, b"a")]
    file.pwrite(whole[40:-1], size + 40)
    assert not seen.refresh()
    file.pwrite(whole, size)
    assert seen.refresh()
    assert contents(seen) == [(0, b"a"), (1, b"b")]


def test_many_partitions_fit_few_descriptors(tmp_path: Path, batch: Batch) -> None:
    """200 partitions are written, closed and opened under 64 descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 64, hard))
    try:
        log_dir = LogDir.open(str(tmp_path), open_files_max=10_000)
        for number in range(200):
            partition = TopicPartition("t", number)
            log = log_dir.create(partition, TOPIC_ID, LogConfig())
            log.append(batch("x"), now_ms=NOW)
        for log in log_dir.partitions.values():
            log.append(batch("y"), now_ms=NOW)
        log_dir.close()
        log_dir = LogDir.open(str(tmp_path), open_files_max=10_000)
        assert len(log_dir.partitions) == 200
        assert all(log.log_end_offset == 2 for log in log_dir.partitions.values())
        log_dir.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
