from __future__ import annotations

from typing import Any

import msgspec
import pytest

from millstream.serde import deserializer
from millstream.state.memory import MemoryStore
from millstream.state.tables import AggregateState, TableState, window_prefix
from millstream.windows import tumbling


class Sum(msgspec.Struct, array_like=True):
    n: int = 0


def aggregate_state(store: MemoryStore, cached_max: int = 100) -> AggregateState:
    return AggregateState(store, 1, Sum, tumbling(10), cached_max=cached_max)


def commit(state: Any, store: MemoryStore) -> list[Any]:
    changes = list(state.commit())
    store.write(changes, b"")
    return changes


@pytest.mark.parametrize("start", [0, -10, 10**15, -(10**15)])
def test_keys_sort_by_window(start: int) -> None:
    """A store's keys stand in the order of their windows, below 0 too."""
    assert window_prefix(1, start) < window_prefix(1, start + 10)
    assert window_prefix(1, start)[0] == 1
    assert len(window_prefix(1, start)) == 9


@pytest.mark.parametrize("cached_max", [0, 100])
def test_what_is_committed_is_found_again(cached_max: int) -> None:
    """An accumulator goes on from its last commit, out of the cache or out of the store."""
    store = MemoryStore()
    state = aggregate_state(store, cached_max)
    for _ in range(3):
        state.dirty[10]["a"].n += 1
        state.dirty[10]["b"].n += 2
        assert len(commit(state, store)) == 2
    again = aggregate_state(store)
    again.open = set(state.open)
    assert again.window(10) == {"a": Sum(3), "b": Sum(6)}
    assert again.dirty[10]["a"] == Sum(3)


def test_an_accumulator_is_written_once_for_each_commit() -> None:
    """However often a key is touched between commits, it is one change, and none after."""
    store = MemoryStore()
    state = aggregate_state(store)
    for _ in range(5):
        state.dirty[0]["a"].n += 1
    assert len(commit(state, store)) == 1
    assert commit(state, store) == []


@pytest.mark.parametrize("restored", [False, True])
def test_dropping_a_window_deletes_what_was_committed_of_it(restored: bool) -> None:
    """A dropped window leaves nothing in the store, and deletes nothing that was not there."""
    store = MemoryStore()
    state = aggregate_state(store)
    state.dirty[0]["a"].n += 1
    state.dirty[10]["a"].n += 1
    commit(state, store)
    if restored:
        state = aggregate_state(store)
        state.open = {0, 10}
    state.dirty[0]["b"].n += 1
    deletes = state.drop(0)
    assert [value for _, value in deletes] == [None]
    store.write(deletes, b"")
    assert [key[:9] for key, _ in store.scan(b"")] == [window_prefix(1, 10)]
    assert state.window(0) == {}
    assert state.open == {10}


def test_closable_windows_come_oldest_first() -> None:
    """Windows that start below the bound are listed in their order."""
    state = aggregate_state(MemoryStore())
    for start in (30, 10, 20, 0):
        state.dirty[start]["a"].n += 1
    assert state.closable(21) == [0, 10, 20]


def test_items_are_all_there_is() -> None:
    """Committed and uncommitted accumulators are listed together, by window."""
    store = MemoryStore()
    state = aggregate_state(store)
    state.dirty[10]["a"].n = 1
    commit(state, store)
    state.dirty[0][("x", 5)].n = 2
    assert list(state.items()) == [(0, ("x", 5), Sum(2)), (10, "a", Sum(1))]


def table_state(store: MemoryStore, cached_max: int = 100) -> TableState:
    return TableState(store, 2, deserializer(), cached_max=cached_max)


@pytest.mark.parametrize("cached_max", [0, 100])
def test_rows_are_the_last_values(cached_max: int) -> None:
    """A row is the last value of its key, before and after a commit, and gone when deleted."""
    store = MemoryStore()
    table = table_state(store, cached_max)
    table.put("a", b'{"n":1}', {"n": 1})
    table.put("b", b'{"n":2}', {"n": 2})
    assert table.rows["a"] == {"n": 1}
    commit(table, store)
    table.put("a", b'{"n":3}', {"n": 3})
    table.put("b", None, None)
    assert table.rows["a"] == {"n": 3}
    assert table.rows["b"] is None
    assert len(commit(table, store)) == 2
    again = table_state(store)
    assert again.rows["a"] == {"n": 3}
    assert again.rows["b"] is None
    assert again.rows[None] is None


def test_a_row_that_came_late_is_found_under_a_key_that_was_missing() -> None:
    """A key that was asked for in vain is found once its row has come."""
    table = table_state(MemoryStore())
    assert table.rows["a"] is None
    table.put("a", b"1", 1)
    assert table.rows["a"] == 1


def test_a_key_of_another_type_finds_the_row_of_today() -> None:
    """The number 5 and the text "5" are one key to the log, so both see the same row."""
    table = table_state(MemoryStore())
    table.put("5", b'"old"', "old")
    assert table.rows[5] == "old"
    table.put("5", b'"new"', "new")
    assert table.rows[5] == "new"
    table.put("5", None, None)
    assert table.rows[5] is None
