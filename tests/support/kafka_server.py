"""A real Apache Kafka of one node, from its jars, for as long as a block lasts.

Invariants: it listens on loopback alone, on ports that were free; its data lie in the directory
that it is given; it is ended by its process id.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from kafka_dump import ROOT, TOOL

START_SECONDS = 120


class NoKafkaError(Exception):
    """There is no Apache Kafka to be had here; the message says why."""


def kafka_jars() -> Path:
    """Return where the jars of Apache Kafka lie; fetch them where they do not.

    Raises:
        NoKafkaError: they cannot be fetched.
    """
    if not TOOL.exists():
        raise NoKafkaError(f"no {TOOL}, which fetches Apache Kafka")
    where = Path(os.environ.get("MILLSTREAM_KAFKA_DIR", ROOT / ".cache" / "kafka"))
    where.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([TOOL, "jars", where], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoKafkaError(f"Apache Kafka cannot be fetched: {done.stderr.strip()[-200:]}")
    return where


@contextlib.contextmanager
def kafka_server(directory: Path) -> Iterator[str]:
    """Run Apache Kafka with its data in `directory`; give its host and port.

    Raises:
        NoKafkaError: its jars cannot be had.
    """
    jars = kafka_jars() / "libs"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "libs").symlink_to(jars.resolve())
    try:
        done = subprocess.run(
            [TOOL, "start", directory, str(_free_port())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=START_SECONDS,
        )
        yield done.stdout.strip()
    finally:
        subprocess.run([TOOL, "stop", directory], check=False)


def _free_port() -> int:
    """Return a port that is free, and the next one too, which the controller takes."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
                return port
