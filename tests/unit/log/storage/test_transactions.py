from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from millstream_log.model import TopicPartition
from millstream_log.record.control import MarkerType
from millstream_log.storage.log_config import LogConfig
from millstream_log.storage.log_dir import LogDir
from millstream_log.storage.partition_log import PartitionLog
from millstream_log.storage.transactions import (
    AbortedLookup,
    AbortedTransaction,
    OpenTransactions,
    TransactionIndex,
)
from millstream_log.testing import MemoryFiles

Batch = Callable[..., bytearray]
MakeMarker = Callable[..., bytearray]
OpenDir = Callable[..., LogDir]
NOW = 1_000_000
ABORT, COMMIT = MarkerType.ABORT, MarkerType.COMMIT
PARTITION = TopicPartition("clicks", 0)
ENTRIES = [
    AbortedTransaction(7, 0, 3, 1),
    AbortedTransaction(8, 1, 5, 6),
    AbortedTransaction(7, 6, 9, 10),
]


class Writer:
    """Producers that write to one log in transactions, one record at a time."""

    def __init__(
        self, open_dir: OpenDir, batch: Batch, marker: MakeMarker, files: MemoryFiles
    ) -> None:
        self.open_dir = open_dir
        self.batch = batch
        self.marker = marker
        self.files = files
        self.sequences: dict[int, int] = {}
        self.log_dir = open_dir()
        self.log = self.log_dir.create(PARTITION, "", LogConfig())

    def reopen(self) -> PartitionLog:
        """Close, and open again."""
        self.log_dir.close()
        return self.open()

    def crash(self) -> PartitionLog:
        """Lose power with everything on the disk but a closing mark, and open again."""
        for name in self.files.list(self.log.directory):
            self.files.open(f"{self.log.directory}/{name}", writable=True).sync()
        self.files.sync_dir(self.log.directory)
        self.files.crash()
        return self.open()

    def open(self) -> PartitionLog:
        """Open what the files hold."""
        self.log_dir = self.open_dir()
        self.log = self.log_dir.partitions[PARTITION]
        return self.log

    def write(self, producer_id: int, *values: str) -> None:
        for value in values:
            sequence = self.sequences.get(producer_id, 0)
            self.sequences[producer_id] = sequence + 1
            data = self.batch(
                value,
                producer_id=producer_id,
                producer_epoch=0,
                base_sequence=sequence,
                is_transactional=True,
            )
            self.append(data)

    def end(self, producer_id: int, kind: MarkerType) -> None:
        self.append(self.marker(kind, producer_id))

    def append(self, data: bytearray) -> None:
        self.log.append(data, now_ms=NOW, coordinator=True)
        self.log.high_watermark = self.log.log_end_offset

    def fill(self, count: int) -> list[tuple[int, int]]:
        """Write transactions of two records, roll after each third; return what was aborted."""
        aborted = []
        for number in range(count):
            if number % 2:
                aborted.append((7 + number % 3, self.log.log_end_offset))
            self.write(7 + number % 3, "a", "b")
            self.end(7 + number % 3, ABORT if number % 2 else COMMIT)
            if number % 3 == 2:
                self.log.roll()
        return aborted


@pytest.fixture
def writer(open_dir: OpenDir, batch: Batch, marker: MakeMarker, files: MemoryFiles) -> Writer:
    """Return a writer to an empty log."""
    return Writer(open_dir, batch, marker, files)


def index(*entries: AbortedTransaction) -> TransactionIndex:
    """Return an index with these entries."""
    made = TransactionIndex()
    for entry in entries:
        made.append(entry)
    return made


# -- the index


def test_an_entry_is_kafkas() -> None:
    """Version, producer id, first, last and last stable offset: 34 bytes, big-endian."""
    position, data = index(ENTRIES[1]).unsaved()
    assert position == 0
    assert data.hex() == "0000" + "".join(f"{number:016x}" for number in (8, 1, 5, 6))
    assert len(data) == 34


