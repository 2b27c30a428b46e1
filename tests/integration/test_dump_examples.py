"""Every segment that an example wrote, in the eyes of Apache Kafka's DumpLogSegments."""

from __future__ import annotations

from pathlib import Path

import pytest
from answers import DATA, needs_data, run
from kafka_dump import dump

pytestmark = pytest.mark.integration


@needs_data
def test_the_flights_log_has_no_fault(tmp_path: Path, kafka_dir: Path) -> None:
    """Inputs, results, repartition topics, changelogs and offsets are all right to Kafka."""
    run("examples/flights.py", str(DATA / "nycflights"), "--log", str(tmp_path))
    logs = sorted(path for path in tmp_path.glob("*/0*.log") if path.stat().st_size)
    indexes = sorted(path for path in tmp_path.glob("*/0*") if path.suffix.endswith("index"))

    assert {"flights-0", "departures-hourly-1", "__consumer_offsets-0"} <= {
        path.parent.name for path in logs
    }
    dump(kafka_dir, logs, "--deep-iteration")
    dump(kafka_dir, indexes, "--index-sanity-check")
    dump(kafka_dir, indexes)
