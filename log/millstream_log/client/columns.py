"""Cutting columns into batches that a request may carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ..errors import InvalidRequestError, MessageTooLargeError
from ..model import Header, TopicPartition
from .accumulator import BATCH_OVERHEAD_BYTES, RECORD_OVERHEAD_BYTES, PendingBatch, record_size


def split_columns(
    topic_partition: TopicPartition,
    timestamps: Sequence[int],
    keys: Sequence[bytes | None] | None,
    values: Sequence[bytes | None],
    headers: Sequence[Sequence[Header]] | None,
    bytes_max: int,
    now: float,
) -> Iterator[tuple[bool, PendingBatch]]:
    """Yield (whether it is the last, batch) with at most `bytes_max` bytes each.

    Raises:
        InvalidRequestError: the columns differ in length.
        MessageTooLargeError: one record alone is above `bytes_max`.
    """
    count = len(values)
    if keys is None:
        keys = [None] * count
    if len(timestamps) != count or len(keys) != count or (headers and len(headers) != count):
        raise InvalidRequestError(
            f"columns differ in length: {len(timestamps)} timestamps, {len(keys)} keys, "
            f"{count} values, {len(headers) if headers else 0} headers"
        )
    cuts = [0, *_cuts(keys, values, headers, bytes_max, str(topic_partition)), count]
    for start, end in pairwise(cuts):
        batch = PendingBatch(topic_partition, now)
        whole = end - start == count
        batch.timestamps = list(timestamps if whole else timestamps[start:end])
        batch.keys = list(keys if whole else keys[start:end])
        batch.values = list(values if whole else values[start:end])
        batch.headers = list(headers[start:end]) if headers else None
        batch.all_keyed = None not in batch.keys
        batch.some_keyed = batch.all_keyed or any(key is not None for key in batch.keys)
        batch.count = end - start
        batch.size += _size(batch.keys, batch.values, batch.headers)
        yield end == count, batch


def _size(
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    headers: Sequence[Sequence[Header]] | None,
) -> int:
    if headers is None:
        return (
            RECORD_OVERHEAD_BYTES * len(values)
            + sum(map(len, filter(None, keys)))
            + sum(map(len, filter(None, values)))
        )
    return sum(map(record_size, keys, values, headers))


def _cuts(
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    headers: Sequence[Sequence[Header]] | None,
    bytes_max: int,
    where: str,
) -> list[int]:
    """Return the indexes at which a new batch begins, the first left out."""
    room = bytes_max - BATCH_OVERHEAD_BYTES
    if _size(keys, values, headers) <= room:
        return []
    cuts: list[int] = []
    size = 0
    for index, value in enumerate(values):
        record = record_size(keys[index], value, headers[index] if headers else None)
        if record > room:
            raise MessageTooLargeError(
                f"record of {record} bytes for {where}, max_request_size {bytes_max}"
            )
        if size + record > room:
            cuts.append(index)
            size = 0
        size += record
    return cuts