@pytest.mark.parametrize(
    ("start", "end", "expected", "is_all"),
    [
        (0, 1, [0], True),  # the last stable offset behind the first marker was 1
        (0, 2, [0, 1], True),
        (0, 7, [0, 1, 2], True),
        (0, 11, [0, 1, 2], False),
        (4, 6, [1], True),
        (4, 7, [1, 2], True),
        (10, 20, [], False),
    ],
)
def test_a_search_ends_where_the_log_was_stable(
    start: int, end: int, expected: list[int], is_all: bool
) -> None:
    """All that overlap are found, and looking stops once nothing later can overlap."""
    found = index(*ENTRIES).overlapping(start, end)
    assert found == ([ENTRIES[at] for at in expected], is_all)


def test_entries_beyond_a_cut_are_written_again() -> None:
    """A cut goes by the marker's offset and moves the place of writing back."""
    made = index(*ENTRIES)
    made.saved()
    made.cut(5)
    assert list(made) == ENTRIES[:1]
    assert made.is_saved
    made.append(ENTRIES[2])
    assert made.unsaved() == (34, index(ENTRIES[2]).encode())


@pytest.mark.parametrize(
    ("tail", "end", "count"),
    [
        (b"", 10, 3),
        (b"\0" * 33, 10, 3),  # torn
        (b"\0" * 34, 10, 3),  # its place is there, its bytes are not
        (index(AbortedTransaction(7, 11, 12, 13)).encode(), 12, 3),  # beyond what is known
        (b"\0\1" + index(AbortedTransaction(7, 11, 12, 13)).encode()[2:], 20, 3),
        (index(AbortedTransaction(7, 12, 12, 13)).encode(), 20, 3),
        (index(AbortedTransaction(7, 11, 12, 13)).encode(), 13, 4),
    ],
)
def test_loading_stops_at_what_cannot_be_right(tail: bytes, end: int, count: int) -> None:
    """What stands before it is taken, and the caller is told whether that was all."""
    made = TransactionIndex()
    is_all = made.load(index(*ENTRIES).encode() + tail, 0, end)
    assert list(made)[:3] == ENTRIES
    assert len(made) == count
    assert is_all == (count == 4 or not tail)


def test_a_batch_belongs_to_the_transaction_around_it() -> None:
    """Producer and offset tell which aborted transaction it is of, the marker included."""
    lookup = AbortedLookup(ENTRIES)
    assert [lookup.at(7, offset) for offset in (0, 3, 4, 6, 9, 10)] == [
        ENTRIES[0], ENTRIES[0], None, ENTRIES[2], ENTRIES[2], None,
    ]  # fmt: skip
    assert lookup.at(8, 0) is None
    assert lookup.at(9, 3) is None


def test_an_end_counts_once_it_is_replicated() -> None:
    """Until the high watermark has passed the marker, the transaction is undecided."""
    transactions = OpenTransactions()
    transactions.begin(7, 3)
    transactions.begin(8, 5)
    transactions.begin(7, 6)
    assert transactions.first_unstable_offset(100) == 3
    assert transactions.end(7, 9) == 5
    assert transactions.first_unstable_offset(9) == 3
    assert transactions.first_unstable_offset(10) == 5
    assert transactions.end(8, 10) == 11
    assert transactions.first_unstable_offset(10) == 5
    assert transactions.first_unstable_offset(11) is None
    transactions.replicated(10)
    assert transactions.first_unstable_offset(0) == 5
    transactions.replicated(11)
    assert transactions.first_unstable_offset(0) is None


# -- the log


def test_an_open_transaction_holds_the_last_stable_offset(writer: Writer) -> None:
    """What is undecided is hidden from read_committed until its marker is replicated."""
    log = writer.log
    writer.append(writer.batch("x"))
    assert log.last_stable_offset == 1
    writer.write(7, "a")
    writer.write(8, "b")
    assert log.last_stable_offset == 1
    assert log.has_open_transaction(7)
    assert log.has_open_transaction(7, 0)
    assert not log.has_open_transaction(7, 1)
    assert not log.has_open_transaction(9)
    log.append(writer.marker(COMMIT), now_ms=NOW, coordinator=True)
    assert log.last_stable_offset == 1
    log.high_watermark = 4
    assert log.last_stable_offset == 2
    writer.end(8, ABORT)
    assert log.last_stable_offset == 5
    assert not log.has_open_transaction(8)


