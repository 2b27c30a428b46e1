from __future__ import annotations

import pytest

from millstream_log.errors import CorruptRecordError
from millstream_log.record.columns import scan

BROKEN = {
    "length beyond the data": b"\x10\x00\x00\x00\x01\x01\x00",
    "length that is negative": b"\x0d\x00\x00\x00\x01\x01\x00",
    "length before the fields' end": b"\x0a\x00\x00\x00\x01\x01\x00",
    "bytes after the headers": b"\x0e\x00\x00\x00\x01\x01\x00\x00",
    "key length of -2": b"\x0c\x00\x00\x00\x03\x01\x00",
    "key beyond the record": b"\x0c\x00\x00\x00\x08\x01\x00",
    "long key beyond the record": b"\x0e\x00\x00\x00\x80\x08\x01\x00",
    "value beyond the record": b"\x0c\x00\x00\x00\x01\x08\x00",
    "header count beyond the record": b"\x0c\x00\x00\x00\x01\x01\x08",
    "header count that is negative": b"\x0c\x00\x00\x00\x01\x01\x01",
    "header without a name": b"\x10\x00\x00\x00\x01\x01\x02\x01\x01",
    "header beyond the record": b"\x10\x00\x00\x00\x01\x01\x02\x08\x01",
    "more headers than bytes": b"\x12\x00\x00\x00\x01\x01\x04\x02\x61\x01",
    "bytes after the record": b"\x0c\x00\x00\x00\x01\x01\x00\x00",
    "offset delta of 33 bits": b"\x14\x00\x00\x80\x80\x80\x80\x10\x01\x01\x00",
    "nothing": b"",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_broken_record_is_corrupt(data: bytes) -> None:
    """A record that breaks its own lengths is an error."""
    with pytest.raises(CorruptRecordError):
        scan(data, 1, 0, 0)


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("place", [0, 299, 599])
def test_one_broken_record_among_many_is_corrupt(data: bytes, place: int) -> None:
    """A broken record is found among so many good ones that they are read all at once."""
    records = [b"\x0e\x00\x00\x00\x01\x02v\x00"] * 600
    assert len(scan(b"".join(records), 600, 0, 0)) == 600
    records[place] = data
    with pytest.raises(CorruptRecordError):
        scan(b"".join(records), 600, 0, 0)


def test_longer_varints_than_need_be_are_read() -> None:
    """Numbers written with more bytes than they need mean the same."""
    record = b"\x92\x00" + b"\x00" + b"\x80\x00" + b"\x80\x00" + b"\x81\x00" + b"\x81\x00" + b"\x00"
    record = bytes([(len(record) - 2) * 2 | 128, 0]) + record[2:]
    for count in (1, 300):
        columns = scan(record * count, count, 0, 5)
        assert columns.keys == columns.values == [None] * count
        assert columns.timestamps == [5] * count


def test_bytes_left_over_are_corrupt() -> None:
    """A count smaller than the records that are there is an error."""
    with pytest.raises(CorruptRecordError):
        scan(b"\x0e\x00\x00\x00\x01\x02v\x00" * 600, 599, 0, 0)
    with pytest.raises(CorruptRecordError):
        scan(b"\x0e\x00\x00\x00\x01\x02v\x00" * 600, 601, 0, 0)
