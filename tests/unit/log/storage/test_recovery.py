from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from millstream_log.model import TopicPartition
from millstream_log.storage.log_config import LogConfig
from millstream_log.storage.log_dir import LogDir
from millstream_log.storage.partition_log import PartitionLog
from millstream_log.testing import MemoryFiles

Batch = Callable[..., bytearray]
Contents = Callable[[PartitionLog], list[tuple[int, bytes | None]]]
OpenDir = Callable[..., LogDir]
PARTITION = TopicPartition("clicks", 0)
NOW = 1_000_000
CONFIG = LogConfig(segment_bytes=300, index_interval_bytes=0)


class Crashable:
    """A directory with one partition that can be opened again and again."""

    def __init__(self, open_dir: OpenDir, batch: Batch, files: MemoryFiles) -> None:
        self.open_dir = open_dir
        self.batch = batch
        self.files = files
        self.log_dir = open_dir(CONFIG)
        self.log = self.log_dir.create(PARTITION, "", CONFIG)

    def append(self, *values: str, **how: object) -> None:
        for value in values:
            self.log.append(self.batch(value, **how), now_ms=NOW)

    def lose(self, *, synced: bool = True) -> None:
        """End without closing; everything that was written is on the disk."""
        if synced:
            for name in self.files.list(self.log.directory):
                file = self.files.open(f"{self.log.directory}/{name}", writable=True)
                file.sync()
            self.files.sync_dir(self.log.directory)
        self.files.crash()

    def open(self) -> PartitionLog:
        self.log_dir = self.open_dir(CONFIG)
        self.log = self.log_dir.partitions[PARTITION]
        return self.log


@pytest.fixture
def place(open_dir: OpenDir, batch: Batch, files: MemoryFiles) -> Crashable:
    """Return a directory to crash."""
    return Crashable(open_dir, batch, files)


def test_a_torn_tail_is_cut_at_the_last_whole_batch(
    place: Crashable, files: MemoryFiles, contents: Contents, caplog: pytest.LogCaptureFixture
) -> None:
    """A batch that came half is not there, and the warning says how many bytes went."""
    place.append("a", "b")
    segment = place.log.segments[0]
    file = files.open(segment.path, writable=True)
    file.truncate(segment.size - 3)
    place.lose()
    with caplog.at_level(logging.WARNING):
        log = place.open()
    assert contents(log) == [(0, b"a")]
    cut = segment.size // 2 - 3
    assert f"ends at position {segment.size // 2}, offset 1: {cut} bytes cut" in caplog.text
    place.append("c")
    assert contents(place.log) == [(0, b"a"), (1, b"c")]


def test_everything_behind_a_bad_batch_in_the_unflushed_part_goes(
    place: Crashable, files: MemoryFiles, contents: Contents, caplog: pytest.LogCaptureFixture
) -> None:
    """Whole batches after a damaged one were never promised; the bytes are counted."""
    place.append(*"abcdefghij")
    assert len(place.log.segments) > 2
    second = place.log.segments[1]
    total = place.log.size_bytes
    kept = second.base_offset
    place.lose()
    files.damage(second.path, 65, b"?")
    with caplog.at_level(logging.WARNING):
        log = place.open()
    assert [offset for offset, _ in contents(log)] == list(range(kept))
    assert f"{total - log.size_bytes} bytes cut" in caplog.text
    assert len(log.segments) == 2


def test_what_lies_below_the_recovery_point_is_not_scanned(
    place: Crashable, files: MemoryFiles
) -> None:
    """Damage there is found by reading, not by opening, and cuts nothing."""
    place.append(*"abcdefghij")
    place.log_dir.checkpoint()
    place.append("k")
    path = place.log.segments[0].path
    place.lose()
    files.damage(path, 65, b"?")
    log = place.open()
    assert log.log_end_offset == 11
    with pytest.raises(Exception, match=r"position 0"):
        log.verify()


