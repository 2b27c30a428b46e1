from __future__ import annotations

import pytest

from millstream_log.errors import CorruptRecordError
from millstream_log.storage.index import OffsetIndex, TimeIndex


def offsets() -> OffsetIndex:
    """Return an index with three entries."""
    index = OffsetIndex(100, 80)
    for last_offset, position in ((109, 500), (119, 900), (129, 1500)):
        index.append(last_offset, position)
    return index


def test_an_offset_entry_is_two_big_endian_numbers() -> None:
    """The file holds relative offset and position, four bytes each."""
    position, data = offsets().unsaved()
    assert position == 0
    assert data.hex() == "00000009000001f4" + "0000001300000384" + "0000001d000005dc"


def test_a_time_entry_is_a_timestamp_and_a_relative_offset() -> None:
    """The file holds eight bytes of time and four of relative offset."""
    index = TimeIndex(100, 120)
    index.append(1000, 105)
    assert index.unsaved() == (0, bytes.fromhex("00000000000003e8" + "00000005"))


@pytest.mark.parametrize(
    ("offset", "floor", "ceiling"),
    [(100, 0, 500), (109, 500, 500), (110, 500, 900), (129, 1500, 1500), (130, 1500, -1)],
)
def test_lookup_brackets_an_offset(offset: int, floor: int, ceiling: int) -> None:
    """Floor never passes the batch that holds the offset, and ceiling never stops before it."""
    assert (offsets().floor(offset), offsets().ceiling(offset)) == (floor, ceiling)


def test_a_boundary_is_the_last_batch_that_begins_by_then() -> None:
    """A read may end at a boundary, because every indexed position begins a batch."""
    assert [offsets().boundary(at) for at in (499, 500, 1499, 9999)] == [0, 500, 900, 1500]


def test_only_what_the_file_lacks_is_written_again() -> None:
    """Saving twice writes nothing twice; a cut moves the place of writing back."""
    index = offsets()
    index.saved()
    index.append(139, 1700)
    assert index.unsaved() == (24, bytes.fromhex("00000027000006a4"))
    index.cut(119)
    index.append(125, 901)
    assert index.unsaved() == (8, bytes.fromhex("0000001900000385"))


def test_what_is_loaded_is_what_was_written() -> None:
    """Both indexes come back from their bytes."""
    index = OffsetIndex(100, 80)
    index.load(offsets().unsaved()[1] + bytes(16) + b"\x01", 2000)
    assert index.encode() == offsets().encode()
    times = TimeIndex(0, 120)
    times.append(5, 3)
    times.append(9, 7)
    again = TimeIndex(0, 120)
    again.load(times.encode() + bytes(24), 10)
    assert again.last() == (9, 7)
    assert [again.floor(time) for time in (4, 5, 8, 9)] == [0, 3, 3, 7]


@pytest.mark.parametrize(
    "data", ["0000000900000384" + "0000001300000384", "0000000900000384" + "0000000800000385"]
)
def test_an_index_that_does_not_rise_is_refused(data: str) -> None:
    """What cannot have been written is not believed."""
    with pytest.raises(CorruptRecordError, match="does not rise"):
        OffsetIndex(100, 80).load(bytes.fromhex(data), 5000)


def test_an_index_that_points_beyond_its_log_is_refused() -> None:
    """An index of a longer log than there is tells nothing."""
    with pytest.raises(CorruptRecordError, match="points to 1500, log has 1500"):
        OffsetIndex(100, 80).load(offsets().encode(), 1500)


def test_a_time_index_keeps_the_largest_only() -> None:
    """A time that is no larger than the last makes no entry."""
    index = TimeIndex(0, 1200)
    for time, offset in ((5, 1), (5, 2), (4, 3), (6, 4)):
        index.append(time, offset)
    assert len(index) == 2
    assert index.last() == (6, 4)


def test_a_full_time_index_still_has_room_for_the_last_entry() -> None:
    """Closing a segment must be able to note its largest time."""
    index = TimeIndex(0, 36)
    index.append(1, 1)
    assert not index.is_full
    index.append(2, 2)
    assert index.is_full
