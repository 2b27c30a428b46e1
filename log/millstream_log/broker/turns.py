"""Lets others have the event loop while one request does much.

    step, step, step | 1 ms is over: the loop turns | step, step, ...

Invariants: work that is short never waits; once the broker closes no further step is taken, and
what a step has left is what a crash would leave; an asker that goes away cuts nothing short.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TypeVar

from ..errors import ClosedError
from .host import Host, Steps, in_one_go

TURN_SECONDS = 0.001
"""How long a request may work before the others have their turn."""

S = TypeVar("S")
T = TypeVar("T")


class Turns:
    """The share of the event loop that one request has."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._until = host.clock.monotonic() + TURN_SECONDS

    async def take(self, steps: Steps[T]) -> T:
        """Take all steps of a change, with the turns of others in between; return its result.

        Raises: ClosedError when the broker closes meanwhile; what the steps raise.
        """
        try:
            while True:
                self._check_open()
                next(steps)
                await self.give_way()
        except StopIteration as done:
            result: T = done.value
            return result
        except asyncio.CancelledError:
            if not self._host.closing:
                in_one_go(steps)
            raise

    async def each(self, items: Iterable[S], work: Callable[[S], T]) -> list[T]:
        """Work on items one by one, with the turns of others in between; return the results.

        Raises: ClosedError when the broker closes meanwhile; what the work raises.
        """
        results = []
        for item in items:
            self._check_open()
            results.append(work(item))
            await self.give_way()
        return results

    async def give_way(self) -> None:
        """Let the others have their turn if this one has lasted long enough."""
        if self._host.clock.monotonic() >= self._until:
            await asyncio.sleep(0)
            self._until = self._host.clock.monotonic() + TURN_SECONDS

    def _check_open(self) -> None:
        if self._host.closing:
            raise ClosedError(f"the log at {self._host.path} is closed")
