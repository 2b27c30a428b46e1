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


def killed(log: Path, seconds: float) -> bool:
    """Start the app and kill it after so long; return False when it came to its end before."""
    app = start(log)
    assert app.stderr
    with app.stderr:
        try:
            app.wait(seconds)
        except subprocess.TimeoutExpired:
            app.send_signal(signal.SIGKILL)
            app.wait()
            return True
        assert app.returncode == 0, app.stderr.read().decode()
        return False


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
    patience_s = 1.5  # the longest wait before a kill; follows how long a run takes here
    for n in range(1, KILLS + 1):
        load(log, "flights", rows[: len(rows) * n // KILLS], 0, partitions)
        while not killed(tmp_path, chance.uniform(0.2, 1) * patience_s):
            patience_s *= 0.9
        patience_s *= 1.03
    last = start(tmp_path)
    _, errors = last.communicate()
    assert last.returncode == 0, errors.decode()

    for topic, reference, columns in answers.FLIGHTS:
        answers.agree(
            answers.found(tmp_path, topic, columns),
            answers.expected(f"nycflights/ref/{reference}", columns),
        )
