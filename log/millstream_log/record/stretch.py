"""The fast road through a batch's records: a stretch of them at once, a field at a time.

    record 0   len at ts od kl key vl value hc
    record 1   len at ts od kl key vl value hc        |<- heads ->|: the first 16 bytes of every
    record 2   len at ts od kl key vl value hc        record are turned into columns

One plain loop finds where records start; what follows is done on columns (lanes.py). Where
records have one length their starts are an arithmetic series and even the loop goes.

Invariants: what comes out is what the careful reader in columns.py returns, or None: headers,
fields beyond the sizes below, and anything broken are left to it.
Source: the layout of a record is that of docs/format.md.
"""

from __future__ import annotations

from itertools import chain, repeat
from operator import itemgetter
from struct import Struct
from typing import NamedTuple

from ..errors import CorruptRecordError
from .lanes import (
    LITTLE_ENDIAN,
    Front,
    MisfitError,
    Places,
    Varint,
    has_negative,
    listed,
    numbers,
    range_words,
    signed,
    take,
)
from .varint import HIGH, LOW
from .varint import read as read_varint

Fields = list[bytes | None]

_COUNT_MIN = 256  # below, reading one by one is faster
_HEAD_BYTES = 16  # the last byte of the record before, then the varints up to the key
_BLOCK = 128  # records walked before another look for records of one length
_RUN_MIN = 48  # records of one length in a row that are worth a run of their own

_NEXT_ONE = [(byte >> 1) + 1 for byte in range(128)] + [0] * 128
_NEXT_HIGH = [more + 2 for more in HIGH]


class Slices(NamedTuple):
    """Fields of the records of one stretch; a field not asked for is empty."""

    offset_deltas: list[int]
    is_dense: bool  # the deltas count up by one from the first that was expected
    time_deltas: list[int]
    keys: Fields
    values: Fields


def walk(data: bytes, count: int) -> list[range | list[int]] | None:
    """Return where the records start: ranges where lengths repeat, lists where they do not.

    None when this road brings nothing, or the lengths do not lead to the end of `data`.
    """
    if count < _COUNT_MIN or not LITTLE_ENDIAN:
        return None
    stretches: list[range | list[int]] = []
    position, left = 0, count
    loose: list[int] = []
    append = loose.append
    one, low, high = _NEXT_ONE, LOW, _NEXT_HIGH
    try:
        while left:
            run = _run(data, position, left)
            if run is not None:
                if loose:
                    stretches.append(loose)
                    loose = []
                    append = loose.append
                stretches.append(run)
                left -= len(run)
                position = run.stop
                continue
            block = min(left, _BLOCK)
            left -= block
            for _ in repeat(None, block):
                append(position)
                byte = data[position]
                if byte < 128:
                    position += one[byte]
                elif (more := data[position + 1]) < 128:
                    position += low[byte] + high[more]
                else:
                    return None  # records of 8 KiB cost more to copy than to read one by one
    except IndexError:
        return None
    if loose:
        stretches.append(loose)
    return stretches if position == len(data) else None


