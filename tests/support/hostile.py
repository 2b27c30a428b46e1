"""Frames that a broker must survive, drawn from a seed.

    broken bytes     frames cut short, lengths that lie, noise, keys and versions of nobody
    crowds           frames with millions of tiny items, all in order but for their number
    hostile values   frames of every API and version, whole, with values that no client sends

Invariants: the same seed gives the same frames; names are drawn from a short list, so that what
is created on purpose stays small.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

from millstream_log.record.batch import seal
from millstream_log.record.builder import encode_columns
from millstream_log.wire.apis import REQUESTS
from millstream_log.wire.frames import write_request
from millstream_log.wire.messages.produce import ProduceRequest
from millstream_log.wire.messages.sync_group import SyncGroupRequest
from millstream_log.wire.primitives import write_uvarint
from millstream_log.wire.request import Request
from millstream_log.wire.schema import Field, fields_of

FRAME_BYTES_MAX = 100 << 20
CROWD_ITEMS = 2_000_000

_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
_SMALL = [-2, -1, 0, 1, 2, 3]
_NAMES = [
    *(f"hostile-{number}" for number in range(8)),  # half of all: they should meet
    *(f"hostile-{number}" for number in range(8)),
    *("", ".", "..", "a/b", "../../etc", "a" * 249, "a" * 250, "\0", "é" * 100, "🜁", "a b"),
    *("__consumer_offsets", "__transaction_state", "0", "-1", "NaN", "1e999", "true", "9" * 400),
    *("consumer", "range", "cooperative-sticky", "cleanup.policy", "compact,delete", "compact"),
    *("retention.ms", "segment.bytes", "max.message.bytes", "min.insync.replicas", "Stable"),
    *("compression.type", "zstd", "group.max.size", "max.connections", "ANY", "User:x", "SCRAM"),
]
_HEADER_FIELDS = [  # of a batch: where, and how it is packed
    *((8, ">i"), (12, ">i"), (16, ">b"), (21, ">h"), (23, ">i"), (27, ">q"), (35, ">q")),
    *((43, ">q"), (51, ">h"), (53, ">i"), (57, ">i")),
]
_WEIRD_FLOATS = [0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), 1e308]


def uvarint(value: int) -> bytes:
    """Return an unsigned varint."""
    parts: list[bytes] = []
    write_uvarint(parts.append, value)
    return b"".join(parts)


def crowded_sync_group(count: int) -> bytes:
    """Return a SyncGroup with so many assignments of nothing to nobody, three bytes each."""
    head = struct.pack(">hhih", SyncGroupRequest.api.key, 4, 1, -1) + b"\0"
    group = b"\2g" + struct.pack(">i", 1) + b"\2m" + b"\0"
    return _sized(head + group + uvarint(count + 1) + b"\1\1\0" * count + b"\0")


def crowded_produce(count: int) -> bytes:
    """Return a Produce with so many topics without a name or partitions, three bytes each."""
    head = struct.pack(">hhih", ProduceRequest.api.key, 9, 1, -1) + b"\0"
    acks = b"\0" + struct.pack(">hi", 1, 1000)
    return _sized(head + acks + uvarint(count + 1) + b"\1\1\0" * count + b"\0")


def crowded_tags(count: int) -> bytes:
    """Return a Produce with so many tagged fields that nobody knows, two bytes each."""
    head = struct.pack(">hhih", ProduceRequest.api.key, 9, 1, -1) + b"\0"
    nothing = b"\0" + struct.pack(">hi", 1, 1000) + b"\1"
    return _sized(head + nothing + uvarint(count) + b"\5\0" * count)


CROWDS: list[Callable[[int], bytes]] = [crowded_sync_group, crowded_produce, crowded_tags]


def _sized(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


class Hostile:
    """A source of hostile frames."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._classes: list[type[Request[Any]]] = list(REQUESTS.values())
        self._correlation = 0

    def frame(self) -> bytes:
        """Return the next frame, its size before it: as it should be, or not."""
        chance = self._chance
        if chance.random() < 0.6:
            return self.valid()
        if chance.random() < 0.03:
            return chance.choice(CROWDS)(CROWD_ITEMS)
        make = chance.choice(
            [
                self._cut,
                self._announced,
                self._noise,
                self._unknown,
                self._random_body,
                self._flipped,
            ]
        )
        return make()

    def valid(self) -> bytes:
        """Return a whole frame of some API and version with hostile values."""
        chance = self._chance
        cls = chance.choice(self._classes)
        version = chance.randint(cls.api.versions.first, cls.api.versions.last)
        request = self._message(cls, version, 0)
        self._correlation = (self._correlation + 1) & 0x7FFFFFFF
        client_id = chance.choice([None, "", "hostile", "x" * 1000])
        raw = b"".join(write_request(request, version, self._correlation, client_id))
        if chance.random() < 0.05:
            raw = raw.replace(b"hostile-", b"hostile\xff")  # is no UTF-8
        return raw

    # -- broken bytes

    def _cut(self) -> bytes:
        """Cut a frame short; sometimes its size knows."""
        raw = self.valid()
        body = raw[4 : self._chance.randint(4, len(raw))]
        size = len(raw) - 4 if self._chance.random() < 0.3 else len(body)
        return struct.pack(">i", size) + body

    def _announced(self) -> bytes:
        """Announce what never comes."""
        size = self._chance.choice(
            [-1, -(2**31), 0, 1, 7, FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1, 2**31 - 1]
        )
        return struct.pack(">i", size) + self._chance.randbytes(self._chance.randint(0, 5000))

    def _noise(self) -> bytes:
        body = self._chance.randbytes(self._chance.randint(0, 300))
        return struct.pack(">i", len(body)) + body

    def _unknown(self) -> bytes:
        """Ask for an API or a version that nobody has."""
        chance = self._chance
        raw = bytearray(self.valid())
        at, bits = chance.choice([(4, 16), (6, 16)])
        struct.pack_into(">h", raw, at, chance.choice([-1, 999, 2**15 - 1, -(2**15), bits]))
        return bytes(raw)

    def _random_body(self) -> bytes:
        """Put noise behind a header that is right."""
        chance = self._chance
        cls = chance.choice(self._classes)
        version = chance.randint(cls.api.versions.first, cls.api.versions.last)
        head = struct.pack(">hhih", cls.api.key, version, 1, -1)
        if version >= cls.api.flexible:
            head += b"\0"
        body = head + chance.randbytes(chance.choice([0, 1, 5, 30, 200, 3000]))
        return struct.pack(">i", len(body)) + body

    def _flipped(self) -> bytes:
        """Change single bytes of a body."""
        chance = self._chance
        raw = bytearray(self.valid())
        for _ in range(chance.randint(1, 4)):
            raw[chance.randrange(12, len(raw))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
        return bytes(raw)

    # -- hostile values

    def _message(self, cls: type, version: int, depth: int) -> Any:
        return cls(
            **{
                field.name: self._value(field, version, depth)
                for field in fields_of(cls)
                if version in field.versions or field.default is None
            }
        )

    def _value(self, field: Field, version: int, depth: int) -> Any:
        chance = self._chance
        if version in field.nullable and chance.random() < 0.15:
            return None
        if not field.is_array:
            return self._item(field, version, depth)
        counts = [0, 1, 1, 2, 3] if depth else [0, 1, 1, 2, 3, 40]
        count = chance.choice(counts)
        if chance.random() < 0.01 and field.struct is None:
            count = 3000
        return [self._item(field, version, depth) for _ in range(count)]

    def _item(self, field: Field, version: int, depth: int) -> Any:
        chance = self._chance
        if field.struct is not None:
            return self._message(field.struct, version, depth + 1)
        if field.type in _BITS:
            return self._integer(_BITS[field.type])
        match field.type:
            case "bool":
                return chance.random() < 0.5
            case "uint16":
                return chance.choice([0, 1, 9092, 65535])
            case "float64":
                return chance.choice(_WEIRD_FLOATS)
            case "uuid":
                return chance.choice(["", "f" * 32, chance.randbytes(16).hex()])
            case "string":
                return self._string()
            case "bytes":
                return self._bytes()
            case "records":
                return self._records()
        raise AssertionError(f"no hostile value for a field of type {field.type}")

    def _integer(self, bits: int) -> int:
        chance = self._chance
        if chance.random() < 0.6:
            return chance.choice(_SMALL)
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
        return chance.choice([low, low + 1, high, high - 1, chance.randint(low, high)])

    def _string(self) -> str:
        chance = self._chance
        if chance.random() < 0.005:
            return "x" * 32_767
        return chance.choice(_NAMES)

    def _bytes(self) -> bytes:
        chance = self._chance
        return chance.choice(
            [
                b"",
                b"\xff\xff\xff\xff",
                b"\0\1\0\0\0\1\0\1t\xff\xff\xff\xff",
                chance.randbytes(20),
                bytes(50_000),
            ]
        )

    def _records(self) -> bytearray:
        """Return a batch that is right, or was until some byte of it changed."""
        chance = self._chance
        values = [chance.choice([None, b"", b"value", bytes(2000)]) for _ in range(3)]
        batch = bytearray(
            encode_columns(
                [chance.choice([0, -1, 1, 2**63 - 1])] * 3,
                chance.choice([None, [b"k", b"", b"0" * 300]]),
                values,
                producer_id=chance.choice([-1, 0, 1, 2**63 - 1]),
                producer_epoch=chance.choice([-1, 0, 32_767]),
                is_transactional=chance.random() < 0.3,
            )
        )
        if chance.random() < 0.3:
            at, form = chance.choice(_HEADER_FIELDS)
            struct.pack_into(form, batch, at, chance.choice([-1, 0, 1, 7, 127]))
        if chance.random() < 0.2:
            batch[chance.randrange(len(batch))] = chance.randrange(256)
        if chance.random() < 0.7:
            seal(batch, 0, len(batch))  # or nobody would look any further
        if chance.random() < 0.1:
            del batch[chance.randrange(len(batch)) :]
        if chance.random() < 0.1:
            batch *= 2
        return batch
