from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_log.record.builder import encode_columns
from millstream_log.record.single import encode_single

FIELDS = st.none() | st.binary(max_size=300)


@given(st.integers(0, 2**50), FIELDS, FIELDS)
def test_one_record_has_the_bytes_of_a_column_of_one(
    timestamp: int, key: bytes | None, value: bytes | None
) -> None:
    """The short road writes what the general one writes, byte for byte."""
    assert encode_single(timestamp, key, value) == encode_columns([timestamp], [key], [value])


@pytest.mark.parametrize("size", [4087, 4088, 4089, 8191, 8192, 100_000])
def test_sizes_around_the_bound_of_the_short_road(size: int) -> None:
    """Large fields take the general road and come out the same."""
    field = bytes(size)
    for key, value in ((field, field), (None, field), (field, None)):
        assert encode_single(5, key, value) == encode_columns([5], [key], [value])
