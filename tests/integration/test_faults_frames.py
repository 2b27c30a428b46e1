"""A thousand hostile frames against a real broker; `make sim` sends twenty thousand."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from broker_load import survive_frames
from hostile import CROWDS
from raw_client import RawClient

from millstream_log.testing import broker

FRAMES = 1000
MANY_ITEMS = 12_000_000


@pytest.mark.integration
def test_broker_survives_hostile_frames(sim_seed: int) -> None:
    """The broker lives, keeps its memory, has no fault to log, and goes on answering others."""
    with broker() as running:
        survive_frames(running, sim_seed, FRAMES)


@pytest.mark.integration
@pytest.mark.parametrize("crowd", CROWDS)
def test_broker_refuses_a_crowd_of_tiny_items(crowd: Callable[[int], bytes]) -> None:
    """A frame of millions of items takes no more memory than its bytes, and one line says why."""
    raw = crowd(MANY_ITEMS)
    with broker() as running:
        client = RawClient(running.port)
        client.create("topic")
        before = peak_bytes(running.pid)
        with socket.create_connection(("127.0.0.1", running.port)) as sock:
            sock.sendall(raw)
            assert sock.recv(1) == b""
        grown = peak_bytes(running.pid) - before
        assert not client.produce("topic", [b"value"]).error_code
        client.sock.close()
        said = running.said().splitlines()
    assert grown < 2 * len(raw) + (20 << 20), f"{grown} bytes for a frame of {len(raw)}"
    (line,) = [line for line in said if "closing the connection" in line]
    assert "more than 250000 items" in line


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
