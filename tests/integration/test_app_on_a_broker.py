"""The same app on a directory and on a broker: one URL changes, the results do not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from millstream_log import Consumer
from millstream_log.testing.broker import broker

pytestmark = pytest.mark.integration

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "clickstream.py"
RESULTS = ("hits-per-minute", "hits-hopping", "status-per-5m", "bytes-per-status")
SECONDS = 120


def access_log(path: Path) -> Path:
    """Write 2,000 lines of a common log, over twenty minutes."""
    lines = (
        f"10.0.0.{n % 50} - - [17/May/2015:10:{n // 100:02d}:{n % 60:02d} +0000]"
        f' "GET /p{n * 7 % 9} HTTP/1.1" {200 if n % 11 else 404} {n}'
        for n in range(2000)
    )
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def run_app(source: Path, log: str) -> None:
    """Let the example count `source` on a log."""
    done = subprocess.run(
        [sys.executable, EXAMPLE, source, "--log", log],
        cwd=source.parent,  # the stores of a log that is elsewhere lie in ./data
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


async def results(log: str) -> dict[str, dict[bytes, bytes]]:
    """Return the last value of each key of each topic of results."""
    found: dict[str, dict[bytes, bytes]] = {}
    for topic in RESULTS:
        async with Consumer(topic, log=log, auto_offset_reset="earliest") as consumer:
            last = found[topic] = {}
            while batch := await consumer.getmany(timeout_ms=500):
                for records in batch.values():
                    last.update((record.key, record.value) for record in records)
    return found


def test_an_app_counts_the_same_on_a_broker(tmp_path: Path) -> None:
    """The day one process is too small for the log, the same file runs on a broker."""
    source = access_log(tmp_path / "access.log")
    embedded = str(tmp_path / "log")
    run_app(source, embedded)
    with broker() as running:
        served = f"kafka://{running.bootstrap}"
        run_app(source, served)
        found = asyncio.run(results(served))
    expected = asyncio.run(results(embedded))
    assert all(expected.values())
    assert found == expected
