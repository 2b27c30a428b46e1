"""Plays a world of random happenings, so that a failure says how to see it again."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol


class World(Protocol):
    """What lives by chance, and checks itself after every step."""

    def step(self) -> str:
        """Let something happen; return what it was."""
        ...

    def end(self) -> None:
        """Let everything come to its end."""
        ...


def play(make: Callable[[random.Random], World], seed: str, steps: int) -> None:
    """Play a world from a seed; a failure says what happened last."""
    world, happened = make(random.Random(seed)), list[str]()
    try:
        for _ in range(steps):
            happened.append(world.step())
        world.end()
    except AssertionError as error:
        last = "\n".join(happened[-30:])
        raise AssertionError(f"{error}\nrun {seed}, after step {len(happened)}:\n{last}") from error
