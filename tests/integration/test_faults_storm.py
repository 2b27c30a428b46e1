"""A thousand connections that mean no good, and descriptors that run out."""

from __future__ import annotations

import contextlib
import os
import resource
import time

import pytest
from broker_load import SteadyClient
from raw_client import RawClient, rss_bytes
from storm import Storm, can_hold, fill

from millstream_log.testing import RunningBroker, broker
from millstream_log.wire.messages.api_versions import ApiVersionsRequest

pytestmark = pytest.mark.integration

CONNECTIONS = 1000
ROUNDS = 100
UNSENT_BYTES_MAX = 64 << 20
RSS_BYTES_MAX = 300 << 20
HELLO = ApiVersionsRequest(client_software_name="n", client_software_version="1")
SECONDS = 20.0


def await_rounds(steady: SteadyClient, more: int) -> None:
    """Wait until a client has gone on for some rounds."""
    goal, deadline = steady.rounds + more, time.monotonic() + SECONDS
    while steady.rounds < goal:
        steady.check()
        assert time.monotonic() < deadline, f"{steady.rounds} rounds, {goal} were to come"
        time.sleep(0.01)


def has_place(running: RunningBroker) -> bool:
    """Connect; return whether that is served or refused."""
    with RawClient(running.port) as client:
        try:
            return bool(client.ask(HELLO).api_keys)
        except ConnectionError:
            return False


def await_place(running: RunningBroker) -> None:
    """Wait until a new connection is served."""
    deadline = time.monotonic() + SECONDS
    while not has_place(running):
        assert time.monotonic() < deadline, "nobody is let in any more"
        time.sleep(0.05)


def test_storm_takes_neither_memory_nor_the_place_of_others() -> None:
    """A thousand bad connections cost bounded memory; normal clients go on and get in."""
    if not can_hold(CONNECTIONS):
        pytest.skip(f"this process may not have {CONNECTIONS} connections")
    configs = {"queued.max.response.bytes": str(UNSENT_BYTES_MAX)}
    with broker(configs=configs) as running:
        with RawClient(running.port) as client:
            fill(client)
        with SteadyClient(running.port) as steady, Storm(running.port, CONNECTIONS) as storm:
            await_rounds(steady, ROUNDS)
            assert storm.refused == 0
            assert has_place(running)
            used = rss_bytes(running.pid)
            assert used < RSS_BYTES_MAX, f"{used} bytes in use"
            await_rounds(steady, ROUNDS)
        assert has_place(running)
        assert running.stop() == 0
        assert "Traceback" not in running.said()


def test_connections_beyond_the_bound_are_refused() -> None:
    """Beyond max.connections new ones are closed at once, until others have gone."""
    with broker(configs={"max.connections": "20"}) as running:
        with SteadyClient(running.port) as steady, contextlib.ExitStack() as held:
            served = [held.enter_context(RawClient(running.port)) for _ in range(19)]
            for client in served:
                assert client.ask(HELLO).api_keys
            assert not has_place(running)
            await_rounds(steady, 10)
        await_place(running)
        assert "refusing 127.0.0.1: 20 connections" in running.said()


def test_without_descriptors_new_connections_are_refused_and_others_go_on() -> None:
    """When the process has no descriptor left it refuses who comes, and answers who is there."""
    with broker() as running:
        soft, hard = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
        with SteadyClient(running.port) as steady, contextlib.ExitStack() as held:
            await_rounds(steady, 1)  # its log is open now
            in_use = len(os.listdir(f"/proc/{running.pid}/fd"))
            resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (in_use + 10, hard))
            clients = [held.enter_context(RawClient(running.port)) for _ in range(100)]
            assert clients[0].ask(HELLO).api_keys
            assert all(client.is_closed() for client in clients[20:])
            await_rounds(steady, 10)
            resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (soft, hard))
            assert clients[0].ask(HELLO).api_keys
            await_place(running)
        assert running.stop() == 0
        said = running.said()
        assert "out of descriptors: refusing a connection" in said
        assert "Traceback" not in said