def test_producers_are_known_without_what_lies_below_the_recovery_point(
    place: Crashable, files: MemoryFiles
) -> None:
    """A checkpoint counts what a start would scan, and has the producers of all before it."""
    place.append("a", "b", producer_id=7, base_sequence=0)
    place.append("c", producer_id=8, base_sequence=0)
    assert place.log_dir.scan_bytes == place.log.size_bytes
    place.log_dir.checkpoint()
    assert place.log_dir.scan_bytes == 0
    place.append("d", producer_id=9, base_sequence=0)
    path = place.log.segments[0].path
    place.lose()
    files.damage(path, 16, b"\x07")  # whoever reads this header fails
    assert set(place.open().producers.entries) == {7, 8, 9}


def test_a_partition_that_is_broken_below_stays_away_alone(
    place: Crashable, files: MemoryFiles, contents: Contents
) -> None:
    """It is named in `failed` with file and position, untouched, and the others go on."""
    other = TopicPartition("other", 0)
    place.log_dir.create(other, "", CONFIG)
    place.append("a", "b")
    place.log_dir.checkpoint()
    (segment,) = place.log.segments
    path, last = segment.path, segment.last_position
    place.lose()
    files.damage(path, last + 16, b"\x07")
    before = files.read(path)
    log_dir = place.open_dir(CONFIG)
    assert set(log_dir.partitions) == {other}
    assert f"{path} at position {last}" in str(log_dir.failed[PARTITION])
    log_dir.checkpoint()
    log_dir.close()
    log_dir = place.open_dir(CONFIG)
    assert PARTITION in log_dir.failed
    assert files.read(path) == before
    assert not log_dir.was_clean


def test_a_gap_between_segments_ends_the_log(
    place: Crashable, files: MemoryFiles, contents: Contents
) -> None:
    """A segment that lost its last batches cleanly does not leave a hole behind it."""
    place.append(*"abcdefghij")
    first = place.log.segments[0]
    place.lose()
    file = files.open(first.path, writable=True)
    file.truncate(first.last_position)
    log = place.open()
    assert log.log_end_offset == len(contents(log)) == first.next_offset - 1


def test_indexes_are_made_anew(place: Crashable, files: MemoryFiles) -> None:
    """Missing and senseless index files are replaced, byte for byte."""
    place.append(*"abcdefghij", time=5)
    place.log_dir.close()
    names = [f"{place.log.directory}/{n}" for n in files.list(place.log.directory)]
    indexes = {name: files.read(name) for name in names if name.endswith("index")}
    for number, name in enumerate(sorted(indexes)):
        if number % 3 == 0:
            files.remove(name)
        elif number % 3 == 1:
            files.damage(name, 0, b"\xff" * 24)
    log = place.open()
    assert log.read(1, 100)
    assert log.offset_for_time(5) is not None
    for segment in log.segments:
        segment.load()
    place.log_dir.close()
    place.open()
    place.append("k")
    place.log_dir.close()
    for name, data in indexes.items():
        if name < place.log.segments[-1].prefix:
            assert files.read(name) == data


