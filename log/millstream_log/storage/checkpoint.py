"""Small text files that name offsets, as Kafka writes them.

    0                       version
    2                       number of entries
    clicks 0 1024           topic partition offset      (recovery-point-offset-checkpoint,
    clicks 1 77                                           log-start-offset-checkpoint)

`leader-epoch-checkpoint` has the same shape with `epoch start_offset` on a line.
`partition.metadata` holds `version: 0` and `topic_id: <22 characters of base64>`.

Invariants:
    A file is replaced whole; one that cannot be read says so, it is never half believed.
Source: files written by Apache Kafka 4.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

from ..errors import CorruptRecordError
from ..model import TopicPartition

RECOVERY_POINTS = "recovery-point-offset-checkpoint"
LOG_STARTS = "log-start-offset-checkpoint"
FIRST_DIRTY = "cleaner-offset-checkpoint"
LEADER_EPOCHS = "leader-epoch-checkpoint"
PARTITION_METADATA = "partition.metadata"


def encode_rows(rows: Iterable[Iterable[object]]) -> bytes:
    """Write version 0, the number of rows, and each row on a line."""
    lines = [" ".join(map(str, row)) for row in rows]
    return "\n".join(["0", str(len(lines)), *lines, ""]).encode()


def decode_rows(data: bytes, columns: int, path: str) -> list[list[str]]:
    """Read what `encode_rows` wrote. Raises CorruptRecordError, naming `path`."""
    lines = data.decode(errors="replace").split("\n")
    rows = [line.split(" ") for line in lines[2:] if line]
    whole = len(lines) > 1 and lines[0] == "0" and lines[1] == str(len(rows))
    if not whole or any(len(row) != columns for row in rows):
        raise CorruptRecordError(
            f"{path} is not a checkpoint of version 0 with its {columns} columns: {data[:40]!r}"
        )
    return rows


def encode_offsets(offsets: Mapping[TopicPartition, int]) -> bytes:
    """Write one line for each partition."""
    return encode_rows((*partition, offset) for partition, offset in sorted(offsets.items()))


def decode_offsets(data: bytes, path: str) -> dict[TopicPartition, int]:
    """Read one line for each partition. Raises CorruptRecordError."""
    try:
        return {
            TopicPartition(topic, int(partition)): int(offset)
            for topic, partition, offset in decode_rows(data, 3, path)
        }
    except ValueError as error:
        raise CorruptRecordError(f"{path}: {error}") from error


def encode_topic_id(topic_id: str) -> bytes:
    """Write partition.metadata for a topic id of 32 hex digits."""
    short = base64.urlsafe_b64encode(bytes.fromhex(topic_id)).rstrip(b"=")
    return b"version: 0\ntopic_id: " + short + b"\n"


def decode_topic_id(data: bytes, path: str) -> str:
    """Read the topic id of a partition.metadata. Raises CorruptRecordError."""
    fields = dict(line.split(b": ", 1) for line in data.splitlines() if b": " in line)
    try:
        topic_id = base64.urlsafe_b64decode(fields[b"topic_id"].strip() + b"==").hex()
    except (KeyError, ValueError) as error:
        raise CorruptRecordError(f"{path} names no topic id: {data[:60]!r}") from error
    if fields.get(b"version") != b"0" or len(topic_id) != 32:
        raise CorruptRecordError(f"{path} names no topic id of version 0: {data[:60]!r}")
    return topic_id
