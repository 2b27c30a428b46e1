"""Kafka Streams on our broker: the click job in Java, unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
from click_job import Clicks, Job, result, run

from millstream_log.testing import RunningBroker

IDLE_MS = 5_000  # without a record, after which the job takes its input to be over
COMMIT_MS = 500

pytestmark = pytest.mark.integration


def stream(kafka_dir: Path, job: Job, guarantee: str, *, rekey: bool, threads: int = 1) -> str:
    """Run the job; return what it printed. It sends every update of a count."""
    options = [f"-Didle_ms={IDLE_MS}", f"-Dstate={job.directory}", f"-Dthreads={threads}"]
    path = f"{kafka_dir / 'libs' / '*'}:{kafka_dir / 'classes'}"
    where = [job.broker.bootstrap, job.source, job.target, job.name, job.clicks.events]
    how = ["update", int(rekey), guarantee, COMMIT_MS]
    return run(["java", "-Xmx512M", *options, "-cp", path, "peers.ClickJob", *where, *how])


@pytest.mark.parametrize(
    ("guarantee", "rekey", "threads", "partitions"),
    [
        ("at_least_once", False, 2, 3),
        ("at_least_once", True, 1, 1),
        ("exactly_once_v2", False, 2, 3),
        ("exactly_once_v2", True, 1, 1),
    ],
)
def test_every_count_is_right(
    kafka_dir: Path,
    served: RunningBroker,
    clicks: Clicks,
    tmp_path: Path,
    guarantee: str,
    rekey: bool,
    threads: int,
    partitions: int,
) -> None:
    """Through changelogs, repartition topics and transactions, no event is lost or doubled."""
    job = Job(served, clicks, tmp_path, partitions=partitions)
    job.load("--key", "user" if rekey else "page")
    said = stream(kafka_dir, job, guarantee, rekey=rekey, threads=threads)
    assert result(said)["n"] == clicks.events
    answer = job.check()
    assert answer["ok"], answer


def test_a_second_run_goes_on_where_the_first_ended(
    kafka_dir: Path, served: RunningBroker, clicks: Clicks, tmp_path: Path
) -> None:
    """State comes back from the changelog alone, offsets from the group, in the mid of a window."""
    job = Job(served, clicks, tmp_path)
    for part in clicks.halves():
        job.directory = tmp_path / part.suffix
        job.directory.mkdir()
        job.load(path=part)
        said = stream(kafka_dir, job, "exactly_once_v2", rekey=False)
        assert result(said)["n"] == clicks.events // 2
    answer = job.check()
    assert answer["ok"], answer
