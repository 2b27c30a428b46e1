"""The two brokers, behind one face: started, stopped, killed, emptied, each by its process id.

    body        directory            started by
    Millstream  FOLDER/millstream    python -m millstream_log.server
    Kafka       FOLDER/kafka         the command that shared/peers/real-kafka starts it with

Kafka's directory is formatted once; `wipe` brings that state back, so that no start pays for it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Protocol

from wire_client import WireClient

from millstream_log.testing import broker

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT.parent / "shared" / "peers" / "real-kafka"
START_SECONDS = 60.0
STOP_SECONDS = 20.0


class Body(Protocol):
    """A broker that can be measured."""

    name: str
    port: int

    @property
    def pid(self) -> int:
        """Return the process id of the running broker."""
        ...

    def start(self) -> float:
        """Start on what the directory holds; return the seconds until Metadata was answered."""
        ...

    def stop(self) -> None:
        """End it as SIGTERM does; nothing where it does not run."""
        ...

    def wipe(self) -> None:
        """Forget all records and topics of the stopped broker."""
        ...


class Millstream:
    """Our broker, as a test gets it."""

    name = "ours"

    def __init__(self, folder: Path) -> None:
        self.port = 0
        self._path = folder / "millstream"
        self._stack = contextlib.ExitStack()

    @property
    def pid(self) -> int:
        """Return the process id of the running broker."""
        return self._running.pid

    def start(self) -> float:
        """Start on what the directory holds; return the seconds until Metadata was answered."""
        began = time.perf_counter()
        self._running = self._stack.enter_context(broker(self._path))
        self.port = self._running.port
        wait_for_answer(self.port)
        return time.perf_counter() - began

    def stop(self) -> None:
        """End it as SIGTERM does; nothing where it does not run."""
        self._stack.close()

    def kill(self) -> None:
        """End it as SIGKILL does."""
        self._running.kill()
        self._stack.close()

    def wipe(self) -> None:
        """Forget all records and topics of the stopped broker."""
        shutil.rmtree(self._path, ignore_errors=True)


class Kafka:
    """A real Apache Kafka of one node."""

    name = "peer"

    def __init__(self, folder: Path, jars: Path) -> None:
        self.path = folder / "kafka"
        self.port = free_port_pair()
        self._process: subprocess.Popen[bytes] | None = None
        self.path.mkdir()
        (self.path / "libs").symlink_to(jars / "libs")
        self._data, self._formatted = self.path / "data", self.path / "formatted"
        try:
            self._command = self._first_start()
        finally:
            subprocess.run([TOOL, "stop", self.path], check=False)
        shutil.copytree(self._data, self._formatted)

    @property
    def pid(self) -> int:
        """Return the process id of the running broker."""
        assert self._process is not None, "Kafka is not running"
        return self._process.pid

    def start(self) -> float:
        """Start on what the directory holds; return the seconds until Metadata was answered."""
        began = time.perf_counter()
        with (self.path / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.path,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us, who stop it
            )
        wait_for_answer(self.port, self._process)
        return time.perf_counter() - began

    def stop(self) -> None:
        """End it as SIGTERM does; nothing where it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def wipe(self) -> None:
        """Forget all records and topics of the stopped broker."""
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.copytree(self._formatted, self._data)

    def _first_start(self) -> list[str]:
        """Format the directory; return the command line that real-kafka runs the broker with."""
        command = [str(TOOL), "start", str(self.path), str(self.port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"Apache Kafka did not start: {done.stderr.strip()[-500:]}")
        pid = (self.path / "pid").read_text().strip()
        return Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")


def jars() -> Path:
    """Return where the jars of Apache Kafka lie, fetched when they are not there.

    Raises:
        RuntimeError: they cannot be had; the message says why.
    """
    if not TOOL.exists():
        raise RuntimeError(f"no {TOOL.name}, which fetches and starts Apache Kafka")
    where = Path(os.environ.get("MILLSTREAM_KAFKA_DIR", ROOT / ".cache" / "kafka")).resolve()
    if not (where / "libs" / ".whole").exists():
        done = subprocess.run([TOOL, "jars", where], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"Apache Kafka cannot be fetched: {done.stderr.strip()[-500:]}")
    return where


def wait_for_answer(port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Ask until a broker answers that there is one.

    Raises:
        RuntimeError: it has ended, or does not answer in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the broker ended with {process.returncode}")
        with contextlib.suppress(OSError), WireClient(port) as client:
            if client.knows_a_broker():
                return
        time.sleep(0.005)
    raise RuntimeError(f"no answer on port {port}")


def free_port_pair() -> int:
    """Return a port that is free, as is the one after it: Kafka's controller listens there."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return port
