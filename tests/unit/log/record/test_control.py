from __future__ import annotations

import pytest

from millstream_log.errors import CorruptRecordError
from millstream_log.record.batch import BatchRecord, check, decode, read_header
from millstream_log.record.control import Marker, MarkerType, decode_marker, encode_marker


@pytest.mark.parametrize("kind", MarkerType)
def test_marker_comes_back(kind: MarkerType) -> None:
    """A marker is a control batch of one record that tells how the transaction ended."""
    batch = encode_marker(Marker(kind, 7), timestamp_ms=5, producer_id=3, producer_epoch=1)
    header = read_header(batch)
    check(batch, 0, header)
    assert header.is_control
    assert header.is_transactional
    assert (header.producer_id, header.producer_epoch, header.count) == (3, 1, 1)
    (record,) = decode(batch)
    assert record.key == b"\x00\x00" + kind.to_bytes(2, "big")
    assert record.value == b"\x00\x00\x00\x00\x00\x07"
    assert decode_marker(record) == Marker(kind, 7)


def test_other_control_records_are_none() -> None:
    """Control records that end no transaction are not markers."""
    assert decode_marker(BatchRecord(0, 0, b"\x00\x00\x00\x02", b"", ())) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [(None, b""), (b"\x00", b""), (b"\x00\x00\x00\x01", b"\x00\x00"), (b"\xff\xff\x00\x01", b"")],
)
def test_broken_markers_are_corrupt(key: bytes | None, value: bytes) -> None:
    """A marker cut short, or of a negative version, is an error."""
    with pytest.raises(CorruptRecordError):
        decode_marker(BatchRecord(0, 0, key, value, ()))
