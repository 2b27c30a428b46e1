"""State as the operators see it: accumulators by window and key, and tables' rows.

    store key:   id (1 byte) | window start (8 bytes, order kept) | key (msgpack)
    value:       the accumulator's slots as a msgpack array, or a table's raw value

Two layers lie over the store. `dirty` holds what was touched since the last commit and is what
the fused loop works on; `clean` holds what earlier commits wrote, so that a key that comes back
is not read from disk again. Writes reach the store and the changelog once for each key and
commit.

Invariants: an accumulator is in the store as of the last commit, or not at all; a window in
`complete` has every committed key in `clean`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ..serde import decode_key, encode_key, key_decoder
from ..windows import Windows
from .store import Change, Store

CHECKED_BYTES_MAX = 1024
"""Accumulators up to this size are tried whether they come back from the store as they are."""

_BIAS = 1 << 63
_encode = msgspec.msgpack.Encoder().encode


def window_prefix(store_id: int, window: int) -> bytes:
    """Return the bytes that all keys of one window start with."""
    return bytes((store_id,)) + (window + _BIAS).to_bytes(8, "big")


class _Slots(dict[Any, Any]):
    """Accumulators of one window by key; a key that is missing is loaded or begun."""

    def __init__(self, load: Callable[[int, Any], Any], window: int) -> None:
        self._load = load
        self._window = window

    def __missing__(self, key: Any) -> Any:
        accumulator = self[key] = self._load(self._window, key)
        return accumulator


class _Dirty(dict[int, _Slots]):
    """Slots of each window touched since the last commit."""

    def __init__(self, state: AggregateState) -> None:
        self._state = state

    def __missing__(self, window: int) -> _Slots:
        slots = self[window] = _Slots(self._state.load, window)
        self._state.note_window(window)
        return slots


class AggregateState:
    """The accumulators of one aggregate in one task."""

    def __init__(
        self,
        store: Store,
        store_id: int,
        accumulator: type[msgspec.Struct],
        windows: Windows | None,
        *,
        cached_max: int = 100_000,
    ) -> None:
        self._store = store
        self.store_id = store_id
        self._new = accumulator
        self._decode = msgspec.msgpack.Decoder(accumulator).decode
        self._windows = windows
        self._cached_max = cached_max  # entries kept in `clean`
        self._cached = 0
        self._clean: dict[int, dict[Any, Any]] = {}
        self._complete: set[int] = set()
        self.dirty = _Dirty(self)
        self.open: set[int] = set()  # starts of windows that hold something
        self.closed_before = -_BIAS  # a window that starts below takes nothing more
        self.late_events: list[tuple[Any, Any, int, Any]] = []

    # The fused loop's side --------------------------------------------------------------------

    def note_window(self, window: int) -> None:
        """Note that a window has come into use."""
        if window not in self.open:
            self.open.add(window)
            self._complete.add(window)

    def load(self, window: int, key: Any) -> Any:
        """Return the accumulator of a key as last committed, or a new one."""
        clean = self._clean.get(window)
        if clean is not None:
            accumulator = clean.get(key)
            if accumulator is not None:
                return accumulator
        if window in self._complete:
            return self._new()
        data = self._store.get(window_prefix(self.store_id, window) + _encode(key))
        return self._new() if data is None else self._decode(data)

    # The commit's side ------------------------------------------------------------------------

    def touched(self) -> list[tuple[int, dict[Any, Any]]]:
        """Return windows with what was touched in them since the last commit, oldest first."""
        return [(window, dict(self.dirty[window])) for window in sorted(self.dirty)]

    def commit(self) -> list[Change]:
        """Return the changes since the last commit, and count them as committed."""
        changes: list[Change] = []
        append = changes.append
        for window in sorted(self.dirty):
            slots = self.dirty[window]
            prefix = window_prefix(self.store_id, window)
            for key, accumulator in slots.items():
                append((prefix + _encode(key), _encode(accumulator)))
            self._check_first(slots, changes)
            clean = self._clean.setdefault(window, {})
            before = len(clean)
            clean.update(slots)
            self._cached += len(clean) - before
        self.dirty.clear()
        if self._cached > self._cached_max:
            self._clean.clear()
            self._complete.clear()
            self._cached = 0
        return changes

    def _check_first(self, slots: dict[Any, Any], changes: list[Change]) -> None:
        """Raise TypeError when an accumulator would not be read back as it is.

        One of each window and commit is looked at, and none that is large: what an aggregate
        keeps is of one type, and that is what a store could change.
        """
        key, accumulator = next(iter(slots.items()), (None, None))
        data = changes[-len(slots)][1] if slots else None
        if data is None or len(data) > CHECKED_BYTES_MAX:
            return
        again = self._decode(data)
        # Compared as text too: a NaN is not equal to itself.
        if again != accumulator and repr(again) != repr(accumulator):
            raise TypeError(
                f"the state of key {key!r} would come back from its store as {again}, not "
                f"{accumulator}; aggregate numbers, text or times with a zone, "
                "such as ms.apply(str, F.day)"
            )

    def closable(self, bound: int) -> list[int]:
        """Return the open windows that start below `bound`, oldest first."""
        return sorted(window for window in self.open if window < bound)

    def window(self, window: int) -> dict[Any, Any]:
        """Return all accumulators of a window by key."""
        found: dict[Any, Any] = {}
        if window not in self._complete:
            prefix = window_prefix(self.store_id, window)
            for data, value in self._store.scan(prefix):
                found[decode_key(data[len(prefix) :])] = self._decode(value)
        found.update(self._clean.get(window, ()))
        found.update(self.dirty.get(window, ()))
        return found

    def drop(self, window: int) -> list[Change]:
        """Forget a window; return what deletes its committed entries."""
        prefix = window_prefix(self.store_id, window)
        clean = self._clean.pop(window, {})
        self._cached -= len(clean)
        self.dirty.pop(window, None)
        self.open.discard(window)
        if window in self._complete:
            self._complete.discard(window)
            return [(prefix + _encode(key), None) for key in clean]
        return [(key, None) for key, _ in self._store.scan(prefix)]

    def items(self) -> Iterator[tuple[int, Any, Any]]:
        """Yield (window, key, accumulator) of everything there is."""
        for window in sorted(self.open):
            for key, accumulator in self.window(window).items():
                yield window, key, accumulator


class _Rows(dict[Any, Any]):
    """Rows of a table by key; a key that is missing is read from the store, None where absent.

    A key of another type than the table's own finds its row too (5 and "5" are one key to the
    log), but is not kept: under it a newer row would not be seen.
    """

    def __init__(self, load: Callable[[Any], Any], is_own: Callable[[Any], bool]) -> None:
        self._load = load
        self._is_own = is_own

    def __missing__(self, key: Any) -> Any:
        row = self._load(key)
        if self._is_own(key):
            self[key] = row
        return row


class TableState:
    """The rows of a table in one task; the topic it is read from is its changelog."""

    def __init__(
        self,
        store: Store,
        store_id: int,
        decode: Callable[[bytes], Any],
        *,
        key: Any = str,
        cached_max: int = 100_000,
    ) -> None:
        self._read_key = key_decoder(key)
        self._store = store
        self._prefix = bytes((store_id,))
        self._decode = decode
        self._cached_max = cached_max
        self._changes: dict[bytes, bytes | None] = {}
        self.rows = _Rows(self._load, self._is_own)

    def _is_own(self, key: Any) -> bool:
        """Tell whether a key is as the table's topic gives it."""
        try:
            return type(self._read_key(encode_key(key) or b"")) is type(key)
        except (msgspec.MsgspecError, ValueError):
            return False

    def _key(self, key: Any) -> bytes:
        return self._prefix + (encode_key(key) or b"")

    def _load(self, key: Any) -> Any:
        # The row cache may be cleared between commits; what is not written yet is asked first.
        if key is None:
            return None
        name = self._key(key)
        data = self._changes[name] if name in self._changes else self._store.get(name)
        return None if data is None else self._decode(data)

    def put(self, key: Any, raw: bytes | None, row: Any) -> None:
        """Set a key's row; None deletes it."""
        self._changes[self._key(key)] = raw
        self.rows[key] = row

    def commit(self) -> list[Change]:
        """Return the changes since the last commit, and count them as committed."""
        changes = sorted(self._changes.items())
        self._changes.clear()
        if len(self.rows) > self._cached_max:
            self.rows.clear()
        return changes
