from __future__ import annotations

from millstream_log.record.batch import HEADER_BYTES
from millstream_log.record.builder import encode_columns
from millstream_log.record.stretch import read, walk


def records(sizes: list[int]) -> bytes:
    """Return records with values of these sizes, all of one time."""
    values = [b"v" * size for size in sizes]
    return bytes(encode_columns([0] * len(sizes), None, values)[HEADER_BYTES:])


def test_records_of_one_size_are_two_runs() -> None:
    """Offset deltas take two bytes from 64 on: before and behind it lengths repeat."""
    stretches = walk(records([100] * 1000), 1000)
    assert stretches is not None
    assert [(type(starts), len(starts)) for starts in stretches] == [(range, 64), (range, 936)]


def test_records_of_many_sizes_are_walked() -> None:
    """Where lengths differ from record to record the starts are a list."""
    stretches = walk(records([90 + i * 7 % 41 for i in range(1000)]), 1000)
    assert stretches is not None
    assert [(type(starts), len(starts)) for starts in stretches] == [(list, 1000)]


def test_run_amid_others_is_found() -> None:
    """A long run of one length among others becomes a range, and no record is lost."""
    sizes = [90 + i * 7 % 41 for i in range(400)]
    sizes[128:328] = [100] * 200
    data = records(sizes)
    stretches = walk(data, 400)
    assert stretches is not None
    assert sum(map(len, stretches)) == 400
    assert any(isinstance(starts, range) for starts in stretches)
    values = []
    done = 0
    for i, starts in enumerate(stretches):
        stop = stretches[i + 1][0] if i + 1 < len(stretches) else len(data)
        part = read(data, starts, stop, done, keys=True, values=True, timestamps=True)
        assert part is not None
        assert part.is_dense
        done += len(starts)
        values += part.values
    assert values == [b"v" * size for size in sizes]


def test_few_records_are_left_to_the_other_road() -> None:
    """For a small batch, and for one that does not add up, there is nothing to gain."""
    assert walk(records([100] * 20), 20) is None
    assert walk(records([100] * 300)[:-1], 300) is None
    assert walk(records([100] * 300), 299) is None
    assert walk(records([9000] * 300), 300) is None
