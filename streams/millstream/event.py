"""What an operator sees: typed values, windows, and rows of aggregates.

Invariants: a `Record` class is a msgspec Struct, so it is checked when decoded and cheap to
make; a `Windowed` key sorts by key and then by window start.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class Record(msgspec.Struct):
    """Base of a value's class: annotate the fields, and JSON and msgpack are read into it.

    >>> class Click(Record):
    ...     page: str
    ...     ts: int
    >>> Click("/home", 5).page
    '/home'
    """


class Windowed(NamedTuple):
    """The key of a windowed result: the group's key and its window `[start, end)` in ms."""

    key: Any
    start: int
    end: int


class Event(NamedTuple):
    """One event as an agent gets it, with where it came from."""

    key: Any
    value: Any
    timestamp: int  # ms, event time
    headers: tuple[tuple[str, bytes | None], ...]
    topic: str
    partition: int
    offset: int


def row_type(name: str, fields: tuple[str, ...]) -> type[msgspec.Struct]:
    """Return a struct class with these fields, for rows that an aggregate or a row() makes."""
    return msgspec.defstruct(name, [(field, Any) for field in fields], gc=False)
