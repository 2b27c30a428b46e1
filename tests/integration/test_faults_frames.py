"""A thousand hostile frames against a real broker; `make sim` sends twenty thousand."""

from __future__ import annotations

import pytest
from broker_load import survive_frames

from millstream_log.testing import broker

FRAMES = 1000


@pytest.mark.integration
def test_broker_survives_hostile_frames(sim_seed: int) -> None:
    """The broker lives, keeps its memory, has no fault to log, and goes on answering others."""
    with broker() as running:
        survive_frames(running, sim_seed, FRAMES)
