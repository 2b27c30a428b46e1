"""A broker, an input, and the frameworks whose apps run on them unchanged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from click_job import Clicks, make_clicks
from guards import no_hang, tell
from kafka_dump import ROOT

from millstream_log.testing import RunningBroker, broker

TEST_SECONDS = 180
QUIX = "quixstreams>=3.20"


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """Fail a test that takes too long."""
    with no_hang(TEST_SECONDS):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what the broker said into the report of a failure."""
    report = yield
    tell(item, report)
    return report


@pytest.fixture
def served() -> Iterator[RunningBroker]:
    """Return a broker of the test's own."""
    with broker() as running:
        yield running
        running.stop()
        assert "Traceback" not in running.said(), running.said()


@pytest.fixture(scope="session")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Clicks:
    """Return the input of the quick frameworks."""
    return make_clicks(tmp_path_factory.mktemp("clicks"), 20_000)


@pytest.fixture(scope="session")
def few_clicks(tmp_path_factory: pytest.TempPathFactory) -> Clicks:
    """Return the input of the slow ones."""
    return make_clicks(tmp_path_factory.mktemp("few-clicks"), 4_000)


@pytest.fixture(scope="session")
def quix_python() -> Path:
    """Return a Python that has Quix Streams, which is too heavy for the development environment."""
    where = ROOT / ".cache" / "quix"
    python, whole = where / "bin" / "python", where / ".whole"
    if not whole.exists():
        make = [sys.executable, "-m", "venv", str(where)]
        fill = [str(python), "-m", "pip", "install", "--quiet", QUIX]
        for command in (make, fill):
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=TEST_SECONDS
            )
            if done.returncode:
                pytest.skip(f"Quix Streams cannot be installed: {done.stderr.strip()[-200:]}")
        whole.touch()
    return python
