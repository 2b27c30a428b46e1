"""The transactions of a log: those that hold its last stable offset, and those that were aborted.

`.txnindex` has one entry for each transaction whose abort marker lies in the segment:

    | version i16 = 0 | producer id i64 | first offset i64 | last offset i64 |
    | last stable offset i64 |                                  34 bytes an entry

Last offset is the marker's own; last stable offset is the log's behind the marker, as far as
other transactions let it. All numbers are big-endian.

Invariants:
    Last offsets rise strictly, last stable offsets never fall.
    A segment without aborted transactions needs no file.
    A transaction that has ended holds the last stable offset until the high watermark has
    passed its marker.
Source: KIP-98; files written by Apache Kafka 4.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from operator import attrgetter, itemgetter
from typing import NamedTuple

from .index import Index

_marker = itemgetter(1)
_ENTRY = struct.Struct(">hqqqq")
_VERSION = 0


class AbortedTransaction(NamedTuple):
    """A transaction that a marker has aborted; all offsets of one partition."""

    producer_id: int
    first_offset: int
    last_offset: int  # the marker's
    last_stable_offset: int  # when the marker was appended


class TransactionIndex(Index):
    """The transactions that were aborted in one segment."""

    __slots__ = ("_firsts", "_producer_ids", "_stables", "is_named")
    ENTRY_BYTES = _ENTRY.size

    def __init__(self) -> None:
        self._producer_ids = array("q")
        self._firsts = array("q")
        self._offsets = array("q")  # of the markers
        self._stables = array("q")
        self._saved = 0  # entries that the file holds already
        self.is_named = False  # the file's name is on the disk

    def __iter__(self) -> Iterator[AbortedTransaction]:
        columns = (self._producer_ids, self._firsts, self._offsets, self._stables)
        return map(AbortedTransaction, *columns)

    def append(self, aborted: AbortedTransaction) -> None:
        """Note a transaction whose marker lies behind all the others."""
        self._producer_ids.append(aborted.producer_id)
        self._firsts.append(aborted.first_offset)
        self._offsets.append(aborted.last_offset)
        self._stables.append(aborted.last_stable_offset)

    def overlapping(
        self, fetch_offset: int, end_offset: int
    ) -> tuple[list[AbortedTransaction], bool]:
        """Return those that reach into [fetch_offset, end_offset), and whether that is all.

        When it is not, later segments may have more.
        """
        found = []
        for at in range(bisect_left(self._offsets, fetch_offset), len(self)):
            entry = self._entry(at)
            if entry.first_offset < end_offset:
                found.append(entry)
            if entry.last_stable_offset >= end_offset:
                return found, True
        return found, False

    def _entry(self, at: int) -> AbortedTransaction:
        return AbortedTransaction(
            self._producer_ids[at], self._firsts[at], self._offsets[at], self._stables[at]
        )

    def cut(self, offset: int) -> None:
        """Forget the transactions whose markers lie at or beyond `offset`."""
        keep = bisect_left(self._offsets, offset)
        for column in (self._producer_ids, self._firsts, self._offsets, self._stables):
            del column[keep:]
        self._saved = min(self._saved, keep)

    def encode(self, start: int = 0) -> bytes:
        """Return the entries from number `start` on as the file has them."""
        return b"".join([_ENTRY.pack(_VERSION, *self._entry(at)) for at in range(start, len(self))])

    def load(self, data: bytes, start_offset: int, end_offset: int) -> bool:
        """Take the entries of a file whose markers lie in [start_offset, end_offset).

        Stops at the first that does not or that cannot be right; tell whether all were taken.
        """
        whole = len(data) // _ENTRY.size * _ENTRY.size
        last = start_offset - 1
        for version, *fields in _ENTRY.iter_unpack(data[:whole]):
            entry = AbortedTransaction(*fields)
            rises = last < entry.last_offset < end_offset
            if version != _VERSION or not rises or not 0 <= entry.first_offset < entry.last_offset:
                break
            self.append(entry)
            last = entry.last_offset
        self.saved()
        return len(self) * _ENTRY.size == len(data)


class AbortedLookup:
    """To which aborted transaction a batch belongs."""

    def __init__(self, aborted: Iterable[AbortedTransaction]) -> None:
        self._of: dict[int, list[AbortedTransaction]] = {}
        for entry in aborted:
            self._of.setdefault(entry.producer_id, []).append(entry)

    def at(self, producer_id: int, offset: int) -> AbortedTransaction | None:
        """Return the producer's aborted transaction that `offset` lies in, its marker included."""
        known = self._of.get(producer_id)
        if known is None:
            return None
        # One producer's transactions follow each other, so the order of markers is theirs too.
        at = bisect_right(known, offset, key=attrgetter("first_offset")) - 1
        return known[at] if at >= 0 and offset <= known[at].last_offset else None


class OpenTransactions:
    """What holds the last stable offset: open transactions, and ended ones not yet replicated.

    Changed under the log's lock; `first_unstable_offset` may be asked without it.
    """

    __slots__ = ("_ended", "_first", "_open")

    def __init__(self) -> None:
        self._open: dict[int, int] = {}  # producer id -> first offset, in the order they began
        self._first = -1  # the smallest of them, -1: none
        self._ended: list[tuple[int, int]] = []  # (first offset, marker's offset), by marker

    def first_unstable_offset(self, high_watermark: int) -> int | None:
        """Return where the first transaction begins that is not decided below `high_watermark`."""
        first, ended = self._first, self._ended  # in this order: see `end`
        if not ended or ended[-1][1] < high_watermark:
            return None if first < 0 else first
        undecided = [begun for begun, _ in ended[bisect_left(ended, high_watermark, key=_marker) :]]
        if first >= 0:
            undecided.append(first)
        return min(undecided)

    def begin(self, producer_id: int, first_offset: int) -> None:
        """Note a transaction that begins behind all the others; one that is open goes on."""
        self._open.setdefault(producer_id, first_offset)
        if self._first < 0:
            self._first = first_offset

    def end(self, producer_id: int, marker_offset: int) -> int:
        """Note the end of an open one; return how far the others let the log be stable."""
        # It counts among the ended before it leaves the open, for those who look meanwhile.
        self._ended.append((self._open[producer_id], marker_offset))
        del self._open[producer_id]
        self._first = next(iter(self._open.values()), -1)
        return marker_offset + 1 if self._first < 0 else self._first

    def replicated(self, high_watermark: int) -> None:
        """Forget the ended ones whose markers lie below `high_watermark`."""
        # A new list, since others may be looking at this one.
        self._ended = self._ended[bisect_left(self._ended, high_watermark, key=_marker) :]
