from __future__ import annotations

import errno
import threading
from collections.abc import Callable

import pytest

from millstream_log.errors import (
    ClosedError,
    CorruptRecordError,
    InvalidRecordError,
    InvalidTimestampError,
    MessageTooLargeError,
    OffsetOutOfRangeError,
    StorageError,
)
from millstream_log.model import TimestampType, TopicPartition
from millstream_log.record.batch import (
    CODEC_BITS,
    HEADER_BYTES,
    decode,
    iter_batches,
    read_header,
    seal,
)
from millstream_log.record.compress import Codec
from millstream_log.storage.log_config import LogConfig
from millstream_log.storage.log_dir import LogDir
from millstream_log.storage.partition_log import AppendResult, PartitionLog
from millstream_log.testing import ManualClock, MemoryFiles

Batch = Callable[..., bytearray]
Contents = Callable[[PartitionLog], list[tuple[int, bytes | None]]]
MakeLog = Callable[..., PartitionLog]
NOW = 1_000_000
FIRST = "/log/clicks-0/00000000000000000000.log"


def test_offsets_are_counted_on(make_log: MakeLog, batch: Batch) -> None:
    """Each append begins where the one before ended, several batches at once too."""
    log = make_log()
    assert log.append(batch("a", "b"), now_ms=NOW) == AppendResult(0, 1, -1, 0)
    both = batch("c") + batch("d", "e")
    assert log.append(both, now_ms=NOW, leader_epoch=3) == AppendResult(2, 4, -1, 0)
    found = [(h.base_offset, h.leader_epoch) for _, h in iter_batches(log.read(0, 10_000))]
    assert found == [(0, 0), (2, 3), (3, 3)]
    assert log.epochs.entries() == [(0, 0), (3, 2)]
    assert (log.log_end_offset, log.size_bytes) == (5, len(log.read(0, 10_000)))


def test_log_append_time_is_stamped_without_opening(make_log: MakeLog, batch: Batch) -> None:
    """The log's own time replaces the producer's, and the CRC is right again."""
    log = make_log(message_timestamp_type=TimestampType.LOG_APPEND_TIME)
    assert log.append(batch("a", time=5), now_ms=NOW).log_append_time_ms == NOW
    data = log.read(0, 1000, verify=True)
    assert decode(data)[0].timestamp == NOW
    assert log.offset_for_time(NOW) == (0, NOW)


@pytest.mark.parametrize("sent", Codec)
@pytest.mark.parametrize("kind", ["uncompressed", "gzip", "snappy", "lz4", "zstd"])
def test_a_log_stores_its_own_codec(
    make_log: MakeLog, batch: Batch, sent: Codec, kind: str
) -> None:
    """With a compression type of its own the log stores each batch in it, records unchanged."""
    log = make_log(compression_type=kind)
    values = ["word " * 50, "more " * 50]
    for times in ([1000, 2000], [3000, 4000]):
        log.append(batch(*values, times=times, codec=sent), now_ms=NOW)
    data = log.read(0, 1 << 20)
    headers = [header for _, header in iter_batches(data)]
    assert [header.base_offset for header in headers] == [0, 2]
    assert {Codec(header.attributes & CODEC_BITS) for header in headers} == {log.config.codec}
    records = [record for at, header in iter_batches(data) for record in decode(data, at, header)]
    assert [record.timestamp for record in records] == [1000, 2000, 3000, 4000]
    assert [record.value for record in records] == [value.encode() for value in values] * 2


def test_what_cannot_be_recompressed_is_refused(make_log: MakeLog, batch: Batch) -> None:
    """Bytes that do not decompress, or grow too large by it, leave nothing behind."""
    log = make_log(compression_type="uncompressed", max_message_bytes=300)
    torn = batch("a" * 100, codec=Codec.GZIP)
    torn[HEADER_BYTES + 10] ^= 0xFF
    seal(torn, 0, len(torn))
    with pytest.raises(CorruptRecordError):
        log.append(torn, now_ms=NOW)
    with pytest.raises(MessageTooLargeError, match=r"max\.message\.bytes 300"):
        log.append(batch("a" * 1000, codec=Codec.GZIP), now_ms=NOW)
    assert log.log_end_offset == 0


