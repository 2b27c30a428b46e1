"""A broker process from outside: how it begins, whom it refuses, how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from raw_client import RawClient, fetch_request

from millstream_log.testing import RunningBroker, broker
from millstream_log.wire.frames import write_request
from millstream_log.wire.messages.api_versions import ApiVersionsRequest
from millstream_log.wire.messages.join_group import JoinGroupProtocol, JoinGroupRequest
from millstream_log.wire.messages.metadata import MetadataRequest

pytestmark = pytest.mark.integration

END_SECONDS = 3.0  # what ending may take, by promise


def serve(data: Path, *words: str) -> subprocess.Popen[str]:
    """Start `millstream serve`."""
    command = [sys.executable, "-m", "millstream", "serve", "--data", str(data), *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )


def refused(data: Path, *words: str) -> str:
    """Start a broker that does not start; return the one line that it leaves."""
    with serve(data, *words) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (1, "")
    (line,) = errors.splitlines()
    return line


def test_ready_line_tells_all_that_a_program_needs(tmp_path: Path) -> None:
    """One line of JSON on stdout: where the broker is, on which directory, in which process."""
    with serve(tmp_path / "data", "--listen", "127.0.0.1:0") as process:
        assert process.stdout
        ready = json.loads(process.stdout.readline())
        with RawClient(ready["port"]) as client:
            metadata = client.ask(MetadataRequest(topics=[]))
        process.send_signal(signal.SIGINT)
        assert process.wait(END_SECONDS) == 0
    assert ready == {
        "ready": True,
        "host": "127.0.0.1",
        "port": metadata.brokers[0].port,
        "bootstrap": f"127.0.0.1:{ready['port']}",
        "data": str(tmp_path / "data"),
        "node_id": metadata.brokers[0].node_id,
        "cluster_id": metadata.cluster_id,
        "pid": process.pid,
    }


def test_configs_come_from_a_file_and_from_words(tmp_path: Path) -> None:
    """A broker goes by its --config file, and by -o where both say something."""
    file = tmp_path / "server.properties"
    file.write_text("num.partitions=3\nauto.create.topics.enable=false\n")
    words = ("--config", str(file), "-o", "auto.create.topics.enable=true")
    with broker(arguments=words) as running, RawClient(running.port) as client:
        client.create("t")
        metadata = client.ask(MetadataRequest(topics=None))
        assert [len(topic.partitions) for topic in metadata.topics] == [3]


def test_what_cannot_be_served_is_one_line(tmp_path: Path) -> None:
    """A wrong word, a wrong config, a taken address, a taken directory: one line, status 1."""
    free = ("--listen", "127.0.0.1:0")
    assert "--insecure" in refused(tmp_path, "--listen", "0.0.0.0:0")
    hint = refused(tmp_path, *free, "-o", "log.retention.mss=1")
    assert "log.retention.mss" in hint
    assert "did you mean log.retention.ms" in hint
    assert "none.properties" in refused(tmp_path, *free, "--config", "none.properties")
    with broker(tmp_path / "taken") as running:
        taken = refused(tmp_path, "--listen", running.bootstrap)
        assert f"cannot listen on {running.bootstrap}: Address already in use" in taken
        assert f"process {running.pid}" in refused(tmp_path / "taken", *free)


@pytest.fixture
def strict() -> Iterator[RunningBroker]:
    """Return a broker that takes two connections of one address."""
    with broker(configs={"max.connections.per.ip": "2"}) as running:
        yield running


def test_each_address_has_so_many_connections(strict: RunningBroker) -> None:
    """One connection too many is closed at once; when one goes, the next one is taken."""
    question = ApiVersionsRequest(client_software_name="n", client_software_version="1")
    with RawClient(strict.port) as first, RawClient(strict.port) as second:
        for client in (first, second):
            assert client.ask(question).api_keys
        with RawClient(strict.port) as third:
            assert third.is_closed()
        assert first.ask(question).api_keys
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        with RawClient(strict.port) as again:
            try:
                assert again.ask(question).api_keys
                break
            except ConnectionError:  # it has not seen the others go yet
                time.sleep(0.05)
    else:
        pytest.fail("no connection is taken after others have gone")
    assert "refusing 127.0.0.1: 2 connections of its own" in strict.said()


def test_sigterm_ends_it_in_time_with_clients_connected() -> None:
    """Idle clients, a parked fetch, a waiting member, a half request: none holds up the end."""
    with broker() as running:
        clients = [RawClient(running.port) for _ in range(5)]
        idle, fetching, joining, sending, unread = clients
        idle.create("t")
        waits = fetch_request("t", 0)
        waits.max_wait_ms, waits.min_bytes = 60_000, 1
        fetching.sock.sendall(b"".join(write_request(waits, 12, 1, None)))
        joins = JoinGroupRequest(
            group_id="g",
            session_timeout_ms=30_000,
            rebalance_timeout_ms=60_000,
            member_id="",
            protocol_type="consumer",
            protocols=[JoinGroupProtocol(name="range", metadata=b"")],
        )
        joining.sock.sendall(b"".join(write_request(joins, 3, 1, None)))
        sending.sock.sendall(b"\0\0\1\0half")
        for number in range(50):
            idle.produce("t", [bytes(100_000)])
            unread.sock.sendall(b"".join(write_request(fetch_request("t", 0), 12, number, None)))
        began = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - began < END_SECONDS
        for client in clients:
            with client:
                assert client.is_closed()
        assert "Traceback" not in running.said()
