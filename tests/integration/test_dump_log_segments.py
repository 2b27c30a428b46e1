"""Apache Kafka's own DumpLogSegments over what this log writes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from kafka_dump import dump, faults_in, run

from millstream_log.model import TimestampType, TopicPartition
from millstream_log.record.builder import encode_columns
from millstream_log.record.compress import Codec
from millstream_log.record.control import Marker, MarkerType, encode_marker
from millstream_log.storage.log_config import LogConfig
from millstream_log.storage.log_dir import LogDir
from millstream_log.storage.partition_log import PartitionLog

NOW = 1_700_000_000_000

pytestmark = pytest.mark.integration


def records(chance: random.Random, count: int, codec: Codec, time: int) -> bytearray:
    """Return a batch with some keys that come again and some tombstones."""
    keys = [b"key-%d" % chance.randrange(40) for _ in range(count)]
    values = [None if chance.random() < 0.1 else chance.randbytes(60) for _ in range(count)]
    times = [time + chance.randrange(-500, 500) for _ in range(count)]
    return encode_columns(times, keys, values, codec=codec)


def fill(log: PartitionLog, seed: int) -> None:
    """Append 300 batches under two leader epochs."""
    chance = random.Random(seed)
    for number in range(300):
        codec = chance.choice(list(Codec))
        data = records(chance, chance.choice([1, 3, 40]), codec, NOW + number * 100)
        log.append(data, now_ms=NOW + number * 100, leader_epoch=number // 200)


def files_of(log_dir: LogDir, partition: TopicPartition) -> list[Path]:
    """Return the files of a partition that are named after offsets."""
    return sorted(Path(log_dir.path, str(partition)).glob("0*"))


def records_in(log: PartitionLog) -> int:
    """Return how many records the batches of all segments hold."""
    batches = [header for segment in log.segments for _, header in segment.walk(checked_from=0)]
    return sum(header.count for header in batches)


def check_all(kafka_dir: Path, files: list[Path], count: int) -> None:
    """Dump every file in each of the tool's ways; `count` records are to be seen."""
    logs = [path for path in files if path.suffix == ".log"]
    indexes = [path for path in files if path.suffix in (".index", ".timeindex")]
    snapshots = [path for path in files if path.suffix == ".snapshot"]
    assert len(logs) > 2
    assert len(indexes) == 2 * len(logs)
    said = dump(kafka_dir, logs, "--deep-iteration")
    assert said.count("| offset:") == count
    dump(kafka_dir, indexes)
    dump(kafka_dir, indexes, "--verify-index-only")
    said = dump(kafka_dir, indexes, "--index-sanity-check")
    assert said.count("passed sanity check") + said.count("is empty") == len(indexes)
    dump(kafka_dir, snapshots)


@pytest.mark.parametrize("kind", [TimestampType.CREATE_TIME, TimestampType.LOG_APPEND_TIME])
def test_a_filled_log_has_no_fault(tmp_path: Path, kafka_dir: Path, kind: TimestampType) -> None:
    """Every file of a log with all codecs, open, closed and reopened, is right to Kafka."""
    partition = TopicPartition("clicks", 0)
    config = LogConfig(
        segment_bytes=60_000, index_interval_bytes=1_000, message_timestamp_type=kind
    )
    log_dir = LogDir.open(str(tmp_path / "log"))
    log = log_dir.create(partition, "0123456789abcdef" * 2, config)
    fill(log, 1)
    log_dir.close()
    log_dir = LogDir.open(str(tmp_path / "log"), configs=lambda _: config)
    log = log_dir.partitions[partition]
    fill(log, 2)
    log_dir.checkpoint()
    check_all(kafka_dir, files_of(log_dir, partition), log.log_end_offset)
    log_dir.close()
    check_all(kafka_dir, files_of(log_dir, partition), log.log_end_offset)


