"""The click job of the peers: its input, the jobs as programs, and the check of what they answer.

    clicks → drop bots → count by page in windows of a minute → topic

Invariants: the jobs, the loader and the check are those of the peers, unchanged.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kafka_dump import TOOL

from millstream_log.testing import RunningBroker

PEERS = TOOL.parent
JOB_SECONDS = 80


class Clicks(NamedTuple):
    """An input and the right answer."""

    path: Path
    truth: Path
    events: int

    def halves(self) -> tuple[Path, Path]:
        """Return two files that are the input when read one after the other."""
        lines = self.path.read_bytes().splitlines(keepends=True)
        first, second = self.path.with_suffix(".first"), self.path.with_suffix(".second")
        first.write_bytes(b"".join(lines[: self.events // 2]))
        second.write_bytes(b"".join(lines[self.events // 2 :]))
        return first, second


def run(command: Sequence[object], env: Mapping[str, str] | None = None) -> str:
    """Run a program to its end; return what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=JOB_SECONDS,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"ended with {done.returncode}: {said[-4000:]}"
    return said


def peer(script: str, *arguments: object) -> str:
    """Run a script of the peers with this Python."""
    return run([sys.executable, PEERS / script, *arguments])


def make_clicks(directory: Path, count: int) -> Clicks:
    """Write an input of four or five windows, and the right answer to it."""
    path, truth = directory / "clicks.jsonl", directory / "truth.tsv"
    rate = count / 270  # in event time, a second
    peer("gen_clicks.py", "--n", count, "--rate", rate, "--pages", 300, "--out", path)
    peer("expected.py", path, "-o", truth)
    return Clicks(path, truth, count)


class Job:
    """One click job on one broker: topics of its own, filled, and what comes out."""

    def __init__(
        self, broker: RunningBroker, clicks: Clicks, directory: Path, *, partitions: int = 1
    ) -> None:
        self.broker, self.clicks, self.directory = broker, clicks, directory
        self.name = f"job-{uuid.uuid4().hex[:8]}"  # of the app and its group
        self.source, self.target = f"{self.name}-in", f"{self.name}-out"
        self.partitions = partitions

    def load(self, *options: object, path: Path | None = None) -> None:
        """Create both topics unless they are there, and write the input or a part of it."""
        for topic in (self.source, self.target):
            self._admin("create", topic, "--partitions", self.partitions)
        said = self._admin(
            "load",
            self.source,
            path or self.clicks.path,
            "--partitions",
            self.partitions,
            *options,
        )
        assert json.loads(said.splitlines()[-1])["errors"] == 0

    def check(self) -> dict[str, Any]:
        """Return what the peers' check says of what a reader of committed records finds."""
        got = self.directory / f"{self.target}.jsonl"
        self._admin("drain", self.target, "--out", got)
        said = peer("expected.py", "--check", self.clicks.truth, "--got", got)
        answer: dict[str, Any] = json.loads(said)
        return answer

    def _admin(self, *arguments: object) -> str:
        return peer("kadmin.py", "--bootstrap", self.broker.bootstrap, *arguments)


def result(said: str) -> dict[str, Any]:
    """Return what a job says of its own run."""
    (line,) = [line for line in said.splitlines() if "RESULT {" in line]
    found: dict[str, Any] = json.loads(line[line.index("{") :])
    return found
