"""Whether the log takes what a producer sent: looks at headers, opens no batch unless asked.

Invariants:
    What is admitted is whole batches, each with a right CRC and as many records as its
    offsets span, so that offsets can be given by counting.
Source: what Apache Kafka 4 validates on produce (docs/format.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import (
    CorruptRecordError,
    InvalidRecordError,
    InvalidTimestampError,
    MessageTooLargeError,
)
from ..model import TimestampType
from ..record import builder
from ..record.batch import (
    CODEC_BITS,
    CONTROL_BIT,
    BatchHeader,
    check,
    decode_columns,
    read_header,
)
from .files import Buffer
from .log_config import NEVER_MS, LogConfig


def admit(
    batches: Buffer,
    config: LogConfig,
    now_ms: int,
    *,
    control_allowed: bool = False,
    check_keys: bool = False,
) -> list[BatchHeader]:
    """Return the headers of the batches in the buffer, one at least.

    Raises: CorruptRecordError, MessageTooLargeError, InvalidRecordError, InvalidTimestampError.
    """
    headers = []
    position = 0
    end = len(batches)
    create_time = config.message_timestamp_type is TimestampType.CREATE_TIME
    latest = now_ms + config.message_timestamp_after_max_ms
    while position < end:
        header = read_header(batches, position)
        _check_size(header.size, config)
        check(batches, position, header)
        if header.count != header.last_offset_delta + 1:
            raise InvalidRecordError(
                f"{header.count} records, last offset delta {header.last_offset_delta}"
            )
        if header.attributes & CONTROL_BIT and not control_allowed:
            raise InvalidRecordError("a control batch comes from a coordinator only")
        if header.producer_id >= 0 and header.base_sequence < 0 and not control_allowed:
            raise InvalidRecordError(
                f"producer {header.producer_id} sends sequence {header.base_sequence}"
            )
        if create_time and header.max_timestamp > latest:
            times = _timestamps(batches, position, header)
            raise InvalidTimestampError(
                f"timestamp {header.max_timestamp}, at most {latest} by"
                " message.timestamp.after.max.ms",
                [at for at, time in enumerate(times) if time > latest],
            )
        if create_time and config.message_timestamp_before_max_ms != NEVER_MS:
            _check_oldest(batches, position, header, config, now_ms)
        if check_keys and config.compacts:
            _check_keys(batches, position, header)
        headers.append(header)
        position += header.size
    if not headers:
        raise CorruptRecordError("0 bytes to append, one batch at least")
    return headers


def _check_oldest(
    batches: Buffer, position: int, header: BatchHeader, config: LogConfig, now_ms: int
) -> None:
    """Refuse records before the bound, which the header does not tell."""
    times = _timestamps(batches, position, header)
    earliest = now_ms - config.message_timestamp_before_max_ms
    oldest = min(times)
    if oldest < earliest:
        raise InvalidTimestampError(
            f"timestamp {oldest}, at least {earliest} by message.timestamp.before.max.ms",
            [at for at, time in enumerate(times) if time < earliest],
        )


def _timestamps(batches: Buffer, position: int, header: BatchHeader) -> Sequence[int]:
    return decode_columns(batches, position, header, keys=False, values=False).timestamps


def _check_keys(batches: Buffer, position: int, header: BatchHeader) -> None:
    if header.attributes & CONTROL_BIT:
        return
    columns = decode_columns(batches, position, header, values=False, timestamps=False)
    if None in columns.keys:
        bare = [at for at, key in enumerate(columns.keys) if key is None]
        raise InvalidRecordError(
            f"record {bare[0]} of the batch has no key, and the topic is compacted", bare
        )


def recompress(
    batches: Buffer, headers: list[BatchHeader], config: LogConfig
) -> tuple[bytearray, list[BatchHeader]]:
    """Return admitted batches in the codec of `compression.type`, and their headers.

    Raises: CorruptRecordError; MessageTooLargeError when one has become too large.
    """
    out, found, position = bytearray(), [], 0
    for header in headers:
        whole = memoryview(batches)[position : position + header.size]
        position += header.size
        if header.attributes & CODEC_BITS != config.codec and not header.attributes & CONTROL_BIT:
            whole = memoryview(
                builder.recompress(whole, 0, header, config.codec, config.codec_level)
            )
            _check_size(len(whole), config)
        found.append(read_header(whole))
        out += whole
    return out, found


def _check_size(size: int, config: LogConfig) -> None:
    if size > config.max_message_bytes:
        raise MessageTooLargeError(
            f"batch of {size} bytes, max.message.bytes {config.max_message_bytes}"
        )


def admit_replica(batches: Buffer) -> list[BatchHeader]:
    """Return the headers of batches that a leader has admitted. Raises CorruptRecordError."""
    headers = []
    position = 0
    while position < len(batches):
        header = read_header(batches, position)
        check(batches, position, header)
        headers.append(header)
        position += header.size
    if not headers:
        raise CorruptRecordError("0 bytes to append, one batch at least")
    return headers


def verify_read(data: bytes, size: int, path: str, position: int) -> None:
    """Check that `data`, read at `position` of the file, is `size` bytes of right batches.

    Raises CorruptRecordError naming file, position and offset.
    """
    at = 0
    offset = -1
    try:
        while at < size:
            header = read_header(data, at)
            check(data, at, header)
            offset = header.last_offset + 1
            at += header.size
    except CorruptRecordError as error:
        where = f"{path} at position {position + at}"
        after = f", offset {offset}" if offset >= 0 else ""
        raise CorruptRecordError(f"{where}{after}: {error}") from error
