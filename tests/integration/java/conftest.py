"""A broker, Kafka's tools and our Java programs, for the tests with Kafka's Java clients."""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from guards import no_hang, tell
from kafka_java import Machine, Shell, compiled

from millstream_log.testing import RunningBroker, broker

TEST_SECONDS = 120


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


@pytest.fixture(scope="module")
def served() -> Iterator[RunningBroker]:
    """Return a broker that the tests of a module share."""
    with broker() as running:
        yield running
        running.stop()
        assert "Traceback" not in running.said(), running.said()


@pytest.fixture(scope="session")
def machine(kafka_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Return a Java machine that runs Kafka's tools."""
    running = Machine(compiled(kafka_dir, tmp_path_factory.mktemp("tools"), "Tools"))
    yield running
    running.close()


@pytest.fixture
def shell(machine: Machine, served: RunningBroker) -> Shell:
    """Return Kafka's scripts against the shared broker."""
    return Shell(machine, served)


@pytest.fixture
def topic() -> str:
    """Return a topic's name that nobody has used."""
    return f"topic-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def group() -> str:
    """Return a group's name that nobody has used."""
    return f"group-{uuid.uuid4().hex[:8]}"
