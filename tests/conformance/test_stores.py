"""Every body of a store does what the protocol says: one check for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import millstream as ms
from millstream.state.memory import MemoryStore
from millstream.state.rocks import RocksStore
from millstream.state.store import Store

MakeStore = Callable[[], Store]


@pytest.fixture(params=["memory", "rocksdb"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStore]:
    """Return the maker of stores, each call another empty one; all are closed in the end."""
    made: list[Store] = []

    def make() -> Store:
        folder = str(tmp_path / "below" / f"store-{len(made)}")
        store: Store = MemoryStore() if request.param == "memory" else RocksStore(folder)
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


def check_store(store: Store) -> None:
    """Take a new store through everything that a store can do."""
    assert store.get(b"a") is None
    assert store.meta() is None
    assert list(store.scan(b"")) == []

    store.write([(b"b", b"2"), (b"a", b"1"), (b"a\x00", b"0"), (b"", b"empty")], b"one")
    assert store.meta() == b"one"
    assert store.get(b"a") == b"1"
    assert store.get(b"") == b"empty"
    assert list(store.scan(b"a")) == [(b"a", b"1"), (b"a\x00", b"0")]

    store.write([(b"a", None), (b"b", b"3"), (b"missing", None), (b"c", b"")], b"two")
    assert store.meta() == b"two"
    assert store.get(b"a") is None
    assert store.get(b"b") == b"3"
    assert store.get(b"c") == b""
    assert list(store.scan(b"")) == [(b"", b"empty"), (b"a\x00", b"0"), (b"b", b"3"), (b"c", b"")]

    store.write([(b"x", b"1"), (b"x", b"2"), (b"y", b"1"), (b"y", None)], b"three")
    assert store.get(b"x") == b"2", "the last of two changes of one key holds"
    assert store.get(b"y") is None

    store.write([], b"four")
    assert store.meta() == b"four"
    assert store.get(b"x") == b"2"

    store.wipe()
    assert store.meta() is None
    assert list(store.scan(b"")) == []
    store.write([(b"z", b"9")], b"five")
    assert store.get(b"z") == b"9"
    assert store.meta() == b"five"


def test_store(make_store: MakeStore) -> None:
    """The store passes the check that every store passes."""
    check_store(make_store())


def test_a_scan_is_in_byte_order(make_store: MakeStore) -> None:
    """Keys come in the order of their bytes, whatever order they were written in."""
    store = make_store()
    keys = [bytes((a, b)) for a in (0, 1, 127, 128, 254) for b in (255, 0, 128)]
    store.write([(key, key) for key in reversed(keys)], b"")
    assert [key for key, _ in store.scan(b"")] == sorted(keys)
    assert [key for key, _ in store.scan(b"\x80")] == [b"\x80\x00", b"\x80\x80", b"\x80\xff"]


def test_a_scan_may_be_followed_by_changes(make_store: MakeStore) -> None:
    """What a scan found may be deleted afterwards, and the next scan does not find it."""
    store = make_store()
    store.write([(b"w1", b"a"), (b"w2", b"b"), (b"x", b"c")], b"")
    found = list(store.scan(b"w"))
    store.write([(key, None) for key, _ in found], b"")
    assert list(store.scan(b"")) == [(b"x", b"c")]


def test_stores_are_strangers(make_store: MakeStore) -> None:
    """What is in one store is in no other."""
    one, other = make_store(), make_store()
    one.write([(b"a", b"1")], b"meta")
    assert other.get(b"a") is None
    assert other.meta() is None


def test_rocksdb_keeps_what_was_written_when_it_was_closed(tmp_path: Path) -> None:
    """After a clean close, entries and meta are there again, with no log of its own to replay."""
    folder = str(tmp_path / "store")
    store = RocksStore(folder)
    store.write([(b"a", b"1")], b"meta")
    store.close()
    again = RocksStore(folder)
    assert again.get(b"a") == b"1"
    assert again.meta() == b"meta"
    again.close()


def test_rocksdb_opened_twice_is_refused(tmp_path: Path) -> None:
    """A store that another holds open is refused with its folder and what to do."""
    folder = str(tmp_path / "store")
    store = RocksStore(folder)
    with pytest.raises(ms.StateStoreError, match=r"cannot open the state store in .*store"):
        RocksStore(folder)
    store.close()
