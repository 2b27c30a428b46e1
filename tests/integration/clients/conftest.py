"""Brokers and clients for the tests with foreign clients.

Invariants: whatever hangs is a failure, and says where; a failure shows what the broker said; a
broker that says anything has failed its test, because it speaks only of what it did not expect.
"""

from __future__ import annotations

import gc
import signal
import uuid
from collections.abc import Generator, Iterator
from types import FrameType

import pytest
from confluent_kafka.admin import NewTopic
from foreign import aio, confluent, kafka_python, kafkajs, kcat
from foreign.client import SECONDS, Client
from foreign.fixtures import CLIENTS, GetClient, MakeTopic

from millstream_log.testing import RunningBroker, broker

TEST_SECONDS = 120

IN_PROCESS: dict[str, Client] = {
    client.name: client
    for client in (confluent.Confluent(), aio.Aiokafka(), kafka_python.KafkaPython())
}


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    """Fail a test that takes too long, at the line where it is."""

    def ring(_: int, __: FrameType | None) -> None:
        raise AssertionError(f"the test hangs: {TEST_SECONDS} s are over")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(TEST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what the broker said into the report of a failure."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, RunningBroker):
                report.sections.append(("the broker's stderr", value.said() or "nothing"))
    return report


@pytest.fixture(scope="module")
def served() -> Iterator[RunningBroker]:
    """Return a broker that the tests of a module share."""
    with broker() as running:
        yield running
        running.stop()
        gc.collect()  # what clients leave behind is not to be found by another module's tests
        assert "Traceback" not in running.said(), running.said()


@pytest.fixture
def make_topic(served: RunningBroker) -> MakeTopic:
    """Return what creates a topic, with a new name, on the shared broker."""

    def make(partitions: int = 1, **configs: str) -> str:
        name = f"topic-{uuid.uuid4().hex[:8]}"
        dotted = {key.replace("_", "."): value for key, value in configs.items()}
        wanted = NewTopic(name, partitions, 1, config=dotted)
        admin = confluent.admin(served.bootstrap)
        admin.create_topics([wanted])[name].result(SECONDS)
        return name

    return make


@pytest.fixture(scope="session")
def node() -> Iterator[kafkajs.Kafkajs]:
    """Return kafkajs, running."""
    if reason := kafkajs.why_missing():
        pytest.skip(reason)
    running = kafkajs.Kafkajs()
    yield running
    running.close()


@pytest.fixture(scope="session")
def cat() -> kcat.Kcat:
    """Return kcat."""
    if reason := kcat.why_missing():
        pytest.skip(reason)
    return kcat.Kcat()


@pytest.fixture
def get_client(request: pytest.FixtureRequest) -> GetClient:
    """Return what gives a client by its name, or skips the test when it cannot be installed."""

    def get(name: str) -> Client:
        if name in IN_PROCESS:
            return IN_PROCESS[name]
        client: Client = request.getfixturevalue({"kafkajs": "node", "kcat": "cat"}[name])
        return client

    return get


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, get_client: GetClient) -> Client:
    """Return each client in turn."""
    return get_client(request.param)
