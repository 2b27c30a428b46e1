"""Transaction markers: the one record of a control batch.

    key     version int16 = 0 | type int16: 0 abort, 1 commit
    value   version int16 = 0 | coordinator epoch int32

Invariants: a marker's batch has one record and the attribute bits transactional and control.
Source: KIP-98, section Control Messages.
"""

from __future__ import annotations

import enum
import struct
from typing import NamedTuple

from ..errors import CorruptRecordError
from .batch import BatchRecord
from .builder import encode_columns

_KEY = struct.Struct(">hh")
_VALUE = struct.Struct(">hi")
_VERSION = 0


class MarkerType(enum.IntEnum):
    """How a transaction ended."""

    ABORT = 0
    COMMIT = 1


class Marker(NamedTuple):
    """The end of one producer's transaction in this partition."""

    type: MarkerType
    coordinator_epoch: int


def encode_marker(
    marker: Marker, *, timestamp_ms: int, producer_id: int, producer_epoch: int
) -> bytearray:
    """Return the control batch, base offset 0, that ends the producer's transaction."""
    return encode_columns(
        [timestamp_ms],
        [_KEY.pack(_VERSION, marker.type)],
        [_VALUE.pack(_VERSION, marker.coordinator_epoch)],
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        is_transactional=True,
        is_control=True,
    )


def decode_marker(record: BatchRecord) -> Marker | None:
    """Read the record of a control batch; None for a control record of another type.

    Later versions may only add fields at the end. Raises CorruptRecordError.
    """
    key, value = record.key or b"", record.value or b""
    if len(key) < _KEY.size:
        raise CorruptRecordError(f"control key of {len(key)} bytes, at least {_KEY.size}")
    version, number = _KEY.unpack_from(key)
    if version < 0:
        raise CorruptRecordError(f"control key version {version}")
    if number not in (MarkerType.ABORT, MarkerType.COMMIT):
        return None
    if len(value) < _VALUE.size:
        raise CorruptRecordError(f"marker of {len(value)} bytes, at least {_VALUE.size}")
    version, epoch = _VALUE.unpack_from(value)
    if version < 0:
        raise CorruptRecordError(f"marker version {version}")
    return Marker(MarkerType(number), epoch)
