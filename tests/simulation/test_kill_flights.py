"""The flights app killed again and again: its tables end as those of a run never broken.

Before each start a further slice of the flights goes into the log, so that every run has work to
be killed at. The moments are drawn from a seed, which is printed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import answers
import flights
import pytest
from load import load

FLIGHTS = answers.DATA / "nycflights"
KILLS = int(os.environ.get("MILLSTREAM_KILLS", "20"))
APP = [sys.executable, "-m", "millstream", "run", "examples/flights.py"]


def start(log: Path) -> subprocess.Popen[bytes]:
    """Start the app on the log, to run until the end of input."""
    return subprocess.Popen(
        [*APP, "--log", str(log), "--until", "end"], cwd=answers.ROOT, stderr=subprocess.PIPE
    )


@pytest.mark.sim
@answers.needs_data
def test_kills_change_no_answer(tmp_path: Path, sim_seed: int) -> None:
    """After any number of SIGKILLs the last value of every key is the reference's."""
    chance = random.Random(sim_seed)
    partitions = 4
    rows = list(flights.flight_rows(FLIGHTS / "flights_2013_01.csv"))
    log = str(tmp_path)
    load(log, "planes", flights.table_rows(FLIGHTS / "planes.csv", "tailnum"), 0, partitions)
    load(log, "airports", flights.table_rows(FLIGHTS / "airports.csv", "faa"), 0, partitions)
    usual_s = 1.5  # how long a run takes; learned as runs end before they are killed
    killed = 0
    for n in range(1, KILLS + 1):
        load(log, "flights", rows[: len(rows) * n // KILLS], 0, partitions)
        begun = time.monotonic()
        app = start(tmp_path)
        try:
            app.wait(chance.uniform(0.2, 1.2) * usual_s)
            assert app.returncode == 0, app.stderr.read().decode() if app.stderr else ""
            usual_s = 0.7 * usual_s + 0.3 * (time.monotonic() - begun)
        except subprocess.TimeoutExpired:
            app.send_signal(signal.SIGKILL)
            app.wait()
            killed += 1
        finally:
            if app.stderr:
                app.stderr.close()
    last = start(tmp_path)
    _, errors = last.communicate()
    assert last.returncode == 0, errors.decode()
    assert killed >= KILLS // 3, f"only {killed} of {KILLS} runs were killed before their end"

    for topic, reference, columns in answers.FLIGHTS:
        answers.agree(
            answers.found(tmp_path, topic, columns),
            answers.expected(f"nycflights/ref/{reference}", columns),
        )
