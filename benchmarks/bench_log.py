"""The log against the limits of its machine; prints one JSON line for each measure.

Every limit is measured in the same run, on the same file system, with the same bytes, in turns
with the thing itself, and the better half of the turns counts: this is about the code, not about
what else the machine does.

    python benchmarks/bench_log.py [--dir DIR] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable

from millstream_log import Consumer, Producer, open_transport
from millstream_log.record.builder import encode_columns
from millstream_log.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from millstream_log.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from millstream_log.wire.messages.produce import ProducePartition, ProduceRequest, ProduceTopic

MEBIBYTE = 1 << 20


def report(
    name: str, value: float, unit: str, peer: str, peer_value: float, ratio: float, aim: str = ""
) -> None:
    line: dict[str, object] = {
        "bench": f"log.{name}",
        "value": round(value, 2),
        "unit": unit,
        "peer": peer,
        "peer_value": round(peer_value, 2),
        "ratio": round(ratio, 3),
    }
    if aim:
        sign, bound = aim.split()
        line["aim"] = f"ratio {aim}"
        line["met"] = ratio >= float(bound) if sign == ">=" else ratio <= float(bound)
    print(json.dumps(line), flush=True)


def best(turns: list[float]) -> float:
    """Return the median of the faster half of the times."""
    return statistics.median(sorted(turns)[: max(1, len(turns) // 2)])


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


async def bench_append(folder: str, megabytes: int, turns: int) -> None:
    """Produce requests of one 1 MB batch each, against os.writev of the same bytes."""
    values = [os.urandom(1000)] * 1030
    batch = encode_columns([1] * len(values), None, values)
    parts = ProducePartition(index=0, records=batch)
    request = ProduceRequest(topics=[ProduceTopic(name="t", partitions=[parts])])
    ours, theirs = [], []
    for turn in range(turns):
        place = os.path.join(folder, f"append-{turn}")
        transport = await open_transport(f"{place}?flush=os")
        await transport.send(MetadataRequest(topics=[MetadataRequestTopic(name="t")]))
        start = time.perf_counter()
        for _ in range(megabytes):
            await transport.send(request)
        ours.append(time.perf_counter() - start)
        await transport.close()
        shutil.rmtree(place)
        fd = os.open(place, os.O_RDWR | os.O_CREAT)
        theirs.append(timed(lambda fd=fd: [os.writev(fd, [batch]) for _ in range(megabytes)]))
        os.close(fd)
        os.unlink(place)
    size = megabytes * len(batch) / 1e6
    mine, limit = size / best(ours), size / best(theirs)
    report("append_1mb", mine, "MB/s", "os.writev of the same bytes", limit, mine / limit, ">= 0.7")


async def bench_lone_ack(folder: str, count: int) -> None:
    """One record, waited for, against a future's round trip and an os.write of its batch."""
    loop = asyncio.get_running_loop()
    value = b"x" * 100
    batch = encode_columns([1], None, [value])
    fd = os.open(os.path.join(folder, "lone"), os.O_RDWR | os.O_CREAT)
    ours, theirs = [], []
    async with Producer(f"{folder}/lone-log?flush=os") as producer:
        for _ in range(count):
            start = time.perf_counter()
            await producer.send_and_wait("t", value)
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future
            os.write(fd, batch)
            theirs.append(time.perf_counter() - start)
    os.close(fd)
    mine, limit = statistics.median(ours) * 1e6, statistics.median(theirs) * 1e6
    peer = "asyncio future round trip + os.write"
    report("lone_ack_p50", mine, "us", peer, limit, mine / limit, "<= 4")
    p99 = statistics.quantiles(ours, n=100)[98] * 1e6
    limit99 = statistics.quantiles(theirs, n=100)[98] * 1e6
    report("lone_ack_p99", p99, "us", peer, limit99, p99 / limit99)