def test_the_last_stable_offset_is_not_below_the_log_start(writer: Writer) -> None:
    """Records that are gone hold nothing."""
    writer.write(7, "a", "b", "c")
    writer.log.delete_records(2)
    assert writer.log.last_stable_offset == 2


def test_aborted_transactions_are_found_across_segments(writer: Writer) -> None:
    """By first offset, whichever segment their marker lies in."""
    writer.write(7, "a")
    writer.write(8, "b")
    writer.log.roll()
    writer.end(8, ABORT)  # offset 2; the log is stable up to 0
    writer.log.roll()
    writer.end(7, ABORT)  # offset 3; up to 4
    writer.write(8, "c")
    writer.end(8, ABORT)
    log = writer.log
    assert log.aborted_transactions(0, 2) == [(7, 0), (8, 1)]
    assert log.aborted_transactions(0, 1) == [(7, 0)]
    assert log.aborted_transactions(3, 4) == [(7, 0)]
    assert log.aborted_transactions(0, 6) == [(7, 0), (8, 1), (8, 4)]
    assert log.aborted_transactions(6, 6) == []


def test_only_a_segment_with_an_aborted_transaction_has_a_file(writer: Writer) -> None:
    """Commits leave none, and a log without transactions opens none."""
    writer.write(7, "a")
    writer.end(7, COMMIT)
    writer.log.roll()
    assert [segment.transactions for segment in writer.log.segments] == [None, None]
    writer.write(7, "b")
    writer.end(7, ABORT)
    writer.log_dir.close()
    assert names(writer) == ["00000000000000000002.txnindex"]
    expected = index(AbortedTransaction(7, 2, 3, 4)).encode()
    assert writer.files.read(writer.log.segments[1].prefix + ".txnindex") == expected


def test_a_follower_learns_what_was_aborted(writer: Writer) -> None:
    """Batches that come from a leader are looked at as the leader did."""
    aborted = writer.fill(7)
    log = writer.log
    data = b"".join(log.read(segment.base_offset, 1 << 20) for segment in log.segments)
    log.truncate_fully(0)
    assert log.aborted_transactions(0, 100) == []
    log.append_replica(data, now_ms=NOW)
    assert log.last_stable_offset == 0
    log.high_watermark = log.log_end_offset
    assert log.last_stable_offset == 21
    assert log.aborted_transactions(0, 21) == aborted


