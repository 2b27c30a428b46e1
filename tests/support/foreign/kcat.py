"""kcat, a program around an older librdkafka (2.0.2 in Debian)."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from .client import EARLIEST, LATEST, PLAIN, SECONDS, Row, Seen, Writer, Writing

_SPECIAL = {EARLIEST: "beginning", LATEST: "end"}
_ASSIGNED = re.compile(r"assigned: (.*)")
_PARTITION = re.compile(r"\[(\d+)\]")


class Kcat:
    """The client of the command line."""

    name = "kcat"
    sets_time = False

    def writer(self, bootstrap: str, how: Writing = PLAIN) -> Writer:
        """Open a producer."""
        return _Writer(bootstrap, how)

    def read(
        self,
        bootstrap: str,
        topic: str,
        count: int,
        *,
        start: int = EARLIEST,
        committed_only: bool = False,
    ) -> list[Seen]:
        """Read from partition 0."""
        isolation = "read_committed" if committed_only else "read_uncommitted"
        options = [
            "-X",
            f"isolation.level={isolation}",
            "-C",
            "-p",
            "0",
            "-o",
            _SPECIAL.get(start, str(start)),
            "-c",
            str(count),
            "-J",
        ]
        lines = kcat(bootstrap, "-t", topic, *options).splitlines()
        assert len(lines) == count, f"{len(lines)} of {count} records came"
        return [seen(line) for line in lines]

    def offset_at(self, bootstrap: str, topic: str, timestamp_ms: int) -> int:
        """Look a time up."""
        return int(kcat(bootstrap, "-Q", "-t", f"{topic}:0:{timestamp_ms}").split()[-1])

    def join(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        *,
        assignor: str = "range",
        instance_id: str | None = None,
        limit: int | None = None,
    ) -> KcatMember:
        """Become a member."""
        return KcatMember(bootstrap, group, topic, assignor, instance_id, limit)


def why_missing() -> str | None:
    """Return why there is no kcat, after trying to install it where that is allowed."""
    if shutil.which("kcat"):
        return None
    if os.geteuid() or not shutil.which("apt-get"):
        return "kcat is not installed, and only root may install it (apt-get install kcat)"
    with Path(tempfile.gettempdir(), "millstream-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if shutil.which("kcat"):
            return None
        for words in (["update"], ["install", "--yes", "--no-install-recommends", "kcat"]):
            done = subprocess.run(
                ["apt-get", "-qq", *words],
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            )
            if done.returncode:
                return f"kcat cannot be installed: {done.stderr.strip()[-200:]}"
    return None


def kcat(bootstrap: str, *options: str, stdin: bytes = b"") -> str:
    """Run kcat to its end; return what it printed."""
    done = subprocess.run(
        ["kcat", "-E", "-b", bootstrap, "-X", "fetch.wait.max.ms=100", *options],
        input=stdin,
        capture_output=True,
        timeout=2 * SECONDS,
        check=False,
    )
    said = done.stderr.decode()
    assert done.returncode == 0, f"kcat {' '.join(options)}: {said}"
    assert "Delivery failed" not in said, said
    return done.stdout.decode()


def seen(line: str | bytes) -> Seen:
    """Return a record in the words of the tests."""
    found = json.loads(line)
    key, value, headers = found["key"], found["payload"], found.get("headers", [])
    row = Row(
        None if value is None else value.encode(),
        None if key is None else key.encode(),
        tuple(
            (name, text.encode()) for name, text in zip(headers[::2], headers[1::2], strict=True)
        ),
        found["ts"],
    )
    return Seen(found["partition"], found["offset"], row)


class _Writer:
    """A producer that is a run of the program for each call, with a transaction for each run."""

    def __init__(self, bootstrap: str, how: Writing) -> None:
        self._bootstrap = bootstrap
        self._configs = {"acks": str(how.acks), "compression.codec": how.codec}
        if how.transactional_id is not None:
            self._configs["transactional.id"] = how.transactional_id
        else:
            self._configs["enable.idempotence"] = str(how.idempotent).lower()

    def send(self, topic: str, rows: Sequence[Row], partition: int = 0) -> None:
        configs = [
            word for name in self._configs for word in ("-X", f"{name}={self._configs[name]}")
        ]
        for headers, alike in itertools.groupby(rows, lambda row: row.headers):
            lines = b"".join(b"%b|%b\n" % (row.key or b"", row.value or b"") for row in alike)
            options = ["-P", "-p", str(partition), "-K", "|", "-Z", *configs]
            for name, value in headers:
                options += ["-H", f"{name}={(value or b'').decode()}"]
            kcat(self._bootstrap, "-t", topic, *options, stdin=lines)

    def close(self) -> None:
        pass

    def begin(self) -> None:
        raise NotImplementedError

    def send_offset(self, group: str, topic: str, offset: int) -> None:
        raise NotImplementedError

    def commit(self) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError


class KcatMember:
    """A kcat that runs until it is told to end; it commits when it leaves or must give up."""

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        assignor: str,
        instance_id: str | None,
        limit: int | None,
    ) -> None:
        self.reads: list[tuple[int, int]] = []
        self.assignment: set[int] = set()
        command = ["kcat", "-E", "-b", bootstrap, "-J", "-u", "-G", group]
        configs = {
            "partition.assignment.strategy": assignor,
            "auto.offset.reset": "earliest",
            "heartbeat.interval.ms": "100",
            "auto.commit.interval.ms": "100",
            "reconnect.backoff.max.ms": "500",
            "session.timeout.ms": "6000",
            "fetch.wait.max.ms": "100",
        }
        if instance_id is not None:
            configs["group.instance.id"] = instance_id
        for name, value in configs.items():
            command += ["-X", f"{name}={value}"]
        if limit is not None:
            command += ["-c", str(limit)]
        self._process = subprocess.Popen(
            [*command, topic], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._said: list[str] = []
        self._threads = [
            threading.Thread(target=target, daemon=True)
            for target in (self._read_records, self._read_words)
        ]
        for thread in self._threads:
            thread.start()

    def check(self) -> None:
        """Fail when the program has ended with an error."""
        assert not self._process.poll(), self._said

    def leave(self) -> None:
        """End the program and wait for it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        for thread in self._threads:
            thread.join(SECONDS)
        self.assignment = set()
        self.check()

    def kill(self) -> None:
        """End the program without a word to the group."""
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(SECONDS)

    def _read_records(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                found = seen(line)
                self.reads.append((found.partition, found.offset))

    def _read_words(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for raw in lines:
                line = raw.decode()
                self._said.append(line)
                if "rebalanced" in line:
                    assigned = _ASSIGNED.search(line)
                    found = _PARTITION.findall(assigned[1]) if assigned else []
                    self.assignment = {int(index) for index in found}
