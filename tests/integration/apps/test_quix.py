"""Quix Streams on our broker: the click job, unchanged."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from click_job import JOB_SECONDS, PEERS, Clicks, Job, result, run

from millstream_log.testing import RunningBroker

IDLE_SECONDS = 4
TRANSACTION_SECONDS = 75  # a minute, which librdkafka asks for, and the broker's next look

pytestmark = pytest.mark.integration


def command(python: Path, job: Job, guarantee: str, *more: object) -> list[str]:
    """Return how the job is run."""
    where = ["--bootstrap", job.broker.bootstrap, "--topic", job.source, "--out-topic", job.target]
    how = ["--group", job.name, "--guarantee", guarantee, "--idle", IDLE_SECONDS]
    state = ["--state-dir", job.directory / "state", "--commit-interval", 0.5]
    words = [python, PEERS / "job_quix.py", *where, *how, *state, *more]
    return [*map(str, words), "--partitions", str(job.partitions)]


@pytest.mark.parametrize(
    ("guarantee", "partitions", "more"),
    [
        ("at-least-once", 1, []),
        ("exactly-once", 2, []),
        ("exactly-once", 1, ["--rekey", "--emit", "current"]),
    ],
)
def test_every_count_is_right(
    quix_python: Path,
    served: RunningBroker,
    clicks: Clicks,
    tmp_path: Path,
    guarantee: str,
    partitions: int,
    more: list[str],
) -> None:
    """Through changelogs, repartition topics and transactions, no event is lost or doubled."""
    job = Job(served, clicks, tmp_path, partitions=partitions)
    job.load(*([] if more else ["--flush-window"]), "--key", "user" if more else "page")
    said = run(command(quix_python, job, guarantee, *more))
    assert result(said)["n"] >= clicks.events
    answer = job.check()
    assert answer["ok"], answer
    assert more or answer["rows"] == answer["truth_keys"], answer


def test_exactly_once_survives_a_kill(
    quix_python: Path, served: RunningBroker, clicks: Clicks, tmp_path: Path
) -> None:
    """Killed in the middle, without its state, the next run ends with every count sent once."""
    job = Job(served, clicks, tmp_path / "first")
    job.load("--flush-window")
    half = clicks.events // 2
    killed = subprocess.run(
        command(quix_python, job, "exactly-once", "--crash-at", half),
        capture_output=True,
        text=True,
        check=False,
        timeout=JOB_SECONDS,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    job.directory = tmp_path
    run(command(quix_python, job, "exactly-once"))
    answer = settled(job)
    assert answer["ok"], answer
    assert answer["rows"] == answer["truth_keys"], answer


def settled(job: Job) -> dict[str, Any]:
    """Return the answer once the transaction that the kill left open has timed out."""
    deadline = time.monotonic() + TRANSACTION_SECONDS
    while not (answer := job.check())["ok"] and time.monotonic() < deadline:
        time.sleep(0.5)
    return answer