def test_what_cannot_be_taken_is_refused_whole(make_log: MakeLog, batch: Batch) -> None:
    """A bad batch among good ones leaves nothing behind, and the message says what is wrong."""
    log = make_log(max_message_bytes=200)
    damaged = batch("abc")
    damaged[-2] ^= 1
    miscounted = batch("a", "b")
    miscounted[23:27] = (5).to_bytes(4, "big")
    cases = [
        (batch("ok") + damaged, CorruptRecordError, "CRC"),
        (batch("x" * 200), MessageTooLargeError, "max.message.bytes 200"),
        (batch("a")[:-1], CorruptRecordError, "left"),
        (bytearray(), CorruptRecordError, "0 bytes"),
        (batch("a", is_control=True), InvalidRecordError, "control batch"),
        (batch("a", producer_id=7, producer_epoch=0), InvalidRecordError, "sends sequence -1"),
        (batch("a", time=NOW + 3_600_001), InvalidTimestampError, "at most 4600000"),
    ]  # fmt: skip
    for data, error, words in cases:
        with pytest.raises(error, match=words):
            log.append(data, now_ms=NOW)
    assert (log.log_end_offset, log.size_bytes) == (0, 0)
    with pytest.raises(CorruptRecordError):
        log.append(miscounted, now_ms=NOW)


def test_old_timestamps_are_refused_when_asked(make_log: MakeLog, batch: Batch) -> None:
    """message.timestamp.before.max.ms looks at every record, not at the header alone."""
    log = make_log(message_timestamp_before_max_ms=1000)
    log.append(batch("a", "b", times=[NOW - 1000, NOW]), now_ms=NOW)
    with pytest.raises(InvalidTimestampError, match="timestamp 998999, at least 999000") as caught:
        log.append(batch("a", "b", times=[NOW, NOW - 1001]), now_ms=NOW)
    assert caught.value.records == [1]


def test_a_compacted_log_may_insist_on_keys(make_log: MakeLog, batch: Batch) -> None:
    """A record without key is refused when the caller asks for the check."""
    log = make_log(cleanup_policy=frozenset({"compact"}))
    log.append(batch("a", keys=["k"]), now_ms=NOW, check_keys=True)
    with pytest.raises(InvalidRecordError, match="no key") as caught:
        log.append(batch("a", "b"), now_ms=NOW, check_keys=True)
    assert caught.value.records == [0, 1]


def test_a_repeated_batch_is_answered_with_its_first_offsets(
    make_log: MakeLog, batch: Batch
) -> None:
    """A retry of an idempotent producer is written once."""
    log = make_log()
    how = {"producer_id": 7, "producer_epoch": 0, "base_sequence": 0}
    log.append(batch("a", "b", **how), now_ms=NOW)
    log.append(batch("x"), now_ms=NOW)
    assert log.append(batch("a", "b", **how), now_ms=NOW) == AppendResult(0, 1, -1, 0, True)
    assert log.log_end_offset == 3


def test_a_follower_keeps_the_leaders_offsets(make_log: MakeLog, batch: Batch) -> None:
    """Offsets and epochs come as they are, gaps too; a step back is refused."""
    log = make_log()
    data = batch("a", "b")
    data[0:8] = (10).to_bytes(8, "big")
    assert log.append_replica(data, now_ms=NOW) == AppendResult(10, 11, -1, 0)
    assert log.log_end_offset == 12
    with pytest.raises(CorruptRecordError, match="offset 10, log end 12"):
        log.append_replica(data, now_ms=NOW)
    assert read_header(log.read(0, 100)).base_offset == 10


