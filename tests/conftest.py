"""What every test shares: Hypothesis' house settings, and the seed and length of a long run.

A seeded test takes `sim_seed` and `sim_steps`. The seed is drawn anew for every run and is
printed with a failure; MILLSTREAM_SIM_SEED repeats a run, MILLSTREAM_SIM_STEPS sets its length.
"""

from __future__ import annotations

import os
import random

import hypothesis
import pytest

SIM_STEPS_DEFAULT = 300  # short enough for a run that was not asked to be long

hypothesis.settings.register_profile(
    "house",
    deadline=None,  # a busy machine is not a wrong answer
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("house")


@pytest.fixture
def sim_steps() -> int:
    """Return how many steps a seeded run takes."""
    return int(os.environ.get("MILLSTREAM_SIM_STEPS", SIM_STEPS_DEFAULT))


@pytest.fixture
def sim_seed(request: pytest.FixtureRequest) -> int:
    """Return the seed of this run, and have it printed should the test fail."""
    seed = int(os.environ.get("MILLSTREAM_SIM_SEED", random.SystemRandom().getrandbits(32)))
    request.node.add_report_section("call", "seed", f"MILLSTREAM_SIM_SEED={seed} repeats this run")
    return seed
