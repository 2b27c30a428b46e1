from __future__ import annotations

from pathlib import Path

import pytest
from consumer_scenarios import ConsumerScenario
from group_scenarios import played

SCENARIOS = sorted((Path(__file__).parent / "consumer_groups").glob("*.txt"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_has_the_effects_it_says(path: Path) -> None:
    """Every step of a scenario brings about what stands below it, and nothing else."""
    text = path.read_text("utf-8")
    assert played(text, ConsumerScenario()) == text


def test_there_are_scenarios() -> None:
    """An empty folder would pass the test above without a word."""
    assert len(SCENARIOS) >= 14
