"""A real broker for a test: a process of its own, a directory of its own, a port that was free.

    with broker() as b:
        producer = confluent_kafka.Producer({"bootstrap.servers": b.bootstrap})

Invariants: what was started here is stopped here, by its process id; the directory goes with it
unless it was given.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import IO

from ..errors import StorageError

READY_SECONDS = 30.0
STOP_SECONDS = 10.0


class RunningBroker:
    """A broker process that can be stopped, killed and started again on the same port."""

    def __init__(
        self, path: str, configs: Mapping[str, str], flush: str, arguments: tuple[str, ...]
    ) -> None:
        self.path = path  # its log directory
        self.port = 0
        self._configs = dict(configs)
        self._flush = flush
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`

    @property
    def bootstrap(self) -> str:
        """Return host and port, as clients want them."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Return the process id of the running broker."""
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    def start(self) -> None:
        """Start the broker and wait until it is ready; on the port it had before, if any.

        Raises:
            StorageError: it did not get ready; the message holds what it said.
        """
        command = [sys.executable, "-m", "millstream_log.server"]
        command += ["--data", self.path, "--listen", f"127.0.0.1:{self.port}"]
        command += ["--flush", self._flush, *self._arguments]
        for name, value in self._configs.items():
            command += ["-o", f"{name}={value}"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors
        )
        line = self._ready_line()
        if not line:
            self.kill()
            raise StorageError(f"the broker at {self.path} did not get ready: {self.said()}")
        self.port = json.loads(line)["port"]

    def stop(self) -> int:
        """End the broker as SIGTERM does; return its exit status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            _close_output(process)

    def kill(self) -> None:
        """Kill the broker as SIGKILL does: nothing is flushed, nobody is told."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            _close_output(process)

    def said(self) -> str:
        """Return what the broker has written to its standard error so far."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip()

    def close(self) -> None:
        """Stop the broker and forget what it said."""
        self.stop()
        self._errors.close()

    def _ready_line(self) -> bytes:
        assert self._process is not None
        output = self._process.stdout
        assert output is not None
        deadline = time.monotonic() + READY_SECONDS
        line = b""
        while not line.endswith(b"\n") and (left := deadline - time.monotonic()) > 0:
            if not select.select([output], [], [], left)[0]:
                break
            more = os.read(output.fileno(), 4096)
            if not more:
                return b""
            line += more
        return line


@contextlib.contextmanager
def broker(
    path: str | os.PathLike[str] | None = None,
    *,
    configs: Mapping[str, str] | None = None,
    flush: str = "interval",
    arguments: tuple[str, ...] = (),
) -> Iterator[RunningBroker]:
    """Run a broker for the time of a `with` block.

    `path` is its log directory, by default a new one that goes with it; `configs` are broker
    configs under Kafka's names; `arguments` are further words for the command line.

    Raises:
        StorageError: it did not get ready.
    """
    own = tempfile.mkdtemp(prefix="millstream-") if path is None else None
    running = RunningBroker(own or os.fspath(path or ""), configs or {}, flush, arguments)
    try:
        running.start()
        yield running
    finally:
        running.close()
        if own is not None:
            shutil.rmtree(own, ignore_errors=True)


def _close_output(process: subprocess.Popen[bytes]) -> None:
    if process.stdout is not None:
        process.stdout.close()
