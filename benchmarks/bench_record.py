"""Build and read record batches; ratios against aiokafka's Cython codec in the same run.

One JSON line a case: million records a second of ours and of the peer, and ours / peer. Both
sides check or write the CRC and hand out every field asked for.

    python benchmarks/bench_record.py [records a batch ...]
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable

from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from millstream_log.record.batch import check, decode, decode_columns, read_header
from millstream_log.record.builder import BatchBuilder, encode_columns
from millstream_log.record.compress import Codec

NOW = 1_700_000_000_000
SECONDS = 0.4  # for each case, both sides together


def workload(count: int, alike: bool) -> tuple[list[int], list[bytes], list[bytes]]:
    """Return (timestamps, keys of 11 bytes, JSON values of 90-130 bytes, or all of 110)."""
    chance = random.Random(7)
    timestamps, keys, values = [NOW], [], []
    for _ in range(count):
        timestamps.append(timestamps[-1] + chance.randrange(4))
        keys.append(b"user-%06d" % chance.randrange(1_000_000))
        body = b'{"user":%06d,"page":"/p/%03d","agent":"' % (
            chance.randrange(1_000_000),
            chance.randrange(1000),
        )
        size = 110 if alike else chance.randrange(90, 131)
        values.append(body + b"x" * (size - len(body) - 2) + b'"}')
    return timestamps[:count], keys, values


def compare(name: str, count: int, ours: Callable[[], object], peer: Callable[[], object]) -> None:
    """Run both in turns, take the best of each, print one line."""
    best = [float("inf")] * 2
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        for side, run in enumerate((ours, peer)):
            start = time.perf_counter()
            run()
            best[side] = min(best[side], time.perf_counter() - start)
    rates = [count / seconds / 1e6 for seconds in best]
    row = {
        "bench": f"record {name}",
        "records": count,
        "million_per_s": round(rates[0], 2),
        "peer": "aiokafka (Cython)",
        "peer_million_per_s": round(rates[1], 2),
        "ratio": round(rates[0] / rates[1], 2),
    }
    print(json.dumps(row), flush=True)


def run(count: int, alike: bool) -> None:
    """Print every case for batches of `count` records."""
    timestamps, keys, values = workload(count, alike)
    batch = encode_columns(timestamps, keys, values)
    frozen = bytes(batch)
    shape = "one size" if alike else "sizes vary"

    def peer_build() -> object:
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 28)
        for i in range(count):
            builder.append(i, timestamps[i], keys[i], values[i], [])
        return builder.build()

    def peer_read() -> object:
        peer = DefaultRecordBatch(frozen)
        peer.validate_crc()
        return list(peer)

    def append() -> object:
        builder = BatchBuilder(size_max=1 << 28)
        for timestamp, key, value in zip(timestamps, keys, values, strict=True):
            builder.append(timestamp, key, value)
        return builder.build()

    def read(**wanted: bool) -> object:
        header = read_header(batch)
        check(batch, 0, header)
        return decode_columns(batch, 0, header, **wanted)

    def build() -> object:
        return encode_columns(timestamps, keys, values)

    compare(f"build columns, {shape}", count, build, peer_build)
    compare(f"read columns, {shape}", count, read, peer_read)
    compare(f"read values and times, {shape}", count, lambda: read(keys=False), peer_read)
    if not alike:
        compare("build one by one", count, append, peer_build)
        compare("read one by one", count, lambda: decode(batch), peer_read)


def run_codecs(count: int) -> None:
    """Print reading and building with each codec."""
    timestamps, keys, values = workload(count, alike=False)
    for codec in (Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD):
        batch = bytes(encode_columns(timestamps, keys, values, codec=codec))

        def build(codec: Codec = codec) -> object:
            return encode_columns(timestamps, keys, values, codec=codec)

        def peer_build(codec: Codec = codec) -> object:
            builder = DefaultRecordBatchBuilder(2, int(codec), 0, -1, -1, -1, 1 << 28)
            for i in range(count):
                builder.append(i, timestamps[i], keys[i], values[i], [])
            return builder.build()

        def read(batch: bytes = batch) -> object:
            return decode_columns(batch)

        def peer_read(batch: bytes = batch) -> object:
            return list(DefaultRecordBatch(batch))

        compare(f"build {codec.label}", count, build, peer_build)
        compare(f"read {codec.label}", count, read, peer_read)


def main() -> None:
    """Run every case for the batch sizes given, or for three that are usual."""
    for count in [int(word) for word in sys.argv[1:]] or [130, 1000, 8000]:
        run(count, alike=False)
        run(count, alike=True)
    run_codecs(1000)


if __name__ == "__main__":
    main()
