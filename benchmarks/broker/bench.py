"""What every measurement shares: the two bodies, the sizes of a mode, and the taking of turns."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from bodies import Body, Kafka, Millstream
from clients import Client, Load
from figures import Report
from memory import touch_memory
from wire_client import WireClient

T = TypeVar("T")

_topics = itertools.count()


class Sizes(NamedTuple):
    """How much a mode does."""

    runs: int  # of librdkafka, and of what needs no client
    java_runs: int
    crowd_runs: int  # with many connections and with many partitions
    small_records: int  # of 100 B, each run
    large_records: int  # of 1 kB, each run
    load_gigabytes: float  # through a broker before its loaded RSS is read
    lone_records: int
    kill_gigabytes: float
    memory_gigabytes: float  # touched before each run: more than it writes
    connections: int = 1000
    partitions: int = 2000

    def records_of(self, load: Load) -> int:
        """Return how many records of a load are sent in one run of librdkafka."""
        return self.small_records if load.size < 1000 else self.large_records


QUICK = Sizes(3, 1, 1, 600_000, 120_000, 1, 2000, 1, 1)
FULL = Sizes(5, 3, 3, 3_000_000, 600_000, 5, 10_000, 1, 4)
SMOKE = Sizes(1, 1, 1, 4000, 4000, 0.01, 50, 0.01, 0, connections=100, partitions=100)


class Bench(NamedTuple):
    """One run of the whole."""

    ours: Millstream
    peer: Kafka
    librdkafka: Client
    java: Client
    sizes: Sizes
    report: Report

    def in_turns(self, runs: int, measure: Callable[[Body], T]) -> tuple[list[T], list[T]]:
        """Measure both bodies in turns, and who begins in turns too; return ours, the peer's."""
        found: dict[str, list[T]] = {"ours": [], "peer": []}
        bodies: list[Body] = [self.ours, self.peer]
        for _ in range(runs):
            for body in bodies:
                os.sync()  # nobody waits for the disk to write what the other has left
                touch_memory(self.sizes.memory_gigabytes)
                found[body.name].append(measure(body))
            bodies.reverse()
        return found["ours"], found["peer"]


@contextlib.contextmanager
def topic_on(body: Body, partitions: int) -> Iterator[str]:
    """Have a new topic for the time of a `with` block."""
    name = f"bench-{next(_topics)}"
    with WireClient(body.port) as client:
        client.create_topic(name, partitions)
    yield name
    with WireClient(body.port) as client:
        client.delete_topic(name)


def produce(body: Body, client: Client, load: Load, topic: str, count: int) -> float:
    """Return the records a second of one load, after looking that every record is there."""
    rate = client.produce(f"127.0.0.1:{body.port}", topic, load, count)
    with WireClient(body.port) as wire:
        there = wire.records_in(topic, load.partitions)
    assert there == count, f"{body.name}: {there} of {count} records are there"
    return rate


def consume(body: Body, client: Client, load: Load, topic: str, count: int) -> float:
    """Return the records a second of reading what `produce` left."""
    return client.consume(f"127.0.0.1:{body.port}", topic, load, count)


def columns(rows: list[tuple[float, ...]]) -> list[list[float]]:
    """Return what each run measured as one list for each thing measured."""
    return [list(column) for column in zip(*rows, strict=True)]