def test_a_compacted_log_has_no_fault(tmp_path: Path, kafka_dir: Path) -> None:
    """Compaction leaves batches, gaps, horizons and indexes that Kafka finds right."""
    partition = TopicPartition("latest", 0)
    config = LogConfig(
        segment_bytes=60_000, index_interval_bytes=1_000, cleanup_policy=frozenset({"compact"})
    )
    log_dir = LogDir.open(str(tmp_path / "log"))
    log = log_dir.create(partition, "0123456789abcdef" * 2, config)
    fill(log, 3)
    log.high_watermark = log.log_end_offset
    log.flush()
    assert log.compact(NOW + 1_000_000) > 0
    fill(log, 4)
    log.high_watermark = log.log_end_offset
    log.flush()
    assert log.compact(NOW + 90_000_000) > 0
    fill(log, 5)
    count = records_in(log)
    log_dir.close()
    check_all(kafka_dir, files_of(log_dir, partition), count)


def test_a_recovered_log_has_no_fault(tmp_path: Path, kafka_dir: Path) -> None:
    """What recovery cuts and mends is right to Kafka."""
    partition = TopicPartition("clicks", 0)
    config = LogConfig(segment_bytes=60_000, index_interval_bytes=1_000)
    log_dir = LogDir.open(str(tmp_path / "log"))
    log = log_dir.create(partition, "0123456789abcdef" * 2, config)
    fill(log, 6)
    end = log.log_end_offset
    last = Path(log.segments[-1].path)
    with last.open("r+b") as file:
        file.truncate(last.stat().st_size - 5)
    Path(log.segments[1].path).with_suffix(".index").unlink()
    log_dir._pool.close()
    assert log_dir._lock is not None
    log_dir._lock.release()
    log_dir = LogDir.open(str(tmp_path / "log"), configs=lambda _: config)
    log = log_dir.partitions[partition]
    assert 0 < log.log_end_offset < end
    log_dir.close()
    check_all(kafka_dir, files_of(log_dir, partition), log.log_end_offset)


def test_a_snapshot_says_what_producers_did(tmp_path: Path, kafka_dir: Path) -> None:
    """Kafka reads the producer snapshot and finds epoch, sequence and open transaction there."""
    partition = TopicPartition("clicks", 0)
    log_dir = LogDir.open(str(tmp_path / "log"))
    log = log_dir.create(partition, "0123456789abcdef" * 2, LogConfig())
    for sequence in (0, 2):
        data = encode_columns(
            [NOW, NOW],
            [b"a", b"b"],
            [b"1", b"2"],
            producer_id=77,
            producer_epoch=3,
            base_sequence=sequence,
            is_transactional=True,
        )
        log.append(data, now_ms=NOW)
    other = encode_columns(
        [NOW], [b"a"], [b"1"], producer_id=5, producer_epoch=0, base_sequence=0,
        is_transactional=True,
    )  # fmt: skip
    log.append(other, now_ms=NOW)
    marker = encode_marker(
        Marker(MarkerType.COMMIT, 9), timestamp_ms=NOW, producer_id=5, producer_epoch=0
    )
    log.append(marker, now_ms=NOW, coordinator=True)
    assert log.last_stable_offset == 0
    log_dir.close()
    snapshots = [path for path in files_of(log_dir, partition) if path.suffix == ".snapshot"]
    said = dump(kafka_dir, snapshots[-1:])
    assert "producerId: 77 producerEpoch: 3" in said
    assert "currentTxnFirstOffset: OptionalLong[0]" in said
    assert "lastSequence: 3" in said
    assert "coordinatorEpoch: 9" in said
    logs = [path for path in files_of(log_dir, partition) if path.suffix == ".log"]
    assert "endTxnMarker: COMMIT" in dump(kafka_dir, logs, "--deep-iteration")


