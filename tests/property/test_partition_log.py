"""A partition log against a plain dict, over files that forget what was not synced."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import pytest

from millstream_log.errors import OffsetOutOfRangeError, StorageError
from millstream_log.model import TopicPartition
from millstream_log.record.batch import BatchRecord, decode, iter_batches
from millstream_log.record.builder import encode_columns
from millstream_log.record.compress import Codec
from millstream_log.record.control import Marker, MarkerType, encode_marker
from millstream_log.storage.log_config import LogConfig
from millstream_log.storage.log_dir import LogDir
from millstream_log.storage.partition_log import PartitionLog
from millstream_log.testing import ManualClock, MemoryFiles

STEPS = int(os.environ.get("MILLSTREAM_SIM_STEPS", "2000"))  # of all parts of a run together
PARTS = 4
POLICIES = [frozenset({"delete"}), frozenset({"compact"}), frozenset({"compact", "delete"})]
PARTITION = TopicPartition("clicks", 0)
PRODUCER_IDS = [7, 8, 9]
CODECS = [Codec.NONE, Codec.NONE, Codec.NONE, Codec.LZ4, Codec.GZIP]


class Model:
    """What the log must hold: the records that are visible, and all that ever were."""

    def __init__(self) -> None:
        self.visible: dict[int, BatchRecord] = {}
        self.history: dict[int, BatchRecord] = {}
        self.ends = [0]  # offsets at which a batch ended
        self.start = 0
        self.start_kept = 0  # the log start that a crash may go back to
        self.end = 0
        self.owners: dict[int, int] = {}  # offset -> producer of a record in a transaction
        self.markers: dict[int, tuple[int, MarkerType]] = {}  # offset -> producer, kind

    def append(self, records: list[BatchRecord], producer_id: int | None = None) -> None:
        for record in records:
            self.visible[record.offset] = self.history[record.offset] = record
            if producer_id is not None:
                self.owners[record.offset] = producer_id
        self.end = records[-1].offset + 1
        self.ends.append(self.end)

    def mark(self, record: BatchRecord, producer_id: int, kind: MarkerType) -> None:
        """Take in a marker, which is a record of its own."""
        self.append([record])
        self.markers[record.offset] = (producer_id, kind)

    def transactions(self) -> tuple[dict[int, int], dict[int, int]]:
        """Return (producer -> first offset) of what is open, (offset -> marker) of what ended."""
        begun: dict[int, list[int]] = {}
        ended: dict[int, int] = {}
        for offset in sorted({*self.owners, *self.markers}):
            if offset in self.owners:
                begun.setdefault(self.owners[offset], []).append(offset)
            else:
                ended.update(dict.fromkeys(begun.pop(self.markers[offset][0], []), offset))
        return {producer_id: offsets[0] for producer_id, offsets in begun.items()}, ended

    def aborted(self) -> set[int]:
        """Return the offsets of records whose transactions were aborted."""
        _, ended = self.transactions()
        return {at for at, by in ended.items() if self.markers[by][1] is MarkerType.ABORT}

    def stable(self) -> tuple[int, int]:
        """Return the least and the most that the last stable offset may be.

        A log may forget a transaction of which no record is left.
        """
        first, _ = self.transactions()
        least = min(first.values(), default=self.end)
        left = [
            at
            for at, by in self.owners.items()
            if at in self.visible and first.get(by, at + 1) <= at
        ]
        return least, min(left, default=self.end)

    def cut(self, end: int) -> None:
        """Forget what lies at `end` or beyond."""
        held: tuple[dict[int, Any], ...] = (
            self.visible, self.history, self.owners, self.markers,
        )  # fmt: skip
        for kept in held:
            for offset in [offset for offset in kept if offset >= end]:
                del kept[offset]
        self.ends = [offset for offset in self.ends if offset < end] + [end]
        self.end = end
        self.start, self.start_kept = min(self.start, end), min(self.start_kept, end)

    def begin(self, start: int) -> None:
        self.start = max(start, self.start)
        for offset in [offset for offset in self.visible if offset < start]:
            del self.visible[offset]


class Run:
    """One run: a log, its model, and the steps that may be taken."""

    def __init__(self, seed: int, policy: frozenset[str]) -> None:
        self.chance = random.Random(seed)
        self.clock = ManualClock()
        self.files = MemoryFiles(seed=seed, clock=self.clock)
        chance = self.chance
        self.config = LogConfig(
            segment_bytes=chance.choice([1500, 3000, 8000]),
            segment_ms=chance.choice([3_000, 1 << 40]),
            segment_index_bytes=chance.choice([120, 10_000]),
            index_interval_bytes=chance.choice([0, 100, 400]),
            retention_ms=chance.choice([-1, 60_000]),
            retention_bytes=chance.choice([-1, 20_000]),
            cleanup_policy=policy,
            delete_retention_ms=chance.choice([0, 20_000]),
            min_cleanable_dirty_ratio=chance.choice([0.0, 0.5]),
            file_delete_delay_ms=chance.choice([0, 5_000]),
        )
        self.expiration_ms = chance.choice([20_000, 86_400_000])
        self.model = Model()
        self.log_dir = self.open()
        self.log_dir.create(PARTITION, "0123456789abcdef" * 2, self.config)
        self.steps: list[tuple[Callable[[], None], int]] = [
            (self.append, 40),
            (self.transact, 20),
            (self.end_transaction, 10),
            (self.read, 30),
            (self.read_committed, 20),
            (self.search, 10),
            (self.flush, 8),
            (self.roll, 2),
            (self.pass_time, 6),
            (self.retain, 3),
            (self.compact, 4),
            (self.truncate, 1),
            (self.delete_records, 2),
            (self.checkpoint, 2),
            (self.fill_disk, 2),
            (self.fail_sync, 1),
            (self.look_beside, 3),
            (self.reopen, 2),
            (self.crash, 3),
        ]

    # -- running

    @property
    def log(self) -> PartitionLog:
        return self.log_dir.partitions[PARTITION]

    def open(self, *, read_only: bool = False) -> LogDir:
        log_dir = LogDir.open(
            "/log",
            files=self.files,
            clock=self.clock,
            configs=lambda _: self.config,
            read_only=read_only,
            open_files_max=3,
        )
        log_dir.producer_expiration_ms = self.expiration_ms
        return log_dir

    def go(self, steps: int) -> None:
        acts, weights = zip(*self.steps, strict=True)
        for _ in range(steps):
            self.chance.choices(acts, weights)[0]()
            if not self.log.read_only:
                self.log.high_watermark = self.log.log_end_offset
            assert self.log.log_end_offset == self.model.end
            assert self.log.log_start_offset == self.model.start
            self.check_stable(self.log)
        self.compare(self.log)

    # -- steps

    def batch(self, **producer: Any) -> tuple[bytearray, list[BatchRecord]]:
        chance = self.chance
        count = chance.choice([1, 1, 2, 5, 20])
        now = self.clock.now_ms()
        times = [now - chance.randrange(5_000) for _ in range(count)]
        keys = [b"key-%d" % chance.randrange(12) for _ in range(count)]
        values = [None if chance.random() < 0.2 else chance.randbytes(8) for _ in range(count)]
        data = encode_columns(times, keys, values, codec=chance.choice(CODECS), **producer)
        rows = enumerate(zip(times, keys, values, strict=True), self.log.log_end_offset)
        return data, [BatchRecord(offset, *row) for offset, row in rows]

    def append(self) -> None:
        data, records = self.batch()
        result = self.log.append(data, now_ms=self.clock.now_ms())
        assert (result.base_offset, result.last_offset) == (records[0].offset, records[-1].offset)
        self.model.append(records)

    def transact(self) -> None:
        """Write a batch in a producer's transaction, which it begins if none is open."""
        producer_id = self.chance.choice(PRODUCER_IDS)
        epoch, sequence = self.known(producer_id)
        data, records = self.batch(
            producer_id=producer_id,
            producer_epoch=epoch,
            base_sequence=sequence,
            is_transactional=True,
        )
        self.log.append(data, now_ms=self.clock.now_ms())
        self.model.append(records, producer_id)

    def known(self, producer_id: int) -> tuple[int, int]:
        """Return the producer's epoch and next sequence as the log knows them."""
        found = [known for known in self.log.describe_producers() if known[0] == producer_id]
        return (found[0].producer_epoch, found[0].last_sequence + 1) if found else (0, 0)

    def end_transaction(self) -> None:
        """Append a marker, of a newer epoch now and then, whether anything is open or not."""
        producer_id = self.chance.choice(PRODUCER_IDS)
        kind = self.chance.choice(list(MarkerType))
        epoch = self.known(producer_id)[0] + (self.chance.random() < 0.2)
        data = encode_marker(
            Marker(kind, 0),
            timestamp_ms=self.clock.now_ms(),
            producer_id=producer_id,
            producer_epoch=epoch,
        )
        self.log.append(data, now_ms=self.clock.now_ms(), coordinator=True)
        self.model.mark(decode(data)[0], producer_id, kind)  # patched in place by the log

    def check_stable(self, log: PartitionLog) -> None:
        least, most = self.model.stable()
        assert max(least, log.log_start_offset) <= log.last_stable_offset <= most

    def read_committed(self) -> None:
        """Leave out what was aborted, as a consumer does it, and have what was committed left."""
        offset = self.chance.randint(self.model.start, self.log.last_stable_offset)
        self.compare_committed(self.log, offset, self.chance.choice([1, 1000, 100_000]))

    def compare_committed(self, log: PartitionLog, offset: int, bytes_max: int) -> None:
        data = log.read(offset, bytes_max, end_offset=log.last_stable_offset)
        batches = list(iter_batches(data))
        if not batches:
            return
        reached = batches[-1][1].next_offset
        waiting = log.aborted_transactions(offset, reached)
        assert waiting == sorted(waiting, key=itemgetter(1))
        left_out: set[int] = set()
        got = []
        for at, header in batches:
            while waiting and waiting[0][1] <= header.last_offset:
                left_out.add(waiting.pop(0)[0])
            if header.is_control:
                if self.model.markers[header.base_offset][1] is MarkerType.ABORT:
                    left_out.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in left_out):
                got += [r for r in decode(data, at, header) if r.offset >= offset]
        hidden = self.model.aborted() | set(self.model.markers)
        rows = [at for at in self.offsets(offset, reached) if at not in hidden]
        assert got == [self.model.visible[at] for at in rows]

    def read(self) -> None:
        start, end = self.model.start, self.model.end
        offset = self.chance.randint(start, end)
        if self.chance.random() < 0.05:
            with pytest.raises(OffsetOutOfRangeError):
                self.log.read(self.chance.choice([start - 1, end + 1]), 100)
        bytes_max = self.chance.choice([1, 200, 1000, 100_000])
        limit = self.chance.choice([None, None, self.chance.randint(offset, end)])
        data = self.log.read(offset, bytes_max, end_offset=limit, verify=True)
        batches = list(iter_batches(data))
        assert sum(header.size for _, header in batches) == len(data)
        assert len(data) <= bytes_max or len(batches) == 1
        if not data:
            bound = end if limit is None else limit
            whole = max((at for at in self.model.ends if at <= bound), default=0)
            assert not [at for at in self.model.visible if offset <= at < whole]
            return
        reached = batches[-1][1].next_offset
        assert limit is None or reached <= limit
        got = [r for at, header in batches for r in decode(data, at, header) if r.offset >= offset]
        assert got == [self.model.visible[at] for at in self.offsets(offset, reached)]

    def offsets(self, start: int, end: int) -> list[int]:
        return [offset for offset in range(start, end) if offset in self.model.visible]

    def search(self) -> None:
        time = self.clock.now_ms() - self.chance.randrange(20_000)
        found = self.log.offset_for_time(time)
        rows = [self.model.visible[at] for at in self.offsets(self.model.start, self.model.end)]
        expected = next(((r.offset, r.timestamp) for r in rows if r.timestamp >= time), None)
        assert found == expected
        top = max((r.timestamp for r in rows), default=None)
        first = next(((r.offset, r.timestamp) for r in rows if r.timestamp == top), None)
        assert self.log.offset_of_max_timestamp() == first

    def flush(self) -> None:
        assert self.log.flush() == self.model.end == self.log.flushed_offset

    def roll(self) -> None:
        self.log.roll(self.clock.now_ms())

    def pass_time(self) -> None:
        self.clock.advance(self.chance.choice([10, 500, 10_000]))

    def retain(self) -> None:
        self.log_dir.retain(self.clock.now_ms())
        self.model.begin(self.log.log_start_offset)

    def delete_records(self) -> None:
        offset = self.chance.randint(self.model.start, self.model.end)
        if self.chance.random() < 0.5:
            offset = min(offset, self.model.start + 30)
        assert self.log.delete_records(offset) == offset
        self.model.begin(offset)

    def truncate(self) -> None:
        offset = self.chance.randint(self.model.start, self.model.end)
        self.log.truncate(offset)
        # The log ends where a batch did, before the gap that compaction may have left.
        end = self.log.log_end_offset
        whole = max(self.model.start, *(at for at in self.model.ends if at <= offset))
        assert end <= whole
        assert not self.offsets(end, whole)
        self.model.cut(end)

    def compact(self) -> None:
        before = dict(self.model.visible)
        stable, aborted = self.log.last_stable_offset, self.model.aborted()
        self.log_dir.compact(self.clock.now_ms())
        self.model.visible = self.contents(self.log)
        _, ended = self.model.transactions()
        still_marked = {marker for at, marker in ended.items() if at in before}
        decided = [at for at in before if at < stable and at not in aborted]
        last = {before[at].key: at for at in decided if at not in self.model.markers}
        for offset, record in before.items():
            if offset in self.model.visible:
                assert self.model.visible[offset] == record
            elif offset in self.model.markers:
                assert offset not in still_marked
            elif offset not in aborted:
                assert last[record.key] > offset or record.value is None
        assert not set(self.model.visible) - set(before)

    def checkpoint(self) -> None:
        self.log_dir.checkpoint()
        self.model.start_kept = self.model.start

    def fill_disk(self) -> None:
        """Append until the disk is full: nothing of the batch stays, and it works again after."""
        self.files.space_left = self.chance.randrange(150)
        before = self.model.end
        try:
            self.append()
        except StorageError:
            assert self.log.log_end_offset == before
        self.read()
        self.files.heal()
        self.append()

    def fail_sync(self) -> None:
        """Let one sync fail: what it dropped must be written again before it counts as safe."""
        self.files.fail("sync", errno.EIO)
        try:
            self.log.flush()
        except StorageError:
            assert self.log.flushed_offset < self.model.end or self.log.is_dirty
        self.files.heal()
        self.flush()

    def look_beside(self) -> None:
        """Open read-only beside the writer: it sees the same, and what comes after."""
        beside = self.open(read_only=True)
        reader = beside.partitions[PARTITION]
        assert reader.log_end_offset == self.model.end
        self.append()
        beside.refresh()
        assert reader.log_end_offset == self.model.end
        assert self.contents(reader, self.model.start) == self.model.visible
        self.end_transaction()
        self.transact()
        beside.refresh()
        self.check_stable(reader)
        self.compare_committed(reader, self.model.start, 1 << 20)
        beside.close()

    def reopen(self) -> None:
        self.log_dir.close()
        self.log_dir = self.open()
        assert self.log_dir.was_clean
        self.model.start_kept = self.model.start
        if self.chance.random() < 0.2:
            self.compare(self.log)

    def crash(self) -> None:
        flushed, start = self.log.flushed_offset, self.log.log_start_offset
        self.files.crash()
        self.log_dir = self.open()
        log, model = self.log, self.model
        assert not self.log_dir.was_clean
        assert model.start_kept <= log.log_start_offset <= start
        assert flushed <= log.log_end_offset <= model.end
        assert log.log_end_offset in model.ends
        model.cut(log.log_end_offset)
        model.start = log.log_start_offset
        found = self.contents(log)
        for offset, record in found.items():
            assert model.history[offset] == record
        assert not set(self.offsets(model.start, model.end)) - set(found)
        model.visible = found

    # -- looking

    def contents(self, log: PartitionLog, start: int | None = None) -> dict[int, BatchRecord]:
        found: dict[int, BatchRecord] = {}
        offset = first = log.log_start_offset if start is None else start
        while data := log.read(offset, 4000, verify=True):
            for position, header in iter_batches(data):
                found.update((r.offset, r) for r in decode(data, position, header))
                assert header.next_offset > offset
                offset = header.next_offset
        return {at: record for at, record in found.items() if at >= first}

    def compare(self, log: PartitionLog) -> None:
        assert self.contents(log) == self.model.visible
        offset = self.model.start
        for _, header in iter_batches(log.read(offset, 1 << 20)):
            if header.base_offset >= log.last_stable_offset:
                break
            self.compare_committed(log, max(header.base_offset, self.model.start), 1000)


@pytest.mark.slow
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: ",".join(sorted(policy)))
@pytest.mark.parametrize("part", range(PARTS))
def test_behaves_like_a_dict_of_records(sim_seed: int, policy: frozenset[str], part: int) -> None:
    """Whatever is done in whatever order, the log holds what a plain dict would."""
    Run(sim_seed + part, policy).go(STEPS // PARTS)


@pytest.mark.slow
@pytest.mark.sim
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: ",".join(sorted(policy)))
def test_goes_on_so_for_long(sim_seed: int, sim_steps: int, policy: frozenset[str]) -> None:
    """One log that lives long through crashes and full disks still holds what a dict would."""
    Run(sim_seed, policy).go(sim_steps)
