"""Hostile frames by the thousand, drawn from a seed, against a real broker."""

from __future__ import annotations

import pytest
from broker_load import survive_frames

from millstream_log.testing import broker

FRAMES = 20_000


@pytest.mark.sim
def test_broker_survives_hostile_frames(sim_seed: int) -> None:
    """The broker lives, keeps its memory, has no fault to log, and goes on answering others."""
    with broker() as running:
        survive_frames(running, sim_seed, FRAMES)
