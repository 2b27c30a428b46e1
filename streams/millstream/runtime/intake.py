"""Intake: a fetched batch's columns into decoded events, by the policy where bytes are bad.

    columns (bytes) ─▶ values (only the fields in use) ─▶ event times ─▶ Chunk

Whole columns are decoded in one comprehension; only when one record fails is the batch gone
through record by record.

Invariants: a chunk's lists have one length; every event time in it is an int >= 0.
"""

from __future__ import annotations

import datetime
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from ..errors import DeserializationError, RecordError
from ..expressions import ALL, VALUE, Field, path_of
from ..serde import Codec, decode_key, either_decoder, is_json, json, key_decoder, msgpack
from ..topology.node import Topic
from ..topology.shape import fields_of, shape_of_type, union
from .checkpoint import MARK_KEY

Headers = Sequence[tuple[str, bytes | None]]


class Columns(Protocol):
    """What the log's consumer hands over for one record batch."""

    @property
    def offsets(self) -> Sequence[int]: ...  # noqa: D102  # a field's name says it
    @property
    def timestamps(self) -> list[int]: ...  # noqa: D102  # a field's name says it
    @property
    def keys(self) -> list[bytes | None]: ...  # noqa: D102  # a field's name says it
    @property
    def values(self) -> list[bytes | None]: ...  # noqa: D102  # a field's name says it
    @property
    def headers(self) -> Sequence[Headers] | None: ...  # noqa: D102  # a field's name says it


class _Unmarked:
    """A batch of a repartition topic without the marks at its end."""

    def __init__(self, columns: Columns) -> None:
        count = columns.keys.index(MARK_KEY)
        self.offsets = columns.offsets[:count]
        self.timestamps = columns.timestamps[:count]
        self.keys = columns.keys[:count]
        self.values = columns.values[:count]
        self.headers = None if columns.headers is None else columns.headers[:count]


