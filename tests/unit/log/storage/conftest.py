"""What the tests of storage share: files in memory, a clock by hand, batches and logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from millstream_log.model import TopicPartition
from millstream_log.record.batch import decode, iter_batches
from millstream_log.record.builder import encode_columns
from millstream_log.record.control import Marker, MarkerType, encode_marker
from millstream_log.storage.log_config import LogConfig
from millstream_log.storage.log_dir import LogDir
from millstream_log.storage.partition_log import PartitionLog
from millstream_log.testing import ManualClock, MemoryFiles

PARTITION = TopicPartition("clicks", 0)
TOPIC_ID = "0123456789abcdef" * 2

Batch = Callable[..., bytearray]


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands at a round time."""
    return ManualClock(1_000_000)


@pytest.fixture
def files(clock: ManualClock) -> MemoryFiles:
    """Return an empty file system."""
    return MemoryFiles(clock=clock)


@pytest.fixture
def batch() -> Batch:
    """Return a maker of batches: values, optional keys and times, producer fields."""

    def make(
        *values: str | None, keys: list[str] | None = None, time: int = 1_000_000, **how: Any
    ) -> bytearray:
        data = [None if value is None else value.encode() for value in values]
        names: list[bytes | None] = [None] * len(data)
        if keys is not None:
            names = [key.encode() for key in keys]
        times = how.pop("times", [time] * len(data))
        return encode_columns(times, names, data, **how)

    return make


@pytest.fixture
def marker() -> Callable[..., bytearray]:
    """Return a maker of the markers that end a producer's transaction."""

    def make(
        kind: MarkerType, producer_id: int = 7, *, epoch: int = 0, coordinator: int = 0
    ) -> bytearray:
        return encode_marker(
            Marker(kind, coordinator),
            timestamp_ms=1_000_000,
            producer_id=producer_id,
            producer_epoch=epoch,
        )

    return make


@pytest.fixture
def open_dir(files: MemoryFiles, clock: ManualClock) -> Callable[..., LogDir]:
    """Return an opener of the directory /log with one config for all."""

    def open_dir(config: LogConfig | None = None, **how: Any) -> LogDir:
        given = config or LogConfig()
        return LogDir.open("/log", files=files, clock=clock, configs=lambda _: given, **how)

    return open_dir


@pytest.fixture
def make_log(open_dir: Callable[..., LogDir]) -> Callable[..., PartitionLog]:
    """Return a maker of the log clicks-0 with the given settings."""

    def make(**settings: Any) -> PartitionLog:
        config = LogConfig(**settings)
        return open_dir(config).create(PARTITION, TOPIC_ID, config)

    return make


@pytest.fixture
def contents() -> Callable[[PartitionLog], list[tuple[int, bytes | None]]]:
    """Return a reader of (offset, value) of all that a log holds."""

    def read(log: PartitionLog) -> list[tuple[int, bytes | None]]:
        found: list[tuple[int, bytes | None]] = []
        offset = log.log_start_offset
        while data := log.read(offset, 1000, verify=True):
            for position, header in iter_batches(data):
                found += [(r.offset, r.value) for r in decode(data, position, header)]
                offset = header.next_offset
        return [row for row in found if row[0] >= log.log_start_offset]

    return read
