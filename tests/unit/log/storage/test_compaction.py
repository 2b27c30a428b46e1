from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator

import pytest

from millstream_log.errors import CorruptRecordError, StorageError
from millstream_log.record.batch import iter_batches
from millstream_log.record.compress import Codec
from millstream_log.record.control import MarkerType
from millstream_log.storage import compaction
from millstream_log.storage.descriptors import FilePool
from millstream_log.storage.log_config import LogConfig
from millstream_log.storage.log_dir import LogDir
from millstream_log.storage.partition_log import PartitionLog
from millstream_log.testing import MemoryFiles

Batch = Callable[..., bytearray]
MakeMarker = Callable[..., bytearray]
Contents = Callable[[PartitionLog], list[tuple[int, bytes | None]]]
NOW = 1_000_000
COMPACT = frozenset({"compact"})


@pytest.fixture
def log(make_log: Callable[..., PartitionLog]) -> PartitionLog:
    """Return a compacted log whose tombstones stay for a second."""
    return make_log(cleanup_policy=COMPACT, delete_retention_ms=1_000, file_delete_delay_ms=0)


def write(log: PartitionLog, batch: Batch, *rows: tuple[str, str | None], **how: object) -> None:
    """Append one batch and close its segment."""
    keys, values = zip(*rows, strict=True)
    log.append(batch(*values, keys=list(keys), **how), now_ms=NOW)
    log.roll()
    log.flush()
    log.high_watermark = log.log_end_offset


def test_the_latest_of_each_key_stays_at_its_offset(
    log: PartitionLog, batch: Batch, contents: Contents
) -> None:
    """Older values go, offsets and the log end do not change, neighbours become one segment."""
    write(log, batch, ("a", "1"), ("b", "2"), ("c", "3"))
    write(log, batch, ("a", "4"), ("b", "5"), codec=Codec.LZ4)
    write(log, batch, ("b", "6"))
    assert log.compact(NOW) > 0
    assert contents(log) == [(2, b"3"), (3, b"4"), (5, b"6")]
    assert (log.log_start_offset, log.log_end_offset) == (0, 6)
    assert [s.base_offset for s in log.segments] == [0, 6]
    assert log.first_dirty_offset == 6


def test_a_second_pass_looks_at_what_is_new(
    log: PartitionLog, batch: Batch, contents: Contents
) -> None:
    """Keys of the part that is dirty since replace those of the clean part."""
    write(log, batch, ("a", "1"), ("b", "2"))
    log.compact(NOW)
    assert log.compact(NOW) == 0
    write(log, batch, ("a", "3"))
    log.config = LogConfig(cleanup_policy=COMPACT, min_cleanable_dirty_ratio=0.1)
    assert log.compact(NOW) > 0
    assert contents(log) == [(1, b"2"), (2, b"3")]


def test_a_tombstone_stays_for_its_time(
    log: PartitionLog, batch: Batch, contents: Contents
) -> None:
    """The first pass sets the horizon, a pass after it removes the tombstone."""
    write(log, batch, ("a", "1"), ("b", "2"))
    write(log, batch, ("a", None))
    log.compact(NOW)
    assert contents(log) == [(1, b"2"), (2, None)]
    horizons = [h.delete_horizon_ms for _, h in iter_batches(log.read(2, 100))]
    assert horizons == [NOW + 1_000]
    assert log.compact(NOW + 999) == 0
    log.compact(NOW + 1_000)
    assert contents(log) == [(1, b"2")]
    assert log.log_end_offset == 3


def test_recent_records_wait(
    make_log: Callable[..., PartitionLog], batch: Batch, contents: Contents
) -> None:
    """min.compaction.lag.ms keeps young segments as they are."""
    log = make_log(cleanup_policy=COMPACT, min_compaction_lag_ms=5_000)
    write(log, batch, ("a", "1"), ("a", "2"))
    assert log.compact(NOW + 4_999) == 0
    assert len(contents(log)) == 2
    assert log.compact(NOW + 5_000) > 0
    assert contents(log) == [(1, b"2")]


def test_old_dirt_does_not_wait_for_more(
    make_log: Callable[..., PartitionLog], batch: Batch, contents: Contents
) -> None:
    """max.compaction.lag.ms makes compaction due however little is dirty."""
    log = make_log(cleanup_policy=COMPACT, max_compaction_lag_ms=5_000)
    write(log, batch, *[(f"k{n}", "x" * 50) for n in range(20)])
    log.compact(NOW)
    write(log, batch, ("k0", "new"))
    assert log.compact(NOW + 5_000) == 0
    assert log.compact(NOW + 5_001) > 0
    assert len(contents(log)) == 20


