"""Varints of many records at once: a column holds one byte of every record.

    record 0   80 01 ..        column 0: 80 06 9c     a varint is taken off the front of all
    record 1   06 ..      ->   column 1: 01 .. 03     records in one step, whatever its size
    record 2   9c 03 ..                               in each of them

Everything is done on whole columns by operations that run in C: bytes.translate, strided
slices, and integers as long as the column, where AND, OR and + work on every byte, or on every
word of 4 bytes, in one step.

Invariants: no word overflows into the next: lengths and deltas have at most 27 bits here, and
a varint that has more raises MisfitError. Words are little-endian in memory.
Source: the varints are those of docs/format.md.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from typing import NamedTuple

Words = int
"""An integer of 32-bit words, the first record's lowest."""

LITTLE_ENDIAN = sys.byteorder == "little"

# Tables for bytes.translate. A varint's bytes are a, b, c, d; its number has 7 bits of each,
# and the value is the number without its lowest bit.
_FLIP = bytes(byte ^ 128 for byte in range(256))  # ascii becomes "continues", and back
_CONTINUES = bytes(128) + b"\xff" * 128
_ODD = bytes((0, 255)) * 128
_NEGATIVE = bytes((0, 0)) + bytes((0, 255)) * 127  # odd, and not the 1 that stands for null
_A = bytes((byte & 127) >> 1 for byte in range(256))
_B = (
    bytes((byte & 3) << 6 for byte in range(256)),
    bytes((byte & 127) >> 2 for byte in range(256)),
)
_C = (
    bytes((byte & 7) << 5 for byte in range(256)),
    bytes((byte & 127) >> 3 for byte in range(256)),
)
_D = (
    bytes((byte & 15) << 4 for byte in range(256)),
    bytes((byte & 127) >> 4 for byte in range(256)),
)

_SPREAD = ((_B[0], _B[1]), (_C[0], _C[1]), (_D[0], _D[1]))


class MisfitError(Exception):
    """These records are for the careful reader."""


class Varint(NamedTuple):
    """One varint of every record: its bytes a, b, c, d in columns, and how long it is."""

    columns: list[bytes]
    size: int  # bytes it has in every record; 0 where that differs
    sizes: bytes = b""  # bytes it has in each record, where that differs


class Places:
    """Bytes counted from the start of every record, lane by lane."""

    def __init__(self, starts: range | list[int]) -> None:
        self.count = len(starts)
        self._ones = int.from_bytes(b"\1\0\0\0" * self.count, "little")
        self._starts = int.from_bytes(array("I", starts), "little")
        self._words: Words = 0
        self.constant = 0  # counted in every record, on top of its word

    def add(self, varint: Varint) -> None:
        """Count the bytes the varint itself has."""
        self.constant += varint.size
        if varint.sizes:
            spread = bytearray(4 * self.count)
            spread[::4] = varint.sizes
            self._words += int.from_bytes(spread, "little")

    def add_length(self, varint: Varint) -> None:
        """Count the bytes of the field whose length the varint is; a null field has none."""
        first = varint.columns[0]
        if first.translate(_NEGATIVE).count(0) != self.count:
            raise MisfitError
        if first.count(1) != self.count:
            self._words += int.from_bytes(numbers(varint), "little")

    def total(self) -> Words:
        """Return the counts so far."""
        return self._words + self._ones * self.constant

    def listed(self) -> list[int]:
        """Return the places as positions in the data."""
        total = self._starts + self._words + self._ones * self.constant
        return listed(total.to_bytes(4 * self.count, "little"))


