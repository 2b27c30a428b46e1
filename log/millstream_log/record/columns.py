"""The records of one batch as columns: the careful reader, one record after the other.

Small batches, headers, large fields and whatever is broken are read here, the rest in
stretch.py. Short varints are read in line: a call for each would double the time.

Invariants: columns that are there have one length, that of `offsets`; `headers` is None when
no record has any. Every byte of `data` is accounted for.
Source: Kafka's message format chapter, section Record.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import CorruptRecordError
from ..model import Header
from .stretch import read as read_stretch
from .stretch import walk
from .varint import HIGH, LOW, SIGNED, SMALL, TWO_BYTES, read, read_long

NO_HEADERS: tuple[Header, ...] = ()


class Columns:
    """Records of one batch, a list for each field; times in epoch ms."""

    __slots__ = ("headers", "keys", "offsets", "timestamps", "values")

    def __init__(
        self,
        offsets: Sequence[int],
        timestamps: list[int],
        keys: list[bytes | None],
        values: list[bytes | None],
        headers: list[tuple[Header, ...]] | None = None,
    ) -> None:
        self.offsets = offsets
        self.timestamps = timestamps
        self.keys = keys
        self.values = values
        self.headers = headers

    def __len__(self) -> int:
        return len(self.offsets)

    def since(self, offset: int) -> Columns:
        """Return the records at or after `offset`; this object itself when that is all."""
        offsets = self.offsets
        if not offsets or offsets[0] >= offset:
            return self
        skip = next((i for i, found in enumerate(offsets) if found >= offset), len(offsets))
        return Columns(
            offsets[skip:],
            self.timestamps[skip:],
            self.keys[skip:],
            self.values[skip:],
            None if self.headers is None else self.headers[skip:],
        )


def scan(
    data: bytes,
    count: int,
    base_offset: int,
    base_timestamp: int,
    *,
    keys: bool = True,
    values: bool = True,
    timestamps: bool = True,
) -> Columns:
    """Read `count` records that fill `data`. Raises CorruptRecordError."""
    columns = _scan_lanes(data, count, base_offset, base_timestamp, keys, values, timestamps)
    if columns is not None:
        return columns
    return scan_each(data, count, base_offset, base_timestamp, keys, values, timestamps)


def _scan_lanes(
    data: bytes,
    count: int,
    base_offset: int,
    base_timestamp: int,
    keys: bool,
    values: bool,
    timestamps: bool,
) -> Columns | None:
    """Read the records all at once; None when only reading one by one will do."""
    stretches = walk(data, count)
    if stretches is None:
        return None
    deltas: list[int] = []
    columns = Columns(range(base_offset, base_offset + count), [], [], [], None)
    is_dense = True
    done = 0
    for i, starts in enumerate(stretches):
        stop = stretches[i + 1][0] if i + 1 < len(stretches) else len(data)
        part = read_stretch(
            data, starts, stop, done, keys=keys, values=values, timestamps=timestamps
        )
        if part is None:
            return None
        if is_dense and not part.is_dense:
            is_dense = False
            deltas.extend(range(done))
        done += len(starts)
        if not is_dense:
            deltas += part.offset_deltas or range(done - len(starts), done)
        columns.timestamps += [base_timestamp + delta for delta in part.time_deltas]
        columns.keys += part.keys
        columns.values += part.values
    if not is_dense:
        columns.offsets = [base_offset + delta for delta in deltas]
    return columns


def scan_each(
    data: bytes,
    count: int,
    base_offset: int,
    base_timestamp: int,
    keys: bool = True,
    values: bool = True,
    timestamps: bool = True,
) -> Columns:
    """Read the records one by one, and say what is wrong with them. Raises CorruptRecordError."""
    columns = Columns([], [], [], [], None)
    deltas: list[int] = []
    try:
        _scan_into(columns, deltas, data, (count, base_timestamp), (keys, values))
    except IndexError:
        raise CorruptRecordError(f"{count} records run past {len(data)} bytes") from None
    if deltas == list(range(count)):
        columns.offsets = range(base_offset, base_offset + count)
    else:
        columns.offsets = [base_offset + delta for delta in deltas]
    if not timestamps:
        columns.timestamps = []
    if not keys:
        columns.keys = []  # the nulls among them
    if not values:
        columns.values = []
    if columns.headers:
        columns.headers += [NO_HEADERS] * (count - len(columns.headers))
    return columns


def _scan_into(
    columns: Columns,
    deltas: list[int],
    data: bytes,
    expected: tuple[int, int],
    wanted: tuple[bool, bool],
) -> None:
    """Read the records' fields and offset deltas. Raises IndexError at the end of `data`."""
    (count, base_timestamp), (keys, values) = expected, wanted
    times, key_list, value_list = columns.timestamps, columns.keys, columns.values
    position, end = 0, len(data)
    for done in range(count):
        byte, more = data[position], data[position + 1]
        if byte >= 128 > more and not byte & 1:
            position += 2
            stop = position + LOW[byte] + HIGH[more]
        else:
            length, position = read(data, position, end)
            stop = position + length
        if not position < stop <= end:
            raise CorruptRecordError(f"record {done}: bytes {position} to {stop} of {end}")
        byte, more = data[position + 1], data[position + 2]
        if byte < 128:
            position += 2
            times.append(base_timestamp + SIGNED[byte])
        elif more < 128 and not byte & 1:
            position += 3
            times.append(base_timestamp + LOW[byte] + HIGH[more])
        else:
            delta, position = read_long(data, position + 1, stop)
            times.append(base_timestamp + delta)
        if done < TWO_BYTES and data.startswith(SMALL[done], position):
            position += 1 if done < 64 else 2
            deltas.append(done)
        else:
            delta, position = read(data, position, stop)
            deltas.append(delta)
        byte = data[position]
        if byte < 128 and not byte & 1:
            start = position + 1
            position = start + (byte >> 1)
            if keys:
                key_list.append(data[start:position])
        else:
            field, position = read_bytes(data, position, stop)
            key_list.append(field)
        byte, more = data[position], data[position + 1]
        if byte >= 128 > more and not byte & 1:
            start = position + 2
            position = start + LOW[byte] + HIGH[more]
            if values:
                value_list.append(data[start:position])
        else:
            field, position = read_bytes(data, position, stop)
            value_list.append(field)
        if data[position] or position + 1 != stop:
            _read_tail(columns, data, position, stop, done)
        position = stop
    if position != end:
        raise CorruptRecordError(f"{count} records end at byte {position}, their data at {end}")


