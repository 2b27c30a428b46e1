"""Which partition a record goes to: by its key as Java's client, or sticky for none.

    key     ->  murmur2(key) & 0x7fffffff  mod  count
    no key  ->  one partition until `sticky_bytes` have gone there, then another

Invariants: every client of Kafka's family that hashes with murmur2 puts a key where this does;
records without a key fill one batch before the next partition gets any (KIP-480, KIP-794).

Source: the murmur2 of Kafka's Java client, with the seed 0x9747b28c; checked against
aiokafka's and kafka-python's.
"""

from __future__ import annotations

import functools
import random
import struct
from collections.abc import Callable, Sequence

Partitioner = Callable[[bytes | None, list[int], list[int]], int]
"""aiokafka's shape: (key, all partitions, available partitions) -> partition."""

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Return the 32-bit hash of `data`, unsigned."""
    size = len(data)
    code = _SEED ^ size
    words = size >> 2
    for word in struct.unpack_from(f"<{words}I", data):
        word = word * _M & _MASK
        word = (word ^ word >> 24) * _M & _MASK
        code = code * _M & _MASK ^ word
    tail = size & 3
    if tail:
        code = (code ^ int.from_bytes(data[size - tail :], "little")) * _M & _MASK
    code = (code ^ code >> 13) * _M & _MASK
    return code ^ code >> 15


@functools.lru_cache(maxsize=1 << 14)  # keys come again and again; the hash costs 1-3 µs
def partition_for_key(key: bytes, count: int) -> int:
    """Return the partition in [0, count) of a key."""
    return (murmur2(key) & 0x7FFFFFFF) % count


class DefaultPartitioner:
    """Hashes keys; without a key it stays on one partition until a batch is full."""

    def __init__(self, sticky_bytes: int, choose: Callable[[Sequence[int]], int] = random.choice):
        self._sticky_bytes = sticky_bytes
        self._choose = choose
        self._stuck: dict[str, tuple[int, int]] = {}  # topic -> partition, bytes gone there

    def partition(self, topic: str, key: bytes | None, count: int, size: int) -> int:
        """Return the partition in [0, count) for a record of `size` bytes."""
        if key is not None:
            return partition_for_key(bytes(key), count)
        if count == 1:
            return 0
        partition, gone = self._stuck.get(topic, (-1, 0))
        if partition < 0 or gone >= self._sticky_bytes or partition >= count:
            others = [index for index in range(count) if index != partition]
            partition, gone = self._choose(others), 0
        self._stuck[topic] = (partition, gone + size)
        return partition
