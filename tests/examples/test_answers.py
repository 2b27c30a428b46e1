"""The examples give the reference answers, on one partition and on four, floats to 1e-9."""

from __future__ import annotations

from pathlib import Path

import pytest
from answers import CLICKSTREAM, DATA, FLIGHTS, agree, expected, found, last_values, needs_data, run


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("partitions", ["1", "4"])
def test_flights(tmp_path: Path, partitions: str) -> None:
    """The three flight topics hold the reference answers, and a second run changes none."""
    command = ["examples/flights.py", str(DATA / "nycflights"), "--log", str(tmp_path)]
    for _ in range(2):
        run(*command, "--partitions", partitions)
        for topic, reference, columns in FLIGHTS:
            agree(found(tmp_path, topic, columns), expected(f"nycflights/ref/{reference}", columns))


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("partitions", ["1", "4"])
def test_clickstream(tmp_path: Path, partitions: str) -> None:
    """The clickstream topics hold the reference answers, and the cut line is in `malformed`."""
    source = DATA / "apache_logs" / "apache_logs"
    run("examples/clickstream.py", str(source), "--log", str(tmp_path), "--partitions", partitions)

    for topic, reference, columns in CLICKSTREAM:
        agree(found(tmp_path, topic, columns), expected(f"apache_logs/ref/{reference}", columns))
    (line,) = last_values(tmp_path, "malformed").values()
    assert str(line) == source.read_text().splitlines()[8898]