def test_nothing_open_or_unflushed_is_touched(
    log: PartitionLog, batch: Batch, contents: Contents
) -> None:
    """The active segment, what is not on the disk and open transactions stay as they are."""
    write(log, batch, ("a", "1"))
    how = {"producer_id": 7, "producer_epoch": 0, "base_sequence": 0, "is_transactional": True}
    write(log, batch, ("a", "2"), **how)
    write(log, batch, ("a", "3"))
    log.append(batch("4", keys=["a"]), now_ms=NOW)
    log.compact(NOW)
    assert [value for _, value in contents(log)] == [b"1", b"2", b"3", b"4"]
    assert log.first_dirty_offset == 1


def test_a_producers_last_batch_leaves_its_header(
    log: PartitionLog, batch: Batch, contents: Contents, open_dir: Callable[..., LogDir]
) -> None:
    """Sequences outlive compaction: the last batch of a producer stays, without its records."""
    how = {"producer_id": 7, "producer_epoch": 0}
    write(log, batch, ("a", "1"), base_sequence=0, **how)
    write(log, batch, ("a", "2"), base_sequence=1, codec=Codec.GZIP, **how)
    write(log, batch, ("a", "3"))
    log.compact(NOW)
    assert contents(log) == [(2, b"3")]
    headers = [(h.base_offset, h.count) for _, h in log.segments[0].walk(checked_from=0)]
    assert headers == [(1, 0), (2, 1)]


def test_records_without_key_stay(log: PartitionLog, batch: Batch, contents: Contents) -> None:
    """Nothing is silently dropped: a record without key has no later one."""
    log.append(batch("x", "y"), now_ms=NOW)
    write(log, batch, ("a", "1"), ("a", "2"))
    log.compact(NOW)
    assert contents(log) == [(0, b"x"), (1, b"y"), (3, b"2")]


def test_a_compacted_log_reopens_as_it_was(
    log: PartitionLog, batch: Batch, contents: Contents, open_dir: Callable[..., LogDir],
    files: MemoryFiles,
) -> None:  # fmt: skip
    """After a crash right behind compaction the same records are there."""
    for number in range(6):
        write(log, batch, ("a", str(number)), (f"b{number}", "x"), ("c", None))
    log.compact(NOW)
    expected = contents(log)
    files.crash()
    again = open_dir(log.config).partitions[log.topic_partition]
    assert contents(again)[-len(expected) :] == expected
    assert again.log_end_offset == log.log_end_offset
    assert again.verify()


@pytest.mark.parametrize("call", ["rename", "sync", "pwrite", "sync_dir", "open"])
@pytest.mark.parametrize("after", range(8))
def test_a_compaction_that_fails_leaves_the_log_whole(
    log: PartitionLog,
    batch: Batch,
    contents: Contents,
    files: MemoryFiles,
    open_dir: Callable[..., LogDir],
    call: str,
    after: int,
) -> None:
    """Wherever the disk refuses, the log reads right before and after the next opening."""
    for number in range(4):
        write(log, batch, ("a", str(number)), (f"b{number}", "x"))
    log._pool.close()
    files.fail(call, errno.EIO, after=after)
    with contextlib.suppress(StorageError):
        log.compact(NOW)
    files.heal()
    kept = [(1, b"x"), (3, b"x"), (5, b"x"), (6, b"3"), (7, b"x")]
    for found in (log, None):
        if found is None:
            files.crash()
            found = open_dir(log.config).partitions[log.topic_partition]
        rows = contents(found)
        assert [row for row in rows if row in kept] == kept
        assert [offset for offset, _ in rows] == sorted({offset for offset, _ in rows})
        assert found.log_end_offset == 8
        found.high_watermark = 8
        found.flush()
        found.compact(NOW)
        assert contents(found) == kept


class Transaction:
    """Producer 7 writing to a compacted log, one transaction after the other."""

    def __init__(self, log: PartitionLog, batch: Batch, marker: MakeMarker) -> None:
        self.log = log
        self.batch = batch
        self.marker = marker
        self.sequence = 0

    def write(self, *rows: tuple[str, str | None]) -> None:
        """Append one batch and close its segment."""
        write(
            self.log,
            self.batch,
            *rows,
            producer_id=7,
            producer_epoch=0,
            base_sequence=self.sequence,
            is_transactional=True,
        )
        self.sequence += len(rows)

    def end(self, kind: MarkerType, epoch: int = 0) -> None:
        """Append the marker and close its segment."""
        self.log.append(self.marker(kind, epoch=epoch), now_ms=NOW, coordinator=True)
        self.log.roll()
        self.log.flush()
        self.log.high_watermark = self.log.log_end_offset

    def batches(self) -> list[tuple[int, int, bool]]:
        """Return (base offset, count, whether it is a marker) of all that is there."""
        headers = [h for s in self.log.segments for _, h in s.walk(checked_from=0)]
        return [(h.base_offset, h.count, h.is_control) for h in headers]