def test_a_read_gives_whole_batches(make_log: MakeLog, batch: Batch) -> None:
    """From the batch that holds the offset, one at least, none that passes the bounds."""
    log = make_log(index_interval_bytes=0)
    for _ in range(10):
        log.append(batch("a", "b", "c"), now_ms=NOW)
    size = log.size_bytes // 10
    assert read_header(log.read(4, 1)).base_offset == 3
    assert len(log.read(4, 1)) == size
    assert len(log.read(4, 3 * size + 1)) == 3 * size
    assert len(log.read(0, 1 << 20)) == 10 * size
    assert len(log.read(4, 1 << 20, end_offset=11)) == 2 * size
    assert log.read(4, 1 << 20, end_offset=5) == b""
    assert log.read(30, 100) == b""
    for offset in (-1, 31):
        with pytest.raises(OffsetOutOfRangeError, match=f"fetch offset {offset}.* log end 30"):
            log.read(offset, 100)


def test_damage_is_named_where_it_is(make_log: MakeLog, batch: Batch, files: MemoryFiles) -> None:
    """A flipped byte in the middle is found by verify, with file, position and offset."""
    log = make_log()
    for _ in range(5):
        log.append(batch("a", "b"), now_ms=NOW)
    size = log.size_bytes // 5
    assert log.verify() == 5
    files.damage(FIRST, 2 * size + 65, b"?")
    where = f"{FIRST} at position {2 * size}, offset 4"
    with pytest.raises(CorruptRecordError, match=where):
        log.verify()
    with pytest.raises(CorruptRecordError, match=where):
        log.read(0, 10_000, verify=True)
    assert len(log.read(6, 10_000, verify=True)) == 2 * size
    log.append(batch("a"), now_ms=NOW)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_full_disk_leaves_whole_batches(
    make_log: MakeLog, batch: Batch, files: MemoryFiles, contents: Contents, code: int
) -> None:
    """The append fails with its cause, the file is cut back, reading and then writing go on."""
    log = make_log()
    log.append(batch("a"), now_ms=NOW)
    size = log.size_bytes
    files.fail("pwrite", code, path=".log")
    with pytest.raises(StorageError, match=r"append \d+ bytes to .*\.log at") as caught:
        log.append(batch("b"), now_ms=NOW)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == code
    assert files.size(FIRST) == size
    assert contents(log) == [(0, b"a")]
    assert log.append(batch("c"), now_ms=NOW).base_offset == 1
    assert contents(log) == [(0, b"a"), (1, b"c")]


def test_a_tail_that_could_not_be_cut_is_cut_before_the_next_write(
    make_log: MakeLog, batch: Batch, files: MemoryFiles, contents: Contents
) -> None:
    """When even the truncation fails, the next append does it first."""
    log = make_log()
    log.append(batch("a"), now_ms=NOW)
    size = files.size(FIRST)
    files.fail("pwrite", errno.ENOSPC, path=".log")
    files.fail("truncate", errno.EIO, path=".log", times=2)
    for _ in range(2):
        with pytest.raises(StorageError):
            log.append(batch("a long batch, of which a half was written"), now_ms=NOW)
    assert files.size(FIRST) > size
    log.append(batch("b"), now_ms=NOW)
    assert log.verify() == 2
    assert files.size(FIRST) == log.size_bytes
    assert contents(log) == [(0, b"a"), (1, b"b")]


@pytest.mark.parametrize("suffix", [".log", ".index", ".timeindex", ".snapshot"])
@pytest.mark.parametrize("call", ["open", "pwrite"])
def test_a_roll_that_fails_is_done_later(
    make_log: MakeLog,
    batch: Batch,
    files: MemoryFiles,
    contents: Contents,
    open_dir: Callable[..., LogDir],
    suffix: str,
    call: str,
) -> None:
    """Whichever file of the new segment cannot be made, nothing is lost and it is tried again."""
    log = make_log(segment_bytes=150, index_interval_bytes=0)
    log.append(batch("a"), now_ms=NOW)
    log.append(batch("b"), now_ms=NOW)
    files.fail(call, errno.EMFILE, path=suffix, times=2)
    for _ in range(2):
        try:
            log.append(batch("c"), now_ms=NOW)
        except StorageError:
            pass
    files.heal()
    log.append(batch("d"), now_ms=NOW)
    expected = contents(log)
    assert expected[-1][1] == b"d"
    files.crash()
    found = contents(open_dir().partitions[log.topic_partition])
    assert found == expected[: len(found)]