def _read_tail(columns: Columns, data: bytes, position: int, stop: int, done: int) -> None:
    """Read the headers of record `done`. Raises CorruptRecordError unless they end at `stop`."""
    headers, position = read_headers(data, position, stop)
    if position != stop:
        raise CorruptRecordError(f"record {done}: ends at byte {position}, its length says {stop}")
    if headers:
        if columns.headers is None:
            columns.headers = []
        columns.headers += [NO_HEADERS] * (done - len(columns.headers))
        columns.headers.append(headers)


def read_bytes(data: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    """Return (bytes with a length before them or None, position behind). Raises."""
    byte = data[position]
    if byte < 128 and not byte & 1:
        length, position = byte >> 1, position + 1
    else:
        length, position = read(data, position, end)
    if length < 0:
        if length < -1:
            raise CorruptRecordError(f"length {length} at byte {position}")
        return None, position
    stop = position + length
    if stop > end:
        raise CorruptRecordError(f"{length} bytes from byte {position}, the record ends at {end}")
    return data[position:stop], stop


def read_headers(data: bytes, position: int, end: int) -> tuple[tuple[Header, ...], int]:
    """Return (headers, position behind them). Raises CorruptRecordError."""
    count, position = read(data, position, end)
    if count == 0:
        return NO_HEADERS, position
    if count < 0 or count * 2 > end - position:
        raise CorruptRecordError(f"{count} headers in {end - position} bytes")
    headers: list[Header] = []
    for _ in range(count):
        name, position = read_bytes(data, position, end)
        if name is None:
            raise CorruptRecordError(f"a header before byte {position} has no name")
        value, position = read_bytes(data, position, end)
        # surrogateescape: a name that is not UTF-8 comes back out as the bytes it was
        headers.append((name.decode("utf-8", "surrogateescape"), value))
    return tuple(headers), position
