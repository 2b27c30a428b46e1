"""The bodies that the contract suite runs on: each gives a log URL and runs one scenario on it."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from body import Body


@pytest.fixture(params=["disk", "disk-ack", "memory"])
def body(request: pytest.FixtureRequest, tmp_path: Path) -> Body:
    """Give each test an empty log of each kind."""
    if request.param == "memory":
        return Body(f"memory://{uuid.uuid4().hex}", durable=False)
    flush = "ack" if request.param == "disk-ack" else "os"
    return Body(f"{tmp_path / 'log'}?flush={flush}", durable=True)
