"""Keys and values of the records in `__transaction_state`.

    key    version i16 = 0 | transactional id str
    value  version i16 = 1 | producer id i64 | producer epoch i16 | timeout i32 | state i8
           | count? | topics | last update i64 | start i64 | tags
    topic  name | count | partitions, i32 each | tags, none
    tags   0 previous producer id i64 | 1 next producer id i64 | 2 client's version i16

    str: length i16, then UTF-8. Names and counts: a varint of the length plus one, 0 is none, as
    for the topics in the state Empty. tags: a count, then number, size, value of each that is not
    the default (-1, -1, 0). Timeout in ms, times in ms since 1970, start -1 before the first
    transaction. A null value (tombstone) takes an id back.

    The value of version 0 has lengths and counts of fixed size (i16, i32; -1 is none) and no tags.

Invariants: written is version 1, as Kafka does where `transaction.version` is 1 or more, topics and
partitions sorted; both are read. A key of another version is somebody else's and is skipped, not an
error; so are tags of other numbers.

Source: Kafka's TransactionLogKey and TransactionLogValue definitions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from ..errors import CorruptRecordError
from ..machine import LogRecord
from ..model import TopicPartition
from .transaction import Producer, State, Transaction

_KEY_VERSION = 0
_FIXED_VERSION = 0
_FLEXIBLE_VERSION = 1
_PREVIOUS, _NEXT, _VERSION = range(3)  # the numbers of tags
_ID_BYTES_MAX = 2**15 - 1

_STATES = tuple(State)
_NEVER_WRITTEN = frozenset({State.DEAD, State.PREPARE_EPOCH_FENCE})

_I16 = struct.Struct(">h")
_TAGGED_I64 = struct.Struct(">bbq")
_TAGGED_I16 = struct.Struct(">bbh")
_I64_BYTES, _I16_BYTES = 8, 2
_NO_TAGS = b"\0"
_TIMES = struct.Struct(">qq")
_HEAD = struct.Struct(">hqhib")


def can_be_key(transactional_id: str) -> bool:
    """Tell whether an id is one that the log can hold."""
    return 0 < len(transactional_id.encode()) <= _ID_BYTES_MAX


def encode(transaction: Transaction) -> LogRecord:
    """Return the record that says how things stand; a tombstone for Dead."""
    key = _I16.pack(_KEY_VERSION) + _text(transaction.transactional_id)
    return key, None if transaction.state is State.DEAD else _encode_value(transaction)


def _encode_value(transaction: Transaction) -> bytes:
    head = _HEAD.pack(
        _FLEXIBLE_VERSION,
        transaction.producer.producer_id,
        transaction.producer.epoch,
        transaction.timeout_ms,
        _STATES.index(transaction.state),
    )
    by_topic: dict[str, list[int]] = {}
    for topic, partition in sorted(transaction.partitions):
        by_topic.setdefault(topic, []).append(partition)
    count = -1 if transaction.state is State.EMPTY else len(by_topic)
    parts = [head, _varint(count + 1)]
    for topic, numbers in by_topic.items():
        name = topic.encode()
        parts += (_varint(len(name) + 1), name, _varint(len(numbers) + 1))
        parts += (struct.pack(f">{len(numbers)}i", *numbers), _NO_TAGS)
    parts.append(_TIMES.pack(transaction.update_ms, transaction.start_ms))
    parts.append(_tags(transaction))
    return b"".join(parts)


def _tags(transaction: Transaction) -> bytes:
    fields = []
    for number, producer_id in (
        (_PREVIOUS, transaction.previous_producer_id),
        (_NEXT, transaction.next_producer_id),
    ):
        if producer_id != -1:
            fields.append(_TAGGED_I64.pack(number, _I64_BYTES, producer_id))
    if transaction.version:
        fields.append(_TAGGED_I16.pack(_VERSION, _I16_BYTES, transaction.version))
    return _varint(len(fields)) + b"".join(fields)


def decode_key(data: bytes) -> str | None:
    """Return the transactional id, or None when the key is not that of one.

    Raises:
        CorruptRecordError: the bytes end before the key does.
    """
    reader = _Reader(data, "transaction log key")
    return reader.text() if reader.number(2) == _KEY_VERSION else None


def decode_value(transactional_id: str, data: bytes) -> Transaction:
    """Return how things stood with an id, from a value of version 0 or 1.

    Raises:
        CorruptRecordError: the version or the state is unknown, or the bytes end too early.
    """
    reader = _Reader(data, "transaction log value")
    version = reader.number(2)
    if version not in (_FIXED_VERSION, _FLEXIBLE_VERSION):
        raise CorruptRecordError(
            f"transaction log value of {transactional_id!r} has version {version},"
            f" known are {_FIXED_VERSION} and {_FLEXIBLE_VERSION}"
        )
    reader.is_compact = version == _FLEXIBLE_VERSION
    known = Transaction(
        transactional_id=transactional_id,
        producer=Producer(reader.number(8), reader.number(2)),
        timeout_ms=reader.number(4),
        state=_state(reader.number(1)),
        partitions=frozenset(_partitions(reader)),
        update_ms=reader.number(8),
        start_ms=reader.number(8),
    )
    tags = reader.tags() if reader.is_compact else {}
    return msgspec.structs.replace(
        known,
        previous_producer_id=_number(tags.get(_PREVIOUS), -1),
        next_producer_id=_number(tags.get(_NEXT), -1),
        version=_number(tags.get(_VERSION), 0),
    )


def _number(data: bytes | None, default: int) -> int:
    return default if data is None else int.from_bytes(data, "big", signed=True)


def _state(number: int) -> State:
    if not 0 <= number < len(_STATES) or _STATES[number] in _NEVER_WRITTEN:
        raise CorruptRecordError(f"transaction log value has state {number}")
    return _STATES[number]


def _partitions(reader: _Reader) -> Iterator[TopicPartition]:
    for _ in range(reader.count()):
        topic = reader.text()
        for _ in range(reader.count()):
            yield TopicPartition(topic, reader.number(4))
        if reader.is_compact:
            reader.tags()


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(value: str) -> bytes:
    raw = value.encode()
    return _I16.pack(len(raw)) + raw


class _Reader:
    """The primitive types of the protocol, taken off the front of some bytes one by one.

    Every method raises CorruptRecordError where the bytes end inside the field.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self.is_compact = False
        self._data = data
        self._what = what
        self._position = 0

    def _take(self, size: int) -> bytes:
        start = self._position
        self._position = start + size
        if size < 0 or self._position > len(self._data):
            raise CorruptRecordError(
                f"{self._what} of {len(self._data)} bytes ends inside a field at {start}"
            )
        return self._data[start : self._position]

    def number(self, size: int) -> int:
        """Return a signed number of so many bytes."""
        return int.from_bytes(self._take(size), "big", signed=True)

    def count(self) -> int:
        """Return the length of an array; of none it is below 1."""
        return self._varint() - 1 if self.is_compact else self.number(4)

    def text(self) -> str:
        """Return a string."""
        size = self._varint() - 1 if self.is_compact else self.number(2)
        try:
            return self._take(size).decode()
        except UnicodeDecodeError as error:
            raise CorruptRecordError(f"{self._what} holds text that is not UTF-8") from error

    def tags(self) -> dict[int, bytes]:
        """Return tagged fields by number."""
        found = {}
        for _ in range(self._varint()):
            number = self._varint()
            found[number] = self._take(self._varint())
        return found

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self._take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise CorruptRecordError(f"{self._what} has a varint of more than 5 bytes")