@pytest.fixture
def transaction(log: PartitionLog, batch: Batch, marker: MakeMarker) -> Transaction:
    """Return a producer to the log, which compacts at once."""
    log.config = LogConfig(
        cleanup_policy=COMPACT, delete_retention_ms=1_000, min_cleanable_dirty_ratio=0.0
    )
    return Transaction(log, batch, marker)


def test_aborted_records_go_and_replace_nothing(
    log: PartitionLog, batch: Batch, contents: Contents, transaction: Transaction
) -> None:
    """The latest committed record of a key stays, whatever was aborted behind it."""
    write(log, batch, ("a", "1"), ("b", "1"))
    transaction.write(("a", "2"))
    transaction.write(("b", None), ("c", "3"))
    transaction.end(MarkerType.ABORT)
    transaction.write(("b", "4"))
    transaction.end(MarkerType.COMMIT)
    log.append(batch("x", keys=["x"]), now_ms=NOW)
    log.compact(NOW)
    assert transaction.batches() == [(0, 1, False), (5, 1, True), (6, 1, False), (7, 1, True),
                                     (8, 1, False)]  # fmt: skip
    values = {offset: value for offset, value in contents(log) if offset not in (5, 7)}
    assert values == {0: b"1", 6: b"4", 8: b"x"}
    assert log.aborted_transactions(0, 9) == [(7, 2)]


def test_a_marker_goes_when_nothing_of_its_transaction_is_left(
    log: PartitionLog, batch: Batch, transaction: Transaction
) -> None:
    """The pass that meets none sets the horizon; one behind it drops marker and index entry."""
    transaction.write(("a", "1"))
    transaction.end(MarkerType.ABORT)
    transaction.write(("a", "2"))
    transaction.end(MarkerType.COMMIT)
    write(log, batch, ("a", "3"))
    log.compact(NOW)
    # The producer's last batch leaves its header, and with it the second marker its sense.
    assert [base for base, _, _ in transaction.batches()] == [1, 2, 3, 4]
    transaction.write(("b", "1"))
    transaction.end(MarkerType.COMMIT)
    log.compact(NOW + 1)
    assert [base for base, _, _ in transaction.batches()] == [1, 3, 4, 5, 6]
    assert log.aborted_transactions(0, 7) == [(7, 0)]
    horizons = [log.segments[0].header_at(0).delete_horizon_ms]
    log.compact(NOW + 1_000)
    assert [base for base, _, _ in transaction.batches()] == [1, 3, 4, 5, 6]
    log.compact(NOW + 1_001)
    assert [base for base, _, _ in transaction.batches()] == [3, 4, 5, 6]
    assert log.aborted_transactions(0, 7) == []
    horizons.append(log.segments[0].header_at(0).delete_horizon_ms)
    assert horizons == [NOW + 1_001, NOW + 2_001]
    log.compact(NOW + 2_001)
    assert [base for base, _, _ in transaction.batches()] == [4, 5, 6]


def test_a_marker_dropped_leaves_nothing_open(
    log: PartitionLog,
    batch: Batch,
    marker: MakeMarker,
    transaction: Transaction,
    files: MemoryFiles,
    open_dir: Callable[..., LogDir],
) -> None:
    """No snapshot from within the transaction is left that could not be told of its end."""
    how = {"producer_id": 7, "producer_epoch": 0, "is_transactional": True}
    log.append(batch("1", keys=["a"], base_sequence=0, **how), now_ms=NOW)
    write(log, batch, ("z", "1"))
    assert log.last_stable_offset == 0
    log.append(marker(MarkerType.COMMIT), now_ms=NOW, coordinator=True)
    write(log, batch, ("a", "2"))
    write(log, batch, ("b", "1"), producer_id=7, producer_epoch=0, base_sequence=1)
    config = log.config
    log.config = LogConfig(
        cleanup_policy=COMPACT,
        delete_retention_ms=1_000,
        min_cleanable_dirty_ratio=0.0,
        segment_bytes=200,  # so that the segments stay apart, and with them their snapshots
    )
    for now in (NOW, NOW + 1, NOW + 2_000):
        write(log, batch, ("x", str(now)))
        log.compact(now)
    assert [base for base, _, _ in transaction.batches()] == [1, 3, 4, 5, 7]
    assert [segment.base_offset for segment in log.segments][:2] == [0, 2]
    log.close()
    for name in files.list(log.directory):
        path = f"{log.directory}/{name}"
        files.open(path, writable=True).sync()
        if name.endswith(".snapshot") and int(name[:20]) > 2:
            files.remove(path)
    files.sync_dir(log.directory)
    files.crash()
    assert open_dir(config).partitions[log.topic_partition].last_stable_offset == 8