class Front:
    """The first bytes of every record from some place on, as columns made when asked for."""

    def __init__(self, count: int, make: Callable[[int], bytes]) -> None:
        self.count = count
        self._make = make
        self._columns: dict[int, bytes] = {}
        self._numbers: dict[int, int] = {}
        self._skipped = 0

    def column(self, i: int) -> bytes:
        """Return byte `i` of every record."""
        i += self._skipped
        column = self._columns.get(i)
        if column is None:
            column = self._columns[i] = self._make(i)
        return column

    def number(self, i: int) -> int:
        """Return column `i` as an integer, the first record lowest."""
        number = self._numbers.get(i + self._skipped)
        if number is None:
            number = int.from_bytes(self.column(i), "little")
            self._numbers[i + self._skipped] = number
        return number

    def skip(self, columns: int) -> None:
        """Let the columns count from further on."""
        self._skipped += columns


def take(front: Front, size_max: int) -> tuple[Varint, Front]:
    """Take a varint off the front of every record; return it and what is behind it."""
    columns: list[bytes] = []
    for i in range(size_max):
        column = front.column(i)
        columns.append(column)
        if column.isascii():
            front.skip(i + 1)
            return Varint(columns, i + 1), front
        if not column.translate(_FLIP).isascii():
            return _take_uneven(front, size_max)
    raise MisfitError


def _take_uneven(front: Front, size_max: int) -> tuple[Varint, Front]:
    """Take a varint of different sizes: keep, for each size, the records that have it."""
    count = front.count
    going = int.from_bytes(b"\xff" * count, "little")
    ones = int.from_bytes(b"\1" * count, "little")
    sizes = 0
    masks: list[int] = []
    columns: list[bytes] = []
    while going:
        i = len(masks)
        if i == size_max:
            raise MisfitError
        column = (front.number(i) & going).to_bytes(count, "little") if i else front.column(0)
        goes_on = int.from_bytes(column.translate(_CONTINUES), "little")
        columns.append(column)
        sizes += ones & going
        masks.append(going ^ goes_on)
        going = goes_on

    def shift(i: int) -> bytes:
        shifted = 0
        for size, mask in enumerate(masks, 1):
            if mask:
                shifted |= front.number(i + size) & mask
        return shifted.to_bytes(count, "little")

    return Varint(columns, 0, sizes.to_bytes(count, "little")), Front(count, shift)


def numbers(varint: Varint) -> bytearray:
    """Return a word for each record: the varint's number without its lowest bit."""
    columns = varint.columns
    words = bytearray(4 * len(columns[0]))
    low = columns[0].translate(_A)
    for i, column in enumerate(columns[1:]):
        to_low, to_high = _SPREAD[i]
        words[i::4] = _or(low, column.translate(to_low))
        low = column.translate(to_high)
    words[len(columns) - 1 :: 4] = low
    return words


def _or(one: bytes, other: bytes) -> bytes:
    number = int.from_bytes(one, "little") | int.from_bytes(other, "little")
    return number.to_bytes(len(one), "little")


def has_negative(varint: Varint) -> bool:
    """Whether the number is negative in any record."""
    column = varint.columns[0]
    return column.translate(_ODD).count(0) != len(column)


def signed(varint: Varint) -> list[int]:
    """Return the values, negative ones among them."""
    words = numbers(varint)
    if has_negative(varint):
        signs = bytearray(len(words))
        odd = varint.columns[0].translate(_ODD)
        for i in range(4):
            signs[i::4] = odd
        number = int.from_bytes(words, "little") ^ int.from_bytes(signs, "little")
        return memoryview(number.to_bytes(len(words), "little")).cast("i").tolist()
    return listed(words)


def listed(words: bytes | bytearray) -> list[int]:
    """Return the words as numbers."""
    return memoryview(words).cast("I").tolist()


_COUNTING_MAX = 1 << 16
_counting = b""  # words 0, 1, 2 ... as many as batches so far needed, up to _COUNTING_MAX


def range_words(first: int, count: int) -> bytes:
    """Return the words `first`, `first` + 1 ..."""
    global _counting  # replaced as a whole, never changed: other threads read it
    end = first + count
    if end > _COUNTING_MAX:
        return array("I", range(first, end)).tobytes()
    if 4 * end > len(_counting):
        _counting = array("I", range(min(2 * end, _COUNTING_MAX))).tobytes()
    return _counting[4 * first : 4 * end]
