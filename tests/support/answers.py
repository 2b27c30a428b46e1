"""The reference answers beside this checkout, and what the examples wrote, in one form."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
EVERYTHING = ("--from", "earliest", "--json")
needs_data = pytest.mark.skipif(
    not DATA.exists(), reason="the reference data (shared/data) is not beside this checkout"
)


def run(*arguments: str) -> None:
    """Run an example as a person would, with its warnings as errors."""
    subprocess.run(
        [sys.executable, "-W", "error", *arguments], check=True, cwd=ROOT, capture_output=True
    )


def last_values(log: Path, topic: str) -> dict[str, dict[str, Any]]:
    """Return the last value of each key, as `millstream read --json` shows them."""
    done = subprocess.run(
        [sys.executable, "-m", "millstream", "read", topic, "--log", str(log), *EVERYTHING],
        check=True,
        cwd=ROOT,
        capture_output=True,
    )
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return {json.dumps(record["key"]): record["value"] for record in records}


def expected(path: str, columns: list[str]) -> list[tuple[Any, ...]]:
    """Return columns of a reference answer, numbers as numbers, sorted."""
    with (DATA / path).open(newline="") as file:
        return sorted(tuple(_value(row[c]) for c in columns) for row in csv.DictReader(file))


def _value(text: Any) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def found(log: Path, topic: str, columns: list[str]) -> list[tuple[Any, ...]]:
    """Return columns of a topic's last values in the form of `expected`."""
    rows = last_values(log, topic).values()
    return sorted(tuple(_value("" if row[c] is None else row[c]) for c in columns) for row in rows)


def agree(left: list[tuple[Any, ...]], right: list[tuple[Any, ...]]) -> None:
    """Assert that two answers are equal, floats to a relative 1e-9."""
    assert len(left) == len(right)
    for mine, theirs in zip(left, right, strict=True):
        assert mine == tuple(
            pytest.approx(x, rel=1e-9) if isinstance(x, float) else x for x in theirs
        )


FLIGHTS = [
    (
        "departures-hourly",
        "departures_hourly_actual.csv",
        ["window_start_ms", "origin", "departures", "dep_delay_avg", "dep_delay_max"],
    ),
    (
        "flights-per-manufacturer",
        "enrich_planes_manufacturer.csv",
        ["manufacturer", "flights", "seats"],
    ),
    ("flights-per-destination", "enrich_dest_airport.csv", ["dest", "airport_name", "flights"]),
]
CLICKSTREAM = [
    ("hits-per-minute", "hits_tumbling_1m.csv", ["window_start_ms", "hits", "bytes"]),
    (
        "hits-hopping",
        "hits_hopping_60s_by_10s.csv",
        ["window_start_ms", "hits", "distinct_clients"],
    ),
    ("status-per-5m", "status_tumbling_5m.csv", ["window_start_ms", "status", "hits", "bytes"]),
    ("bytes-per-status", "bytes_per_status.csv", ["status", "hits", "bytes"]),
    ("top-pages-per-hour", "top5_pages_per_hour.csv", ["window_start_ms", "rank", "path", "hits"]),
]