def write_in_transactions(log: PartitionLog, seed: int) -> None:
    """Append 200 batches and markers of three producers, half of the transactions aborted."""
    chance = random.Random(seed)
    sequences = dict.fromkeys((5, 6, 7), 0)
    for known in log.describe_producers():
        sequences[known.producer_id] = known.last_sequence + 1
    for number in range(200):
        producer_id = chance.choice(list(sequences))
        if chance.random() < 0.3:
            data = encode_marker(
                Marker(chance.choice(list(MarkerType)), 1),
                timestamp_ms=NOW + number,
                producer_id=producer_id,
                producer_epoch=0,
            )
        else:
            data = encode_columns(
                [NOW + number] * 3,
                [b"key-%d" % chance.randrange(20) for _ in range(3)],
                [chance.randbytes(100) for _ in range(3)],
                producer_id=producer_id,
                producer_epoch=0,
                base_sequence=sequences[producer_id],
                is_transactional=True,
            )
            sequences[producer_id] += 3
        log.append(data, now_ms=NOW, coordinator=True)
    log.high_watermark = log.log_end_offset


def check_transactions(kafka_dir: Path, log: PartitionLog, files: list[Path]) -> None:
    """Let Kafka read each transaction index and print the entries that the log has."""
    indexes = [path for path in files if path.suffix == ".txnindex"]
    expected = [
        f"version: 0 producerId: {entry.producer_id} firstOffset: {entry.first_offset}"
        f" lastOffset: {entry.last_offset} lastStableOffset: {entry.last_stable_offset}"
        for segment in log.segments
        for entry in segment.aborted()
    ]
    said = dump(kafka_dir, indexes)
    assert len(indexes) > 1
    assert [line for line in said.splitlines() if line.startswith("version:")] == expected
    logs = [path for path in files if path.suffix == ".log"]
    said = dump(kafka_dir, logs, "--deep-iteration")
    assert said.count("endTxnMarker: ABORT") >= len(expected)


def test_a_log_with_transactions_has_no_fault(tmp_path: Path, kafka_dir: Path) -> None:
    """Transaction indexes say to Kafka what was aborted: closed, recovered and compacted."""
    partition = TopicPartition("latest", 0)
    config = LogConfig(
        segment_bytes=20_000,
        index_interval_bytes=1_000,
        cleanup_policy=frozenset({"compact"}),
        delete_retention_ms=0,
        min_cleanable_dirty_ratio=0.0,
    )
    log_dir = LogDir.open(str(tmp_path / "log"), configs=lambda _: config)
    log = log_dir.create(partition, "0123456789abcdef" * 2, config)
    write_in_transactions(log, 8)
    log_dir.close()
    check_transactions(kafka_dir, log, files_of(log_dir, partition))
    Path(log.segments[0].path).with_suffix(".txnindex").write_bytes(b"?")
    log_dir = LogDir.open(str(tmp_path / "log"), configs=lambda _: config)
    log = log_dir.partitions[partition]
    check_transactions(kafka_dir, log, files_of(log_dir, partition))
    write_in_transactions(log, 9)
    log.flush()
    for now in range(NOW, NOW + 3):
        log.compact(now)
        write_in_transactions(log, now)
    count = records_in(log)
    log_dir.close()
    check_all(kafka_dir, files_of(log_dir, partition), count)
    check_transactions(kafka_dir, log, files_of(log_dir, partition))


def test_the_tool_does_find_faults(tmp_path: Path, kafka_dir: Path) -> None:
    """A damaged batch, a shifted position and a wrong time are faults to the tool we trust."""
    partition = TopicPartition("clicks", 0)
    config = LogConfig(index_interval_bytes=1_000)
    log_dir = LogDir.open(str(tmp_path / "log"))
    log = log_dir.create(partition, "0123456789abcdef" * 2, config)
    fill(log, 7)
    log_dir.close()
    base = files_of(log_dir, partition)[0]
    for suffix, position in ((".index", 3), (".timeindex", 7), (".log", 200)):
        path = base.with_suffix(suffix)
        whole = path.read_bytes()
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert faults_in(run(kafka_dir, [path], "--deep-iteration")), suffix
        path.write_bytes(whole)