def test_a_clean_shutdown_skips_the_work(
    place: Crashable, files: MemoryFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After close nothing is checked: opening reads no batch but the last of each partition."""
    place.append(*"abcdefghij")
    place.log_dir.close()
    monkeypatch.setattr("millstream_log.storage.segment.check", None)
    log = place.open()
    assert place.log_dir.was_clean
    assert (log.log_end_offset, log.flushed_offset) == (10, 10)
    assert not files.exists("/log/.kafka_cleanshutdown")


def test_producers_come_back(place: Crashable, batch: Batch) -> None:
    """Sequences are known after a crash, from a snapshot and the batches behind it."""
    how = {"producer_id": 7, "producer_epoch": 0}
    for sequence in range(9):
        place.append("x" * 50, base_sequence=sequence, **how)
    assert len(place.log.segments) > 2
    place.lose()
    log = place.open()
    again = batch("x" * 50, base_sequence=8, **how)
    assert log.append(again, now_ms=NOW).duplicate
    assert not log.append(batch("y", base_sequence=9, **how), now_ms=NOW).duplicate


def test_producers_come_back_without_snapshots(
    place: Crashable, files: MemoryFiles, batch: Batch
) -> None:
    """A snapshot that cannot be read is passed over; the batches tell."""
    how = {"producer_id": 7, "producer_epoch": 0}
    for sequence in range(9):
        place.append("x" * 50, base_sequence=sequence, **how)
    place.log_dir.close()
    for name in files.list(place.log.directory):
        if name.endswith(".snapshot"):
            files.damage(f"{place.log.directory}/{name}", 3, b"??")
    log = place.open()
    assert log.append(batch("x" * 50, base_sequence=8, **how), now_ms=NOW).duplicate


def test_a_snapshot_beyond_the_end_does_not_come_back(
    place: Crashable, files: MemoryFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once recovery has cut the log, another crash brings no snapshot of what was cut."""
    place.append(*"abcdefghij")
    cut = place.log.segments[-2]
    snapshot = f"{place.log.directory}/{cut.next_offset:020d}.snapshot"
    place.lose()
    assert files.exists(snapshot)
    files.damage(cut.path, cut.size - 3, b"??")
    place.open().append(place.batch("k", "l", "m"), now_ms=NOW)
    files.open(cut.path, writable=True).sync()
    monkeypatch.setattr(files._chance, "randint", lambda low, high: low)
    files.crash()  # what was not synced is lost
    assert place.open().log_end_offset > cut.next_offset
    assert not files.exists(snapshot)


def test_leader_epochs_come_back(place: Crashable, batch: Batch) -> None:
    """Epochs are known after a crash, from the file and from the batches."""
    for epoch in range(3):
        place.log.append(batch("a"), now_ms=NOW, leader_epoch=epoch)
        if epoch == 1:
            place.log.flush()
    place.lose()
    assert place.open().epochs.entries() == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("plain", [0, 1, 5])
def test_what_follows_plain_batches_is_learned(place: Crashable, batch: Batch, plain: int) -> None:
    """A producer and an epoch that come after batches without either are known after a crash."""
    how = {"producer_id": 7, "producer_epoch": 0, "base_sequence": 0}
    place.append(*"p" * plain)
    place.log.append(batch("x", **how), now_ms=NOW)
    place.append(*"p" * plain)
    place.log.append(batch("y"), now_ms=NOW, leader_epoch=3)
    place.append("z")
    place.lose()
    log = place.open()
    assert log.append(batch("x", **how), now_ms=NOW).duplicate
    assert log.epochs.entries() == [(0, 0), (3, 2 * plain + 1)]


def test_half_done_files_are_tidied(
    place: Crashable, files: MemoryFiles, contents: Contents
) -> None:
    """What compaction or removal left half done is forgotten, ended or gone on with."""
    place.append(*"abcdefghij")
    first, second = place.log.segments[:2]
    whole = files.read(first.path)
    expected = contents(place.log)
    place.log_dir.close()
    for name, data in (
        (first.prefix + ".log.cleaned", b"half"),
        (first.prefix + ".index.deleted", b"old"),
        (first.prefix + ".log.swap", whole + files.read(second.path)),
        (f"{place.log.directory}/00000000000000000077.index", b""),
        (f"{place.log.directory}/leader-epoch-checkpoint.tmp", b"0"),
    ):
        file = files.open(name, writable=True, create=True)
        file.pwrite(data, 0)
        file.close()
    reader = place.open_dir(CONFIG, read_only=True)
    assert contents(reader.partitions[PARTITION]) == expected
    log = place.open()
    assert contents(log) == expected
    assert log.segments[0].next_offset == second.next_offset
    left = {name[20:] for name in files.list(log.directory) if name.startswith("0")}
    assert left <= {".log", ".index", ".timeindex", ".snapshot"}


def test_an_unreadable_checkpoint_costs_a_scan_only(
    place: Crashable, files: MemoryFiles, contents: Contents
) -> None:
    """A checkpoint file that makes no sense is as good as none."""
    place.append("a", "b")
    place.log_dir.checkpoint()
    place.lose()
    files.damage("/log/recovery-point-offset-checkpoint", 0, b"9")
    assert contents(place.open()) == [(0, b"a"), (1, b"b")]