class BadRecord(NamedTuple):
    """A record that could not be decoded, as it came, and why."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    error: RecordError


class Chunk:
    """Decoded events of one record batch; `start` is the first not yet processed."""

    __slots__ = (
        "_earliest", "_latest", "bad", "has_null", "headers", "keys", "next_offset", "offsets",
        "raw_keys", "raws", "start", "times", "values",
    )  # fmt: skip

    def __init__(self, columns: Columns, next_offset: int) -> None:
        self.offsets: Sequence[int] = columns.offsets
        self.raw_keys = columns.keys
        self.raws = columns.values
        self.headers: Sequence[Headers] | None = columns.headers
        self.keys: Sequence[Any] = ()
        self.values: Sequence[Any] = ()
        self.times: list[int] = columns.timestamps
        self._earliest: int | None = None
        self._latest: int | None = None
        self.has_null = False
        self.bad: list[BadRecord] = []  # what could not be decoded, until it is set aside
        self.start = 0
        self.next_offset = next_offset  # where the partition goes on after this chunk

    def __len__(self) -> int:
        return len(self.times)

    def forget_bounds(self) -> None:
        """Note that the event times have changed."""
        self._earliest = self._latest = None

    @property
    def earliest(self) -> int:
        """Return the smallest event time in the chunk."""
        if self._earliest is None:
            self._earliest = min(self.times)
        return self._earliest

    @property
    def latest(self) -> int:
        """Return the largest event time in the chunk."""
        if self._latest is None:
            self._latest = max(self.times)
        return self._latest

    def keep(self, indexes: list[int]) -> None:
        """Keep only the records at these indexes of the raw columns."""
        self.offsets = [self.offsets[i] for i in indexes]
        if self.raw_keys:
            self.raw_keys = [self.raw_keys[i] for i in indexes]
        self.raws = [self.raws[i] for i in indexes]
        if self.headers is not None:
            self.headers = [self.headers[i] for i in indexes]


class Intake:
    """Decodes what comes from one topic, for one set of fields that are used."""

    def __init__(
        self,
        topic: Topic,
        used: frozenset[str] | None,
        prefer: Codec = msgpack,
        *,
        with_keys: bool = True,
        with_values: bool = True,
    ) -> None:
        self.topic = topic
        self._with_keys = with_keys
        self.needs_keys = with_keys or topic.internal  # an internal topic's marks are told by key
        self._decode_key = decode_key if topic.key is Any else key_decoder(topic.key)
        self._event_time = _extractor(topic)
        self._has_int_times = _is_int_field(topic)
        needed = used
        if topic.timestamp is not None:
            needed = union((used, fields_of(topic.timestamp, VALUE)))
        self._with_values = with_values or topic.timestamp is not None
        kind = reduced(topic.value, needed)
        self._any = _decoder(topic.codec, kind, prefer)
        self._json, self._msgpack = json.decoder(kind), msgpack.decoder(kind)

    def decode_value(self, raw: bytes) -> Any:
        """Return one value, as a table reads it back from its store."""
        return self._any(raw)

    def open(self, columns: Columns, partition: int | None = None) -> tuple[Chunk, list[BadRecord]]:
        """Return the decoded events and the records that could not be decoded."""
        next_offset = columns.offsets[-1] + 1
        if self.topic.internal and columns.keys[-1] == MARK_KEY:
            columns = _Unmarked(columns)
        chunk = Chunk(columns, next_offset)
        try:
            self._open_whole(chunk)
        except Exception:  # one of them is bad: find it, and keep the others
            return chunk, self._open_each(chunk, columns, partition)
        return chunk, []

    def _open_whole(self, chunk: Chunk) -> None:
        if self._with_keys:
            chunk.keys = self._keys(chunk.raw_keys)
        chunk.has_null = None in chunk.raws
        if self._with_values:
            if chunk.has_null:
                raise ValueError("null values are looked at one by one")
            decode = self._fast_decoder(chunk.raws)
            chunk.values = [decode(raw) for raw in chunk.raws]
        if self._event_time is not None and chunk.times:
            chunk.times = list(map(self._event_time, chunk.values))
            whole = self._has_int_times or set(map(type, chunk.times)) == {int}
            if not whole or chunk.earliest < 0:
                raise ValueError("event times are looked at one by one")

    def _keys(self, raw_keys: list[bytes | None]) -> list[Any]:
        decode = self._decode_key
        try:
            return [decode(key) for key in raw_keys]  # type: ignore[arg-type]
        except TypeError:
            return [None if key is None else decode(key) for key in raw_keys]

    def _fast_decoder(self, raws: Sequence[bytes | None]) -> Callable[[bytes | None], Any]:
        if self.topic.codec is not None:
            return self._any  # type: ignore[return-value]
        first = raws[0] if raws else None
        if first is None or len(first) < 2:
            return self._any  # type: ignore[return-value]
        return self._json if is_json(first) else self._msgpack  # type: ignore[return-value]

    def _open_each(self, chunk: Chunk, columns: Columns, partition: int | None) -> list[BadRecord]:
        chunk.has_null = False
        bad: list[BadRecord] = []
        good: list[int] = []
        values: list[Any] = []
        times: list[int] = []
        keys: list[Any] = []
        for i, raw in enumerate(columns.values):
            raw_key = columns.keys[i] if columns.keys else None
            recorded = columns.timestamps[i]
            try:
                key = None
                if self._with_keys and raw_key is not None:
                    key = self._decode_key(raw_key)
                value = None
                if self._with_values and raw is not None:
                    value = self._any(raw)
                time = self._time(value, recorded)
            except Exception as exc:
                headers = columns.headers[i] if columns.headers is not None else ()
                error = self._error(partition, columns.offsets[i], exc)
                bad.append(BadRecord(columns.offsets[i], recorded, raw_key, raw, headers, error))
                continue
            chunk.has_null = chunk.has_null or raw is None
            good.append(i)
            keys.append(key)
            values.append(value)
            times.append(time)
        chunk.keep(good)
        chunk.keys, chunk.values, chunk.times = keys, values, times
        chunk.forget_bounds()
        return bad

    def _time(self, value: Any, recorded: int) -> int:
        """Return the event time of one record: a null value has its record's own."""
        time = recorded if self._event_time is None or value is None else self._event_time(value)
        if isinstance(time, datetime.datetime):
            if time.tzinfo is None:
                time = time.replace(tzinfo=datetime.UTC)
            time = (time - _EPOCH) // datetime.timedelta(milliseconds=1)
        if not isinstance(time, int | float) or time < 0:
            raise ValueError(f"event time {time!r} is not a count of milliseconds >= 0")
        return int(time)

    def _error(self, partition: int | None, offset: int, exc: Exception) -> DeserializationError:
        place = self.topic.name if partition is None else f"{self.topic.name}-{partition}"
        error = DeserializationError(
            f"record at offset {offset} of {place} cannot be read as "
            f"{getattr(self.topic.value, '__name__', self.topic.value)}: {exc}",
            topic=self.topic.name,
            partition=-1 if partition is None else partition,
            offset=offset,
            operator="source",
        )
        error.__cause__ = exc
        return error


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def _decoder(codec: Codec | None, kind: Any, prefer: Codec) -> Callable[[bytes], Any]:
    return either_decoder(kind, prefer) if codec is None else codec.decoder(kind)


def _extractor(topic: Topic) -> Callable[[Any], Any] | None:
    """Return what reads a value's event time, as directly as the value's type allows."""
    timestamp: Callable[[Any], Any] | None = topic.timestamp
    path = path_of(timestamp) if isinstance(timestamp, Field) else ()
    access = shape_of_type(topic.value).access
    if len(path) == 1 and isinstance(path[0], str) and access == "struct":
        return operator.attrgetter(path[0])
    if len(path) == 1 and access == "mapping":
        return operator.itemgetter(path[0])
    return timestamp


def _is_int_field(topic: Topic) -> bool:
    """Tell whether decoding alone makes sure that every event time is an int."""
    kind, timestamp = topic.value, topic.timestamp
    if topic.codec is not None or shape_of_type(kind).access != "struct":
        return False
    return any(
        info.type is int and repr(timestamp) == f"F.{info.name}"
        for info in msgspec.structs.fields(kind)
    )


def reduced(kind: Any, used: Iterable[str] | None) -> Any:
    """Return a struct type of only the fields in use; the type itself where that cannot be.

    Left as they are: other types, tagged or array-like structs, and classes whose `__post_init__`
    may look at any field.
    """
    if used is ALL or not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return kind
    config = kind.__struct_config__
    if config.array_like or config.tag is not None or hasattr(kind, "__post_init__"):
        return kind
    fields = []
    for info in msgspec.structs.fields(kind):
        if info.name in used:
            options = {"name": info.encode_name}
            if info.default is not msgspec.NODEFAULT:
                options["default"] = info.default
            if info.default_factory is not msgspec.NODEFAULT:
                options["default_factory"] = info.default_factory
            fields.append((info.name, info.type, msgspec.field(**options)))
    return msgspec.defstruct(kind.__name__, fields, gc=False, kw_only=True)