def test_a_marker_that_began_an_epoch_stays(
    log: PartitionLog, batch: Batch, transaction: Transaction
) -> None:
    """Whoever was fenced by it stays fenced, until the newer one has written."""
    transaction.write(("a", "1"))
    transaction.end(MarkerType.ABORT, epoch=1)
    for now in (NOW, NOW + 5_000, NOW + 10_000):
        write(log, batch, ("x", "1"))
        log.compact(now)
    assert (1, 1, True) in transaction.batches()


def test_what_is_aborted_is_known_after_compaction(
    log: PartitionLog,
    batch: Batch,
    transaction: Transaction,
    files: MemoryFiles,
    open_dir: Callable[..., LogDir],
) -> None:
    """Whether the index of the new segment came to the disk or not, it is there at the opening."""
    write(log, batch, ("a", "1"), ("a", "2"))
    transaction.write(("b", "1"), ("c", "1"))
    transaction.end(MarkerType.ABORT)
    transaction.write(("d", "1"))
    transaction.end(MarkerType.ABORT)
    files.fail("pwrite", errno.EIO, path=".txnindex.tmp")
    with pytest.raises(StorageError):
        log.compact(NOW)
    files.heal()
    entries = [entry for segment in log.segments for entry in segment.aborted()]
    assert log.aborted_transactions(0, 8) == [(7, 2), (7, 5)]
    files.crash()
    again = open_dir(log.config).partitions[log.topic_partition]
    # Of the first nothing is left; of the second there is the producer's last batch, emptied.
    assert [e for segment in again.segments for e in segment.aborted()] == entries[1:]
    assert again.last_stable_offset == 7


def test_damage_is_not_given_a_new_checksum(
    log: PartitionLog, batch: Batch, files: MemoryFiles
) -> None:
    """A bad batch stops the pass with an error, and stays where it is."""
    write(log, batch, ("a", "1"), ("a", "2"))
    write(log, batch, ("a", "3"))
    files.damage(log.segments[0].path, 70, b"??")
    with pytest.raises(CorruptRecordError, match=r"0000\.log at position 0, offset 0"):
        log.compact(NOW)
    assert not [name for name in files.list(log.directory) if "cleaned" in name]


def test_a_pass_is_bounded_in_keys(
    log: PartitionLog, batch: Batch, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more keys than memory allows, the next pass goes on where this one stopped."""
    monkeypatch.setattr(compaction, "KEYS_MAX", 4)
    log.config = LogConfig(cleanup_policy=COMPACT, min_cleanable_dirty_ratio=0.0)
    for round_ in "12":
        for number in range(6):
            write(log, batch, (f"k{number}", round_), (f"m{number}", round_))
    dirty = [log.first_dirty_offset]
    for _ in range(6):
        log.compact(NOW)
        dirty.append(log.first_dirty_offset)
    assert dirty == sorted(dirty)
    assert dirty[1] == 4
    assert dirty[-1] == 24
    assert [value for _, value in contents(log)] == [b"2"] * 12


def test_appends_and_removals_go_on_beside_it(
    log: PartitionLog, batch: Batch, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A segment that was removed while it was rewritten does not come back."""
    write(log, batch, ("a", "1"), ("a", "2"))
    write(log, batch, ("b", "1"))
    real = compaction.rewrite

    def rewrite(plan: compaction.Plan, pool: FilePool) -> Iterator[compaction.Rewritten]:
        for made in real(plan, pool):
            log.append(batch("new", keys=["n"]), now_ms=NOW)
            log.truncate_fully(100)
            yield made

    monkeypatch.setattr(compaction, "rewrite", rewrite)
    assert log.compact(NOW) == 0
    assert contents(log) == []
    assert (log.log_start_offset, log.log_end_offset) == (100, 100)
