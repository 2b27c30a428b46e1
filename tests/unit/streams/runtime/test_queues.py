from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from millstream.runtime.intake import Chunk
from millstream.runtime.queues import Queues

FOREVER = 1 << 62


def chunk(times: list[int], base: int = 0) -> Chunk:
    """Return a chunk of events at these times, from offset `base`."""

    class Columns:
        offsets = range(base, base + len(times))
        timestamps = times
        keys: list[bytes | None] = [None] * len(times)
        values: list[bytes | None] = [None] * len(times)
        headers = None

    return Chunk(Columns(), base + len(times))


def queues(**times: list[int]) -> Queues:
    """Return queues with one chunk for each partition."""
    made = Queues()
    for key, of_key in times.items():
        made.put(key, chunk(of_key))
    return made


def runs(made: Queues, before: Any = None, horizon: int = FOREVER) -> list[tuple[str, list[int]]]:
    """Take everything; return partition and times of each run."""
    found = []
    while run := made.next_run(before or {}, horizon):
        key, of_key, start, stop = run
        found.append((key, of_key.times[start:stop]))
    return found


def test_partitions_take_turns_by_event_time() -> None:
    """A run is as much of one partition as comes no later than the other's first event."""
    assert runs(queues(a=[5, 7, 6, 9], b=[6, 9, 9])) == [
        ("a", [5]), ("b", [6]), ("a", [7, 6, 9]), ("b", [9, 9]),
    ]  # fmt: skip


def test_one_partition_is_one_run() -> None:
    """Where there is nothing to wait for, a chunk is taken whole, in the order it has."""
    assert runs(queues(a=[5, 1, 9])) == [("a", [5, 1, 9])]


def test_nothing_is_taken_beyond_the_horizon() -> None:
    """Events later than the horizon stay, with those behind them."""
    made = queues(a=[1, 5, 2])
    assert runs(made, horizon=4) == [("a", [1])]
    assert made.size("a") == 2
    assert made.latest("a") == 5
    assert not made.is_empty
    assert runs(made, horizon=5) == [("a", [5, 2])]
    assert made.is_empty


def test_no_run_crosses_the_offset_named() -> None:
    """A run stops at the offset named for its partition, and the next begins there."""
    assert runs(queues(a=[1, 2, 3, 4]), before={"a": 2}) == [("a", [1, 2]), ("a", [3, 4])]
    assert runs(queues(a=[1, 2]), before={"a": 9}) == [("a", [1, 2])]
    assert runs(queues(a=[1, 2]), before={"a": 0}) == [("a", [1, 2])]


TIMES = st.lists(st.integers(0, 20), max_size=12)


@given(TIMES, TIMES, TIMES, st.integers(0, 20), st.integers(0, 12))
def test_every_event_leaves_once_and_in_order(
    a: list[int], b: list[int], c: list[int], horizon: int, limit: int
) -> None:
    """Whatever the cuts, each partition's events leave once, in the order they came."""
    made = queues(a=a, b=b, c=c)
    taken = runs(made, {"a": limit}, horizon) + runs(made)
    for key, of_key in (("a", a), ("b", b), ("c", c)):
        assert [t for k, times in taken for t in times if k == key] == of_key


@given(st.lists(st.integers(0, 20)), st.lists(st.integers(0, 20)))
def test_sorted_inputs_leave_sorted(a: list[int], b: list[int]) -> None:
    """Partitions that are each in time order leave as one sequence in time order."""
    taken = [t for _, times in runs(queues(a=sorted(a), b=sorted(b))) for t in times]
    assert taken == sorted(a + b)
