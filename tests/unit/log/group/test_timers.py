from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from millstream_log.group.timers import TimerKey, Timers

A, B, C = (TimerKey("session", "g", name) for name in "abc")


def taken(timers: Timers, now_ms: int) -> list[TimerKey]:
    """Return all that is due, as it comes."""
    keys = []
    while (key := timers.take(now_ms)) is not None:
        keys.append(key)
    return keys


def test_keys_come_when_they_are_due_and_once() -> None:
    """A deadline that has come is given out in order of time, and then forgotten."""
    timers = Timers()
    timers.set(A, 30)
    timers.set(B, 10)
    timers.set(C, 20)
    assert timers.next_ms() == 10
    assert taken(timers, 9) == []
    assert taken(timers, 20) == [B, C]
    assert taken(timers, 20) == []
    assert taken(timers, 30) == [A]
    assert timers.next_ms() is None


def test_a_deadline_moves_both_ways() -> None:
    """A key is due at the time it was given last, be that later or earlier than before."""
    timers = Timers()
    timers.set(A, 10)
    timers.set(A, 30)
    timers.set(B, 30)
    timers.set(B, 10)
    assert taken(timers, 10) == [B]
    assert taken(timers, 29) == []
    assert taken(timers, 30) == [A]
    assert taken(timers, 99) == []


def test_what_is_cancelled_does_not_come() -> None:
    """A key without a deadline is never due, until it is given one anew."""
    timers = Timers()
    timers.set(A, 10)
    timers.cancel(A)
    timers.cancel(B)
    assert taken(timers, 10) == []
    timers.set(A, 20)
    timers.clear()
    assert timers.next_ms() is None
    timers.set(A, 30)
    assert taken(timers, 30) == [A]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "cancel", "take"]),
            st.sampled_from([A, B, C]),
            st.integers(0, 50),
        )
    )
)
def test_timers_do_as_a_plain_dict_does(steps: list[tuple[str, TimerKey, int]]) -> None:
    """However deadlines move, those are given out that a dict of them says are due."""
    timers, plain, now_ms = Timers(), dict[TimerKey, int](), 0
    for verb, key, time_ms in steps:
        if verb == "set":
            timers.set(key, now_ms + time_ms)
            plain[key] = now_ms + time_ms
        elif verb == "cancel":
            timers.cancel(key)
            plain.pop(key, None)
        else:
            now_ms += time_ms
            due = {key for key, due_ms in plain.items() if due_ms <= now_ms}
            found = taken(timers, now_ms)
            assert len(found) == len(set(found))
            assert set(found) == due
            plain = {key: due_ms for key, due_ms in plain.items() if key not in due}
        next_ms = timers.next_ms()
        if plain:
            assert next_ms is not None
            assert next_ms <= min(plain.values())
