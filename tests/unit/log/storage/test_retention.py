from __future__ import annotations

from collections.abc import Callable

from millstream_log.model import TopicPartition
from millstream_log.storage.log_config import LogConfig
from millstream_log.storage.log_dir import LogDir
from millstream_log.storage.partition_log import PartitionLog
from millstream_log.testing import ManualClock, MemoryFiles

Batch = Callable[..., bytearray]
MakeLog = Callable[..., PartitionLog]
NOW = 1_000_000


def fill(log: PartitionLog, batch: Batch, count: int, start: int = NOW) -> None:
    """Append one batch to a segment, a second apart."""
    for number in range(count):
        log.append(batch("x" * 40, time=start + number * 1000), now_ms=start)
        log.roll()
    log.high_watermark = log.log_end_offset


def test_segments_go_when_their_last_record_is_too_old(make_log: MakeLog, batch: Batch) -> None:
    """retention.ms looks at the largest timestamp of a segment, from the oldest on."""
    log = make_log(retention_ms=10_000)
    fill(log, batch, 5)
    assert log.retain(NOW + 10_000) == 0
    assert log.retain(NOW + 12_001) == 3 * log.segments[0].size
    assert (log.log_start_offset, log.log_end_offset) == (3, 5)


def test_the_active_segment_is_rolled_away_when_all_is_old(make_log: MakeLog, batch: Batch) -> None:
    """A log whose every record is too old becomes empty and keeps its end."""
    log = make_log(retention_ms=10_000)
    log.append(batch("a", time=NOW), now_ms=NOW)
    log.high_watermark = 1
    assert log.retain(NOW + 10_001) > 0
    assert (log.log_start_offset, log.log_end_offset, log.size_bytes) == (1, 1, 0)
    assert log.append(batch("b"), now_ms=NOW).base_offset == 1


def test_records_without_time_age_by_their_file(
    make_log: MakeLog, batch: Batch, clock: ManualClock
) -> None:
    """Where no record has a timestamp, the file's own tells."""
    log = make_log(retention_ms=10_000)
    log.append(batch("a", time=-1), now_ms=NOW)
    log.roll()
    log.high_watermark = 1
    assert log.retain(clock.now_ms() + 10_000) == 0
    assert log.retain(clock.now_ms() + 10_001) > 0


def test_size_lets_go_what_is_beyond_it(make_log: MakeLog, batch: Batch) -> None:
    """retention.bytes keeps at least that much, and never removes the active segment."""
    log = make_log(retention_bytes=250)
    fill(log, batch, 5)
    size = log.segments[0].size
    log.retain(NOW)
    assert log.size_bytes == 250 // size * size + (size if 250 % size else 0)
    assert log.log_start_offset > 0
    fill(log, batch, 1)


def test_nothing_above_the_high_watermark_goes(make_log: MakeLog, batch: Batch) -> None:
    """What followers may not have yet is never removed."""
    log = make_log(retention_ms=0)
    fill(log, batch, 4)
    log.high_watermark = 2
    log.retain(NOW + 1_000_000)
    assert log.log_start_offset == 2


def test_a_compacted_log_keeps_its_age(make_log: MakeLog, batch: Batch) -> None:
    """Without `delete` in the policy time and size remove nothing; the log start still does."""
    log = make_log(retention_ms=0, retention_bytes=0, cleanup_policy=frozenset({"compact"}))
    fill(log, batch, 4)
    assert log.retain(NOW + 1_000_000) == 0
    log.delete_records(2)
    assert log.retain(NOW + 1_000_000) > 0
    assert log.segments[0].base_offset == 2


def test_files_go_after_their_delay(make_log: MakeLog, batch: Batch, files: MemoryFiles) -> None:
    """Removed segments stay as .deleted for a while, so that others can finish reading."""
    log = make_log(retention_ms=0, file_delete_delay_ms=500)
    fill(log, batch, 1)
    log.retain(NOW + 10_000)
    deleted = [name for name in files.list(log.directory) if name.endswith(".deleted")]
    assert sorted(name[20:] for name in deleted) == [
        ".index.deleted",
        ".log.deleted",
        ".timeindex.deleted",
    ]
    log.retain(NOW + 10_499)
    assert any(name.endswith(".deleted") for name in files.list(log.directory))
    log.retain(NOW + 10_500)
    assert not any(name.endswith(".deleted") for name in files.list(log.directory))


def test_the_whole_directory_has_a_bound(
    open_dir: Callable[..., LogDir], batch: Batch, files: MemoryFiles
) -> None:
    """The oldest closed segments over all topics go first; compacted topics are spared."""
    log_dir = open_dir(disk_bytes_max=500)
    logs = {}
    for number, name in enumerate(("early", "late", "compacted")):
        policy = frozenset({"compact"}) if name == "compacted" else frozenset({"delete"})
        config = LogConfig(retention_ms=-1, cleanup_policy=policy)
        logs[name] = log_dir.create(TopicPartition(name, 0), "", config)
        fill(logs[name], batch, 4, start=NOW + number % 2 * 2_500)
    size = logs["early"].segments[0].size
    assert log_dir.size_bytes() == 12 * size
    log_dir.retain(NOW)
    assert log_dir.size_bytes() <= 500
    assert logs["compacted"].log_start_offset == 0
    assert (logs["early"].log_start_offset, logs["late"].log_start_offset) == (4, 4)


def test_the_oldest_segment_goes_first(open_dir: Callable[..., LogDir], batch: Batch) -> None:
    """Which topic loses a segment is decided by age alone."""
    log_dir = open_dir()
    logs = []
    for name, start in (("a", NOW + 1_500), ("b", NOW)):
        logs.append(log_dir.create(TopicPartition(name, 0), "", LogConfig(retention_ms=-1)))
        fill(logs[-1], batch, 4, start=start)
    log_dir.disk_bytes_max = log_dir.size_bytes() - 3 * logs[0].segments[0].size
    log_dir.retain(NOW)
    assert [log.log_start_offset for log in logs] == [1, 2]
