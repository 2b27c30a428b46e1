"""What is measured on brokers that run and have already worked, so that Java code is compiled."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from bench import Bench, columns, consume, produce, topic_on
from bodies import Body
from clients import BATCH_LARGE, BATCH_SMALL, Client, Load
from process import cpu_seconds, rss_megabytes
from wire_client import WireClient, lone_records

SETTLE_SECONDS = 1.2  # until a flush of each second has done what the last records asked of it
MANY_PARTITIONS = 50
CROWD_AIM = "ours >= 0.8"
PRODUCE_AIMS = {100: "ratio >= 1.5", 1000: "ratio >= 2"}
CPU_AIMS = {BATCH_SMALL: "ratio <= 0.333", BATCH_LARGE: "ratio <= 0.5"}
LOADS = [
    Load(size, codec, partitions)
    for size in (100, 1000)
    for codec in ("none", "lz4")
    for partitions in (1, MANY_PARTITIONS)
] + [Load(1000, batch=BATCH_LARGE)]


@contextlib.contextmanager
def running(bench: Bench) -> Iterator[None]:
    """Have both brokers, empty and warmed up, for the time of a `with` block."""
    bodies: tuple[Body, ...] = (bench.ours, bench.peer)
    try:
        for body in bodies:
            body.wipe()
            body.start()
        for body in bodies:
            for batch in (BATCH_SMALL, BATCH_LARGE):
                load = Load(1000, batch=batch)
                through(body, bench.librdkafka, load, bench.sizes.large_records)
        yield
    finally:
        for body in bodies:
            body.stop()


def through(body: Body, client: Client, load: Load, count: int) -> tuple[float, ...]:
    """Return the records a second of writing a topic and of reading it."""
    with topic_on(body, load.partitions) as topic:
        written = produce(body, client, load, topic, count)
        return written, consume(body, client, load, topic, count)


def cpu_and_memory(bench: Bench) -> None:
    """Compare the brokers' CPU seconds for each GB of values, and memory after all of them."""
    gigabytes = bench.sizes.load_gigabytes
    half = gigabytes / len(CPU_AIMS)
    for batch, aim in CPU_AIMS.items():
        load = Load(1000, batch=batch)

        def measure(body: Body, load: Load = load) -> tuple[float, ...]:
            count = round(half * 1e9 / load.size)
            with topic_on(body, load.partitions) as topic:
                spent = [cpu_seconds(body.pid)]
                for work in (produce, consume):
                    work(body, bench.librdkafka, load, topic, count)
                    time.sleep(SETTLE_SECONDS)
                    spent.append(cpu_seconds(body.pid))
            return (spent[1] - spent[0]) / half, (spent[2] - spent[1]) / half

        ours, peer = map(columns, bench.in_turns(1, measure))
        add = bench.report.add
        add(f"CPU of a GB produced, {load}", "s/GB", ours[0], peer[0], aim)
        add(f"CPU of a GB consumed, {load}", "s/GB", ours[1], peer[1], "ratio <= 1")
    name = f"RSS after {gigabytes:g} GB"
    ours_rss, peer_rss = bench.in_turns(1, lambda body: rss_megabytes(body.pid))
    bench.report.add(name, "MB", ours_rss, peer_rss, "ours <= 200")


def lone_acks(bench: Bench) -> None:
    """Compare how long one record, sent alone, waits for its acknowledgement."""

    def measure(body: Body) -> tuple[float, ...]:
        with topic_on(body, 1) as topic:
            waited = sorted(lone_records(body.port, topic, bench.sizes.lone_records))
        return tuple(waited[int(len(waited) * share)] * 1000 for share in (0.5, 0.99, 0.999))

    ours, peer = map(columns, bench.in_turns(bench.sizes.runs, measure))
    aims = {"p50": "ratio <= 0.6", "p99": "ratio <= 0.3", "p99.9": ""}
    for (name, aim), mine, theirs in zip(aims.items(), ours, peer, strict=True):
        bench.report.add(f"lone record acknowledged, {name}", "ms", mine, theirs, aim)


def throughput(bench: Bench) -> None:
    """Compare the records a second of every client and load."""
    for client, runs in (
        (bench.librdkafka, bench.sizes.runs),
        (bench.java, bench.sizes.java_runs),
    ):
        written = {load: rates_of(bench, client, runs, load) for load in LOADS}
        cost_of_partitions(bench, client, written)


def rates_of(bench: Bench, client: Client, runs: int, load: Load) -> tuple[list[float], ...]:
    """Compare writing and reading of one load; return our rates of writing, and the peer's."""
    count = bench.sizes.records_of(load) * client.records_factor
    rows = bench.in_turns(runs, lambda body: through(body, client, load, count))
    ours, peer = map(columns, rows)
    add, aim = bench.report.add, PRODUCE_AIMS[load.size]
    add(f"{client.name} produce, {load}", "records/s", ours[0], peer[0], aim)
    add(f"{client.name} consume, {load}", "records/s", ours[1], peer[1], "ratio >= 1")
    return ours[0], peer[0]


def cost_of_partitions(
    bench: Bench, client: Client, written: dict[Load, tuple[list[float], ...]]
) -> None:
    """Show the rates of many partitions as shares of the rates of one."""
    for load in LOADS:
        if load.partitions == MANY_PARTITIONS:
            ours, peer = map(shares, written[load], written[load._replace(partitions=1)])
            bench.report.add(f"{client.name} produce, {load} to 1", "x", ours, peer, CROWD_AIM)


def connections(bench: Bench) -> None:
    """Show one producer's rate beside many idle connections as a share of its rate alone."""
    count = bench.sizes.connections

    def measure(body: Body) -> float:
        alone = write(bench, body, Load(1000))
        with contextlib.ExitStack() as stack:
            for _ in range(count):
                assert stack.enter_context(WireClient(body.port)).knows_a_broker()
            return write(bench, body, Load(1000)) / alone

    ours, peer = bench.in_turns(bench.sizes.crowd_runs, measure)
    name = f"produce, {count:,} idle connections to none"
    bench.report.add(name, "x", ours, peer, CROWD_AIM)


def partitions(bench: Bench) -> None:
    """Show one producer's rate beside many partitions, and across them, as a share of it alone."""
    many = bench.sizes.partitions

    def measure(body: Body) -> tuple[float, ...]:
        alone = write(bench, body, Load(1000))
        count = bench.sizes.large_records
        with topic_on(body, many) as topic:
            beside = write(bench, body, Load(1000))
            load = Load(1000, partitions=many)
            across = produce(body, bench.librdkafka, load, topic, count)
        return beside / alone, across / alone

    ours, peer = map(columns, bench.in_turns(bench.sizes.crowd_runs, measure))
    for column, name in enumerate(("beside", "across")):
        name = f"produce, {name} {many:,} partitions to 1 alone"
        bench.report.add(name, "x", ours[column], peer[column], CROWD_AIM)


def write(bench: Bench, body: Body, load: Load) -> float:
    """Return librdkafka's records a second into a new topic."""
    with topic_on(body, load.partitions) as topic:
        return produce(body, bench.librdkafka, load, topic, bench.sizes.records_of(load))


def shares(many: list[float], few: list[float]) -> list[float]:
    """Return the rate with many to the rate with few, run by run."""
    return [with_many / with_few for with_many, with_few in zip(many, few, strict=True)]
