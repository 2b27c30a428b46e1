from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from millstream_log.deadlines import Deadlines

A, B, C = "abc"


def taken(deadlines: Deadlines[str], now_ms: int) -> list[str]:
    """Return all that is due, as it comes."""
    keys = []
    while (key := deadlines.take(now_ms)) is not None:
        keys.append(key)
    return keys


def test_keys_come_when_they_are_due_and_once() -> None:
    """A deadline that has come is given out in order of time, and then forgotten."""
    deadlines = Deadlines[str]()
    deadlines.set(A, 30)
    deadlines.set(B, 10)
    deadlines.set(C, 20)
    assert deadlines.next_ms() == 10
    assert taken(deadlines, 9) == []
    assert taken(deadlines, 20) == [B, C]
    assert taken(deadlines, 20) == []
    assert taken(deadlines, 30) == [A]
    assert deadlines.next_ms() is None


def test_a_deadline_moves_both_ways() -> None:
    """A key is due at the time it was given last, be that later or earlier than before."""
    deadlines = Deadlines[str]()
    deadlines.set(A, 10)
    deadlines.set(A, 30)
    deadlines.set(B, 30)
    deadlines.set(B, 10)
    assert taken(deadlines, 10) == [B]
    assert taken(deadlines, 29) == []
    assert taken(deadlines, 30) == [A]
    assert taken(deadlines, 99) == []


def test_a_key_is_known_until_it_has_come() -> None:
    """A key is among the deadlines from when it is set until it is taken or cancelled."""
    deadlines = Deadlines[str]()
    deadlines.set(A, 10)
    deadlines.set(B, 20)
    assert A in deadlines
    assert taken(deadlines, 10) == [A]
    deadlines.cancel(B)
    assert A not in deadlines
    assert B not in deadlines


def test_what_is_cancelled_does_not_come() -> None:
    """A key without a deadline is never due, until it is given one anew."""
    deadlines = Deadlines[str]()
    deadlines.set(A, 10)
    deadlines.cancel(A)
    deadlines.cancel(B)
    assert taken(deadlines, 10) == []
    deadlines.set(A, 20)
    deadlines.clear()
    assert deadlines.next_ms() is None
    deadlines.set(A, 30)
    assert taken(deadlines, 30) == [A]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "cancel", "take"]),
            st.sampled_from([A, B, C]),
            st.integers(0, 50),
        )
    )
)
def test_deadlines_do_as_a_plain_dict_does(steps: list[tuple[str, str, int]]) -> None:
    """However deadlines move, those are given out that a dict of them says are due."""
    deadlines, plain, now_ms = Deadlines[str](), dict[str, int](), 0
    for verb, key, time_ms in steps:
        if verb == "set":
            deadlines.set(key, now_ms + time_ms)
            plain[key] = now_ms + time_ms
        elif verb == "cancel":
            deadlines.cancel(key)
            plain.pop(key, None)
        else:
            now_ms += time_ms
            due = {key for key, due_ms in plain.items() if due_ms <= now_ms}
            found = taken(deadlines, now_ms)
            assert len(found) == len(set(found))
            assert set(found) == due
            plain = {key: due_ms for key, due_ms in plain.items() if key not in due}
        next_ms = deadlines.next_ms()
        if plain:
            assert next_ms is not None
            assert next_ms <= min(plain.values())


def test_a_near_and_a_far_deadline_in_turns_leave_nothing_behind() -> None:
    """A key that is used for a week holds as much memory as one that is used once."""
    deadlines = Deadlines[str]()
    for now_ms in range(0, 100_000, 10):
        deadlines.set("t", now_ms + 5)
        deadlines.set("t", now_ms + 10**9)
        assert deadlines.take(now_ms + 6) is None
        assert len(deadlines._heap) <= 70
