"""The nouns of the log, as values: what clients take and give.

Times are epoch milliseconds (UTC), sizes are bytes, offsets count records from 0 in each
partition. Field names and their order follow aiokafka's structs, so that code written for the
one reads the other.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, NamedTuple

Header = tuple[str, bytes | None]
"""Name and value of one record header; a name may come twice."""


class TimestampType(enum.IntEnum):
    """Who set a record's timestamp: its producer, or the log when it appended it."""

    CREATE_TIME = 0
    LOG_APPEND_TIME = 1


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class Record(NamedTuple):
    """One record as a consumer gets it; key and value after the deserializers."""

    topic: str
    partition: int
    offset: int
    timestamp: int  # ms
    timestamp_type: TimestampType
    key: Any
    value: Any
    headers: Sequence[Header]


class RecordMetadata(NamedTuple):
    """Where a record that was sent has come to stand."""

    topic: str
    partition: int
    topic_partition: TopicPartition
    offset: int
    timestamp: int  # ms; the log's own where the topic says LogAppendTime
    timestamp_type: TimestampType
    log_start_offset: int


class OffsetAndMetadata(NamedTuple):
    """A committed position: the next offset to read, and a text of the committer's own."""

    offset: int
    metadata: str = ""


class OffsetAndTimestamp(NamedTuple):
    """The first record at or after a time, and its own time in ms."""

    offset: int
    timestamp: int


class TopicDescription(NamedTuple):
    """A topic: its id (32 hex digits), partition count, and the configs set on it."""

    name: str
    topic_id: str
    partitions: int
    configs: dict[str, str]
    internal: bool