def test_they_are_there_after_a_clean_shutdown(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files tell; no batch is read for it."""
    aborted = writer.fill(8)
    writer.write(7, "open")
    monkeypatch.setattr("millstream_log.storage.recovery.read_marker", None)
    log = writer.reopen()
    assert log.aborted_transactions(0, 25) == aborted
    assert log.last_stable_offset == 24
    writer.end(7, ABORT)
    assert log.aborted_transactions(20, 26) == [*aborted[-1:], (7, 24)]


@pytest.mark.parametrize("checkpoint_after", [0, 3, 4, 8])
def test_they_are_there_after_a_crash(writer: Writer, checkpoint_after: int) -> None:
    """Below the recovery point the files tell, from it on the batches."""
    aborted = writer.fill(checkpoint_after)
    writer.log_dir.checkpoint()
    aborted += writer.fill(8)
    entries = [segment.aborted() for segment in writer.log.segments]
    log = writer.crash()
    assert log.aborted_transactions(0, log.log_end_offset) == aborted
    assert [segment.aborted() for segment in log.segments] == entries
    assert names(writer) == [
        f"{segment.base_offset:020d}.txnindex" for segment in log.segments if segment.aborted()
    ]


@pytest.mark.parametrize("rolls", [False, True])
def test_a_checkpoint_makes_them_safe(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, rolls: bool
) -> None:
    """Entries and their file's name are on the disk below a recovery point, whatever it met."""
    aborted = writer.fill(2)
    log = writer.log
    flush = log.flush

    def flush_and_roll() -> int:
        flushed = flush()
        if rolls:
            log.roll()
        return flushed

    monkeypatch.setattr(log, "flush", flush_and_roll)
    writer.log_dir.checkpoint()
    monkeypatch.setattr(writer.files._chance, "randint", lambda low, high: low)
    writer.files.crash()  # what was not synced is lost
    assert writer.open().aborted_transactions(0, 6) == aborted


@pytest.mark.parametrize("data", [b"", b"\1" * 34, b"\0" * 20, b"\0" * 68])
def test_a_damaged_file_is_made_anew(writer: Writer, data: bytes) -> None:
    """It is found at the opening, and the batches tell."""
    aborted = writer.fill(8)
    paths = [segment.prefix + ".txnindex" for segment in writer.log.segments]
    writer.log_dir.close()
    whole = [writer.files.read(path) for path in paths]
    file = writer.files.open(paths[1], writable=True)
    file.truncate(len(data) and len(whole[1]) - 34)
    file.pwrite(data, file.size())
    if not data:
        writer.files.remove(writer.log.segments[1].prefix + ".index")
    log = writer.open()
    assert log.aborted_transactions(0, 24) == aborted
    assert [writer.files.read(path) for path in paths] == whole


def test_what_is_cut_off_is_no_longer_aborted(writer: Writer) -> None:
    """A transaction whose marker goes is open again; what lies behind is unknown."""
    aborted = writer.fill(8)
    log = writer.log
    log.truncate(23)
    assert log.last_stable_offset == 21
    assert log.aborted_transactions(0, 23) == aborted[:-1]
    log.truncate(5)
    assert log.aborted_transactions(0, 5) == []
    assert log.last_stable_offset == 3
    writer.sequences.clear()
    writer.end(8, ABORT)
    assert writer.crash().aborted_transactions(0, 6) == [(8, 3)]


def test_the_file_goes_with_its_segment(writer: Writer) -> None:
    """Retention and starting over leave none behind."""
    aborted = writer.fill(8)
    log = writer.log
    log.config = LogConfig(file_delete_delay_ms=500)
    log.delete_records(9)
    log.retain(NOW)
    assert log.aborted_transactions(9, 24) == aborted[1:]
    assert "00000000000000000000.txnindex.deleted" in names(writer)
    log.retain(NOW + 500)
    assert "00000000000000000000.txnindex.deleted" not in names(writer)
    log.truncate_fully(100)
    assert names(writer) == []


def test_a_reader_beside_the_writer_sees_transactions(writer: Writer) -> None:
    """What is open and what was aborted, as it is when it looks."""
    aborted = writer.fill(4)
    reader = writer.open_dir(read_only=True)
    log = reader.partitions[PARTITION]
    assert log.aborted_transactions(0, 12) == aborted
    writer.write(9, "a")
    assert reader.refresh()
    assert log.last_stable_offset == 12
    writer.end(9, ABORT)
    assert reader.refresh()
    assert log.last_stable_offset == 14
    assert log.aborted_transactions(0, 14) == [*aborted, (9, 12)]
    aborted += [(9, 12), *writer.fill(8)]
    assert reader.refresh()
    assert log.aborted_transactions(0, 100) == aborted


@pytest.mark.parametrize("call", ["open", "pwrite", "sync", "sync_dir"])
def test_an_index_that_cannot_be_written_is_written_later(writer: Writer, call: str) -> None:
    """A checkpoint that fails promises nothing, and the next one makes it good."""
    aborted = writer.fill(2)
    writer.files.fail(call, errno.EIO, path="" if call == "sync_dir" else ".txnindex")
    writer.log_dir.checkpoint()
    writer.files.heal()
    assert writer.log.aborted_transactions(0, 6) == aborted
    writer.log_dir.checkpoint()
    writer.files.crash()
    assert writer.open().aborted_transactions(0, 6) == aborted


def names(writer: Writer) -> list[str]:
    """Return the names of the transaction indexes, of those on their way out too."""
    return sorted(name for name in writer.files.list(writer.log.directory) if "txn" in name)
