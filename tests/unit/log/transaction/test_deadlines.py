from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from millstream_log.transaction.deadlines import Deadlines


def taken(deadlines: Deadlines, now_ms: int) -> list[str]:
    """Return the ids that are due."""
    found = []
    while (name := deadlines.take(now_ms)) is not None:
        found.append(name)
    return found


def test_an_id_comes_once_and_not_before_its_time() -> None:
    """`take` gives an id when its time has come, and then no more."""
    deadlines = Deadlines()
    assert deadlines.next_ms() is None
    deadlines.set("b", 10)
    deadlines.set("a", 10)
    deadlines.set("c", 11)
    assert deadlines.next_ms() == 10
    assert taken(deadlines, 9) == []
    assert taken(deadlines, 10) == ["a", "b"]
    assert taken(deadlines, 100) == ["c"]
    assert taken(deadlines, 1000) == []


def test_a_near_and_a_far_deadline_in_turns_leave_nothing_behind() -> None:
    """An id that is used for a week holds as much memory as one that is used once."""
    deadlines = Deadlines()
    for now_ms in range(0, 100_000, 10):
        deadlines.set("t", now_ms + 5)
        deadlines.set("t", now_ms + 10**9)
        assert deadlines.take(now_ms + 6) is None
        assert len(deadlines._heap) <= 70


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 50), st.integers(0, 10)),
    max_size=60,
)


@given(STEPS)
def test_deadlines_are_those_that_were_set_last(steps: list[tuple[str, int | None, int]]) -> None:
    """Whatever was set, moved and cancelled: what is due comes, and `next_ms` is never late."""
    deadlines, expected, now_ms = Deadlines(), dict[str, int](), 0
    for name, in_ms, passed_ms in steps:
        if in_ms is None:
            deadlines.cancel(name)
            expected.pop(name, None)
        else:
            deadlines.set(name, now_ms + in_ms)
            expected[name] = now_ms + in_ms
        if expected:
            next_ms = deadlines.next_ms()
            assert next_ms is not None
            assert next_ms <= min(expected.values())
        now_ms += passed_ms
        due = {key for key, due_ms in expected.items() if due_ms <= now_ms}
        assert sorted(taken(deadlines, now_ms)) == sorted(due)
        for key in due:
            del expected[key]