def _run(data: bytes, position: int, count: int) -> range | None:
    """Return the starts of at least _RUN_MIN records of one length from `position` on."""
    first = data[position]
    if first < 128:
        stride = (first >> 1) + 1
    elif data[position + 1] < 128:
        stride = LOW[first] + _NEXT_HIGH[data[position + 1]]
    else:
        return None
    prefix = data[position : position + 2 if first >= 128 else position + 1]
    if stride < 7 or not data.startswith(prefix, position + stride):
        return None
    # the last of them may reach beyond the end of the data
    count = min(count, (len(data) - position) // stride)
    found = probed = 0
    while found == probed < count:  # in growing steps: a long look for a short run costs
        probed = min(max(probed * 4, _RUN_MIN), count)
        found = probed
        for i in range(len(prefix)):
            column = data[position + i : position + stride * found : stride]
            found -= len(column.lstrip(prefix[i : i + 1]))
    if found < _RUN_MIN:
        return None
    return range(position, position + stride * found, stride)


def read(
    data: bytes,
    starts: range | list[int],
    stop: int,
    first_delta: int,
    *,
    keys: bool,
    values: bool,
    timestamps: bool,
) -> Slices | None:
    """Read the records that start at `starts` and fill `data` to `stop`; None: take care.

    `first_delta` is the offset delta the first has when none is missing before it.
    """
    try:
        return _read(data, starts, stop, first_delta, keys, values, timestamps)
    except (MisfitError, CorruptRecordError, IndexError):
        return None


def _read(
    data: bytes,
    starts: range | list[int],
    stop: int,
    first_delta: int,
    keys: bool,
    values: bool,
    timestamps: bool,
) -> Slices:
    front = _heads(data, starts)
    count = len(starts)
    if front.column(0).count(0, 1) != count - 1 or data[stop - 1]:
        raise MisfitError  # some record ends with another byte than header count 0
    front.skip(1)
    length, front = take(front, 2)
    front.skip(1)  # attributes
    time, front = take(front, 4)
    offset, front = take(front, 3)
    key, _ = take(front, 2)
    if has_negative(length) or has_negative(offset):
        raise MisfitError
    deltas = numbers(offset)
    is_dense = deltas == range_words(first_delta, count)
    offset_deltas = [] if is_dense else listed(deltas)
    time_deltas = signed(time) if timestamps else []
    if isinstance(starts, range):
        cut = _cut_alike(data, starts, length.size, (time, offset, key), keys, values)
        if cut is not None:
            return Slices(offset_deltas, is_dense, time_deltas, *cut)
    place = Places(starts)
    place.add(length)
    before = place.total()
    place.constant += 1  # attributes
    for varint in (time, offset, key):
        place.add(varint)
    key_starts = place.listed() if keys else []
    place.add_length(key)
    key_stops = place.listed() if keys else []
    value = _gather(data, place)
    place.add(value)
    value_starts = place.listed() if values else []
    place.add_length(value)
    place.constant += 1  # header count
    if place.total() - before != int.from_bytes(numbers(length), "little"):
        raise MisfitError
    return Slices(
        offset_deltas,
        is_dense,
        time_deltas,
        _cut(data, key_starts, key_stops, key, 0) if keys else [],
        _cut(data, value_starts, [*starts[1:], stop], value, 1) if values else [],
    )


def _cut_alike(
    data: bytes,
    starts: range,
    size: int,
    varints: tuple[Varint, Varint, Varint],
    keys: bool,
    values: bool,
) -> tuple[Fields, Fields] | None:
    """Cut keys and values out of records that are alike to the byte; None when they are not."""
    size += 1  # attributes
    for varint in varints:
        if not varint.size:
            return None
        size += varint.size
    key = varints[2]
    count, step, first = len(starts), starts.step, starts[0]
    if any(column.count(column[0]) != count for column in key.columns):
        return None
    key_bytes = key.columns[0][:1] if key.size == 1 else key.columns[0][:1] + key.columns[1][:1]
    key_length, _ = read_varint(key_bytes, 0, key.size)
    place = first + size + max(key_length, 0)
    if key_length < -1 or place >= first + step:
        raise MisfitError
    value_length, value_place = read_varint(data, place, first + step)
    prefix = data[place:value_place]
    if value_length < -1 or value_place + max(value_length, 0) + 1 != first + step:
        raise MisfitError
    for i in range(len(prefix)):
        if data[place + i : starts[-1] + step : step].count(prefix[i]) != count:
            return None
    view = memoryview(data)[first : starts.stop]
    return (
        _cut_steps(view, step, size, key_length) if keys else [],
        _cut_steps(view, step, value_place - first, value_length) if values else [],
    )


def _cut_steps(view: memoryview, step: int, place: int, length: int) -> Fields:
    """Cut the field at `place` of every record of `step` bytes."""
    if length < 0:
        return [None] * (len(view) // step)
    layout = Struct(f"{place}x{length}s{step - place - length}x")
    return list(chain.from_iterable(layout.iter_unpack(view)))


def _heads(data: bytes, starts: range | list[int]) -> Front:
    """Return the first bytes of the records; column 0 holds the bytes before them."""
    count, before, size = len(starts), starts[0] - 1, _HEAD_BYTES
    if isinstance(starts, range):
        step, last = starts.step, starts[-1]

        def stride(i: int) -> bytes:
            if before + i < 0:
                return b"\0" + data[step - 1 : last : step]
            return data[before + i : last + i : step].ljust(count, b"\0")

        return Front(count, stride)
    heads = [data[start - 1 : start + 15] for start in starts]
    if before < 0:
        heads[0] = b"\0" + data[:15]
    if starts[-1] + size > len(data):
        heads[-3:] = [head.ljust(size, b"\0") for head in heads[-3:]]
    matrix = b"".join(heads)
    if len(matrix) != size * count:
        raise MisfitError

    def pick(i: int) -> bytes:
        if i >= size:
            raise MisfitError
        return matrix[i::size]

    return Front(count, pick)


def _gather(data: bytes, place: Places) -> Varint:
    """Read the varints that stand at `place`."""
    constant = place.constant

    def pick(i: int) -> bytes:
        if i >= 4:
            raise MisfitError
        place.constant = constant + i
        places = place.listed()
        place.constant = constant
        # the last place twice: with one place alone itemgetter gives no tuple
        return bytes(itemgetter(*places, places[-1])(data))[:-1]

    return take(Front(place.count, pick), 4)[0]


def _cut(data: bytes, starts: list[int], stops: list[int], length: Varint, less: int) -> Fields:
    """Cut fields out of `data`, each to `less` bytes before its stop; null where it is so."""
    first = length.columns[0]
    nulls = first.count(1)
    if nulls == len(first):
        return [None] * nulls
    fields: Fields
    if less:
        fields = [data[start : stop - 1] for start, stop in zip(starts, stops, strict=True)]
    else:
        fields = [data[start:stop] for start, stop in zip(starts, stops, strict=True)]
    place = -1
    for _ in range(nulls):
        place = first.index(1, place + 1)
        fields[place] = None
    return fields