async def bench_group_commit(folder: str, each: int, writers: int = 64) -> None:
    """Writers that each wait for the disk, against one fdatasync for each record."""
    value = b"x" * 100
    batch = encode_columns([1], None, [value])

    async def write(producer: Producer) -> None:
        for _ in range(each):
            await producer.send_and_wait("t", value)

    def one_by_one() -> None:
        # Appending: bytes written over old ones would spare the disk what a log cannot.
        fd = os.open(os.path.join(folder, "sync"), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        for _ in range(each):
            os.write(fd, batch)
            os.fdatasync(fd)
        os.close(fd)

    # The aim is about group commit; 64 producers, each with its own requests, are shown beside it.
    for name, producers, aim in (("one_producer", 1, ">= 10"), ("64_producers", writers, "")):
        ours, theirs = [], []
        url = f"{folder}/commit-{name}?flush=ack"
        keeper = await open_transport(url)
        running = [Producer(url) for _ in range(producers)]
        for producer in running:
            await producer.start()
        for _ in range(10):
            start = time.perf_counter()
            await asyncio.gather(*(write(running[n % producers]) for n in range(writers)))
            ours.append(time.perf_counter() - start)
            theirs.append(timed(one_by_one))
        for producer in running:
            await producer.stop()
        await keeper.close()
        mine, limit = each * writers / best(ours), each / best(theirs)
        peer = "one fdatasync for each record"
        report(f"ack_64_writers_{name}", mine, "records/s", peer, limit, mine / limit, aim)


async def bench_read(folder: str, megabytes: int, turns: int) -> None:
    """Fetch 4 MiB at a time, against memcpy of the same bytes; then decode them."""
    url = f"{folder}/read?flush=os"
    count = 1000
    async with Producer(url) as producer:
        for _ in range(megabytes * 10):
            await producer.send_columns("t", 0, range(count), None, [b"x" * 100] * count)
    transport = await open_transport(url)
    scratch, target = memoryview(bytearray(5 * MEBIBYTE)), memoryview(bytearray(5 * MEBIBYTE))
    ours, theirs, size = [], [], 0
    for _ in range(turns):
        sizes, offset, start = [], 0, time.perf_counter()
        while True:
            part = FetchPartition(index=0, fetch_offset=offset, max_bytes=4 * MEBIBYTE)
            topics = [FetchTopic(name="t", partitions=[part])]
            answer = await transport.send(FetchRequest(topics=topics, max_wait_ms=0))
            data = answer.topics[0].partitions[0].records
            if not data:
                break
            sizes.append(len(data))
            offset += _records_in(data)
        ours.append(time.perf_counter() - start)
        size = sum(sizes)
        theirs.append(timed(lambda sizes=sizes: [_copy(target, scratch, n) for n in sizes]))
    mine, limit = size / best(ours) / 1e6, size / best(theirs) / 1e6
    report("read", mine, "MB/s", "memcpy of the same bytes", limit, mine / limit)
    report("read_1gb_a_second", mine, "MB/s", "1 GB/s", 1000, mine / 1000, ">= 1")
    await transport.close()
    await bench_columns(url, megabytes * 10 * count, size, turns)


def _copy(target: memoryview, source: memoryview, size: int) -> None:
    target[:size] = source[:size]


def _records_in(data: bytes) -> int:
    """Count records by the batches' headers: as cheap as a reader can make it."""
    count, position = 0, 0
    while position < len(data):
        count += int.from_bytes(data[position + 57 : position + 61])
        position += int.from_bytes(data[position + 8 : position + 12]) + 12
    return count


async def bench_columns(url: str, records: int, size: int, turns: int) -> None:
    """Getcolumns and getmany, in records a second; the peer is the raw fetch of the bytes."""
    ways = {
        "getcolumns": lambda c: c.getcolumns(keys=False),
        "getmany": lambda c: c.getmany(),
    }
    for name, way in ways.items():
        times = []
        for _ in range(max(2, turns // 2)):
            async with Consumer("t", log=url, auto_offset_reset="earliest") as consumer:
                start = time.perf_counter()
                while await way(consumer):
                    pass
                times.append(time.perf_counter() - start)
        rate = records / best(times)
        aim = 1_200_000 if name == "getcolumns" else 300_000
        report(name, rate, "records/s", "aim for 100 B records", aim, rate / aim, ">= 1")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", help="where to write; a directory of the file system to measure")
    parser.add_argument("--quick", action="store_true", help="a fifth of the work")
    options = parser.parse_args()
    scale = 1 if options.quick else 5
    folder = tempfile.mkdtemp(prefix="millstream-bench-", dir=options.dir)
    try:
        await bench_append(folder, 50 * scale, 2 + scale)
        await bench_lone_ack(folder, 2000 * scale)
        await bench_group_commit(folder, 20 * scale)
        await bench_read(folder, 20 * scale, 2 + scale)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    asyncio.run(main())