def test_a_read_only_disk_refuses_appends_and_serves_reads(
    make_log: MakeLog, batch: Batch, files: MemoryFiles, contents: Contents
) -> None:
    """EROFS reaches the caller as StorageError; when it is over, appends go on."""
    log = make_log()
    log.append(batch("a"), now_ms=NOW)
    files.read_only = True
    log._pool.close()
    with pytest.raises(StorageError, match="Read-only"):
        log.append(batch("b"), now_ms=NOW)
    files.heal()
    log.append(batch("b"), now_ms=NOW)
    assert contents(log) == [(0, b"a"), (1, b"b")]


def test_segments_roll_by_size_time_and_index(make_log: MakeLog, batch: Batch) -> None:
    """Bytes, the first batch's age and a full index each begin a new segment."""
    by_size = make_log(segment_bytes=200)
    for _ in range(4):
        by_size.append(batch("x" * 30), now_ms=NOW)
    assert [s.base_offset for s in by_size.segments] == [0, 2]
    assert all(segment.size <= 200 for segment in by_size.segments)


def test_segments_roll_by_the_age_of_the_first_batch(make_log: MakeLog, batch: Batch) -> None:
    """segment.ms counts from the first batch's timestamp, in the time of the batches."""
    log = make_log(segment_ms=1000)
    for time in (NOW, NOW + 1000, NOW + 1001, NOW + 5):
        log.append(batch("x", time=time), now_ms=NOW)
    assert [s.base_offset for s in log.segments] == [0, 2]


def test_segments_roll_when_an_index_is_full(make_log: MakeLog, batch: Batch) -> None:
    """A time index with room for one more entry, the one of closing, ends its segment."""
    log = make_log(index_interval_bytes=0, segment_index_bytes=24)
    for _ in range(6):
        log.append(batch("x", time=5), now_ms=NOW)
    assert [s.base_offset for s in log.segments] == [0, 2, 4]


def test_a_batch_larger_than_a_segment_gets_its_own(make_log: MakeLog, batch: Batch) -> None:
    """segment.bytes bounds what is put together, not what one append may be."""
    log = make_log(segment_bytes=100)
    log.append(batch("x" * 500), now_ms=NOW)
    log.append(batch("x"), now_ms=NOW)
    assert [s.base_offset for s in log.segments] == [0, 1]


def test_flush_makes_safe_what_was_appended_before(
    make_log: MakeLog, batch: Batch, files: MemoryFiles
) -> None:
    """The flushed offset is the log end at the call; with nothing new there is no sync."""
    log = make_log(segment_bytes=200)
    for _ in range(5):
        log.append(batch("x" * 30), now_ms=NOW)
    assert log.flushed_offset == 0
    assert log.flush() == log.flushed_offset == 5
    syncs = files.syncs
    assert log.flush() == 5
    assert files.syncs == syncs


def test_a_failed_sync_promises_nothing_and_is_made_good(
    make_log: MakeLog, batch: Batch, files: MemoryFiles, open_dir: Callable[..., LogDir]
) -> None:
    """After a sync that failed the bytes are written again, since the disk has dropped them."""
    log = make_log()
    log.append(batch("a"), now_ms=NOW)
    log.flush()
    log.append(batch("b"), now_ms=NOW)
    files.fail("sync", errno.EIO, path=".log")
    with pytest.raises(StorageError, match="flush"):
        log.flush()
    assert log.flushed_offset == 1
    assert log.flush() == 2
    files.crash()
    assert open_dir().partitions[log.topic_partition].log_end_offset == 2


