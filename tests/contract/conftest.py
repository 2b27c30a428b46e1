"""The bodies that the contract suite runs on: each gives a log URL and runs one scenario on it.

disk, disk-ack, memory    the embedded log, a new one for each test
broker                    our broker on TCP, one for the session, emptied before each test
kafka                     Apache Kafka, the same way; marked `integration`
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from body import Body, empty
from kafka_server import NoKafkaError, kafka_server

from millstream_log.testing.broker import broker

BODIES = [
    "disk",
    "disk-ack",
    "memory",
    "broker",
    pytest.param("kafka", marks=pytest.mark.integration),
]


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """Run our broker for the session."""
    with broker() as running:
        yield f"kafka://{running.bootstrap}"


@pytest.fixture(scope="session")
def kafka_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run Apache Kafka for the session."""
    try:
        with kafka_server(tmp_path_factory.mktemp("kafka")) as bootstrap:
            yield f"kafka://{bootstrap}"
    except NoKafkaError as error:
        pytest.skip(str(error))


@pytest.fixture(params=BODIES)
def body(request: pytest.FixtureRequest, tmp_path: Path) -> Body:
    """Give each test an empty log of each kind."""
    if request.param == "memory":
        return Body(f"memory://{uuid.uuid4().hex}", durable=False)
    if request.param in ("broker", "kafka"):
        url: str = request.getfixturevalue(f"{request.param}_url")
        empty(url)
        return Body(url, durable=True, ours=request.param == "broker")
    flush = "ack" if request.param == "disk-ack" else "os"
    return Body(f"{tmp_path / 'log'}?flush={flush}", durable=True)
