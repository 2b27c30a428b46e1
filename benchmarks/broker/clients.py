"""The clients under whose load the brokers are measured, each run in a process of its own.

The same payloads for every client, made before: words chosen at random, which lz4 brings to about
half. All else is the client's default, but for acks, batch size, linger and codec.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Protocol

from bodies import TOOL

PAYLOADS = 1000
WORDS = 400
WARM_UP_SHARE = 4  # a Java client is measured after its first quarter
SECONDS_MAX = 600.0

BATCH_SMALL, BATCH_LARGE = 16_384, 1_000_000


class Load(NamedTuple):
    """What is sent, and how."""

    size: int  # bytes of a record's value
    codec: str = "none"
    partitions: int = 1
    batch: int = BATCH_SMALL

    def __str__(self) -> str:
        """Return the load as a figure's name says it."""
        size = f"{self.size} B" if self.size < 1000 else f"{self.size // 1000} kB"
        batch = ", 1 MB batches" if self.batch == BATCH_LARGE else ""
        plural = "s" if self.partitions > 1 else ""
        return f"{size}, {self.codec}, {self.partitions} partition{plural}{batch}"

    @property
    def configs(self) -> list[str]:
        """Return the producer's settings; both clients have the same names for them."""
        values = {
            "acks": "all",
            "batch.size": self.batch,
            "linger.ms": 5,
            "compression.type": self.codec,
        }
        return [f"{name}={value}" for name, value in values.items()]


class Client(Protocol):
    """A program that produces and consumes."""

    name: str
    records_factor: int  # how many times librdkafka's records it needs to come up to speed

    def produce(self, bootstrap: str, topic: str, load: Load, count: int) -> float:
        """Return the records a second, all of them acknowledged."""
        ...

    def consume(self, bootstrap: str, topic: str, load: Load, count: int) -> float:
        """Return the records a second, of a topic that holds `count`."""
        ...


class Librdkafka:
    """The library of most clients that are not written in Java."""

    name = "librdkafka"
    records_factor = 1

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def produce(self, bootstrap: str, topic: str, load: Load, count: int) -> float:
        """Return the records a second, all of them acknowledged."""
        payloads = str(payload_file(self._folder, load.size))
        return count / self._seconds("produce", bootstrap, topic, count, payloads, *load.configs)

    def consume(self, bootstrap: str, topic: str, load: Load, count: int) -> float:
        """Return the records a second, of a topic that holds `count`."""
        return count / self._seconds("consume", bootstrap, topic, count, str(load.partitions))

    def _seconds(self, what: str, bootstrap: str, topic: str, count: int, *more: str) -> float:
        program = str(Path(__file__).with_name("librdkafka.py"))
        said = run(sys.executable, program, what, bootstrap, topic, str(count), *more)
        seconds: float = json.loads(said)["seconds"]
        return seconds


class Java:
    """Kafka's own clients, by Kafka's own performance tools."""

    name = "Java"
    records_factor = 2

    def __init__(self, folder: Path, kafka: Path) -> None:
        self._folder = folder
        self._kafka = kafka

    def produce(self, bootstrap: str, topic: str, load: Load, count: int) -> float:
        """Return the records a second after a warm-up, all of them acknowledged."""
        said = self._tool(
            *("ProducerPerformance", "--bootstrap-server", bootstrap, "--topic", topic),
            *("--num-records", str(count), "--warmup-records", str(count // WARM_UP_SHARE)),
            *("--throughput", "-1"),
            *("--payload-file", str(payload_file(self._folder, load.size))),
            *("--command-property", *load.configs),  # one flag for all: the last flag wins
        )
        return float(re.findall(r"([\d.]+) records/sec", said)[-1])

    def consume(self, bootstrap: str, topic: str, load: Load, count: int) -> float:
        """Return the records a second, without the time in which the group came together."""
        said = self._tool(
            *("ConsumerPerformance", "--bootstrap-server", bootstrap, "--topic", topic),
            *("--num-records", str(count)),
        )
        names, values = (line.split(",") for line in said.splitlines() if "," in line)
        row = dict(zip(map(str.strip, names), map(str.strip, values), strict=True))
        assert int(row["data.consumed.in.nMsg"]) >= count, said
        return float(row["fetch.nMsg.sec"])

    def _tool(self, name: str, *words: str) -> str:
        return run(str(TOOL), "tool", str(self._kafka), f"org.apache.kafka.tools.{name}", *words)


def payload_file(folder: Path, size: int) -> Path:
    """Return a file of lines of `size` bytes each, the same ones every time."""
    path = folder / f"payloads-{size}"
    if not path.exists():
        chance = random.Random(7)
        letters = "abcdefghijklmnopqrstuvwxyz"
        words = ["".join(chance.choices(letters, k=chance.randrange(3, 9))) for _ in range(WORDS)]
        lines = (" ".join(chance.choices(words, k=size // 4))[:size] for _ in range(PAYLOADS))
        path.write_text("\n".join(lines))
    return path


def run(*command: str) -> str:
    """Run a client; return what it printed.

    Raises:
        RuntimeError: it failed; the message holds what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS_MAX)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])}: {(done.stdout + done.stderr)[-1500:]}")
    return done.stdout