def test_flush_runs_beside_appends(make_log: MakeLog, batch: Batch) -> None:
    """A thread that flushes and one that appends and rolls do not disturb each other."""
    log = make_log(segment_bytes=2000)
    done = threading.Event()
    errors: list[BaseException] = []

    def flush() -> None:
        try:
            while not done.is_set():
                log.flush()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=flush)
    thread.start()
    for _ in range(500):
        log.append(batch("x" * 50), now_ms=NOW)
    done.set()
    thread.join()
    assert not errors
    assert log.flush() == log.verify() == 500


def test_truncate_drops_batches_that_reach_the_offset(
    make_log: MakeLog, batch: Batch, contents: Contents, open_dir: Callable[..., LogDir]
) -> None:
    """Batches are whole: the one that holds the offset goes, and with it later segments."""
    log = make_log(segment_bytes=150)
    for epoch, value in enumerate("abcdef"):
        log.append(batch(value, value), now_ms=NOW, leader_epoch=epoch)
    log.flush()
    log.truncate(7)
    assert (log.log_end_offset, log.flushed_offset) == (6, 6)
    assert log.epochs.entries() == [(0, 0), (1, 2), (2, 4)]
    assert [value for _, value in contents(log)] == [b"a", b"a", b"b", b"b", b"c", b"c"]
    log.append(batch("g"), now_ms=NOW)
    assert contents(log)[-1] == (6, b"g")
    log.truncate(0)
    assert (log.log_start_offset, log.log_end_offset, log.size_bytes) == (0, 0, 0)


def test_a_log_may_start_over_elsewhere(make_log: MakeLog, batch: Batch) -> None:
    """A follower that fell behind begins at its leader's log start."""
    log = make_log()
    log.append(batch("a"), now_ms=NOW)
    log.truncate_fully(500)
    assert (log.log_start_offset, log.log_end_offset) == (500, 500)
    assert log.append(batch("b"), now_ms=NOW).base_offset == 500


def test_delete_records_moves_the_start(make_log: MakeLog, batch: Batch) -> None:
    """Up to the high watermark, never back; what lies below is out of range at once."""
    log = make_log()
    log.append(batch("a", "b", "c"), now_ms=NOW)
    log.high_watermark = 2
    assert log.delete_records(1) == 1
    assert log.delete_records(0) == 1
    assert log.delete_records(-1) == 2
    with pytest.raises(OffsetOutOfRangeError, match="delete before 3, high watermark 2"):
        log.delete_records(3)
    with pytest.raises(OffsetOutOfRangeError):
        log.read(1, 100)
    assert log.read(2, 100)


def test_a_closed_log_says_so(make_log: MakeLog, batch: Batch) -> None:
    """Every call after close is refused, and closing twice is closing once."""
    log = make_log()
    log.close()
    log.close()
    for call in (lambda: log.append(batch("a"), now_ms=NOW), lambda: log.read(0, 1), log.flush):
        with pytest.raises(ClosedError, match="clicks-0 is closed"):
            call()


def test_a_quiet_producer_is_forgotten_with_time(
    open_dir: Callable[..., LogDir], batch: Batch, clock: ManualClock
) -> None:
    """The directory's retention also ends what is known of producers that are silent."""
    log_dir = open_dir()
    log = log_dir.create(TopicPartition("a", 0), "", LogConfig())
    log.append(batch("a", producer_id=7, producer_epoch=0, base_sequence=0), now_ms=NOW)
    log_dir.producer_expiration_ms = 5_000
    clock.advance(4_999)
    log_dir.retain(clock.now_ms())
    assert log.describe_producers() == [(7, 0, 0, NOW, -1, -1)]
    clock.advance(1)
    log_dir.retain(clock.now_ms())
    assert log.describe_producers() == []
