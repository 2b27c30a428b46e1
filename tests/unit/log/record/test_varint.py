from __future__ import annotations

import pytest

from millstream_log.errors import CorruptRecordError
from millstream_log.record.varint import SMALL, encode, read, read_long, size

EDGES = [0, 1, 63, 64, 8191, 8192, 2**20 - 1, 2**20, 2**31 - 1]


@pytest.mark.parametrize("value", EDGES + [-value - 1 for value in EDGES])
def test_values_come_back(value: int) -> None:
    """A value is read back from its bytes, and size() tells how many they are."""
    raw = encode(value)
    assert len(raw) == size(value)
    assert read(raw, 0, len(raw)) == (value, len(raw))
    assert read_long(b"pad" + raw + b"x", 3, 99) == (value, 3 + len(raw))


def test_small_is_indexed_by_the_value_itself() -> None:
    """The table holds every value of two bytes, negative ones from its end."""
    for value in (0, 1, 8191, -1, -64, -65, -8192):
        assert read(SMALL[value], 0, 2)[0] == value
    assert max(map(len, SMALL)) == 2


def test_long_values_have_64_bits() -> None:
    """Timestamps' deltas reach over the whole of 64 bits, and no further."""
    for value in (2**63 - 1, -(2**63)):
        raw = encode(value)
        assert len(raw) == 10
        assert read_long(raw, 0, 10) == (value, 10)
        with pytest.raises(CorruptRecordError, match="longer than 32 bits"):
            read(raw, 0, 10)
    with pytest.raises(CorruptRecordError, match="longer than 64 bits"):
        read_long(encode(2**63), 0, 10)


def test_end_is_respected() -> None:
    """A varint that needs a byte at the end or beyond is an error."""
    with pytest.raises(CorruptRecordError, match="past the end at byte 1"):
        read(encode(100), 0, 1)
    with pytest.raises(CorruptRecordError, match="past the end"):
        read(b"", 0, 0)
    with pytest.raises(CorruptRecordError, match="longer than 32 bits"):
        read(b"\xff" * 20, 0, 20)
