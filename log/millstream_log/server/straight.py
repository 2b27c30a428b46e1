"""Run a coroutine as far as it goes by itself, and only what must wait as a task.

    begin(coroutine, done) -> None | Task      `done(value)` is called in either case

Most requests never wait: a task for each of them would cost more than their work.

Invariants: `done` runs in the very step in which the coroutine ends, so that what it counts is
counted before another coroutine looks; an error of the straight part is raised here, that of
the rest lies in the task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any


def begin(
    coroutine: Coroutine[Any, Any, Any], done: Callable[[Any], None]
) -> asyncio.Task[None] | None:
    """Run `coroutine` up to its first wait; return a task for what is left of it, if anything."""
    try:
        waited_for = coroutine.send(None)
    except StopIteration as stop:
        done(stop.value)
        return None
    return asyncio.get_running_loop().create_task(_finish(_Rest(coroutine, waited_for), done))


async def _finish(rest: _Rest, done: Callable[[Any], None]) -> None:
    done(await rest)


class _Rest:
    """What is left of a coroutine that waits for a future already."""

    __slots__ = ("_coroutine", "_waited_for")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waited_for: Any) -> None:
        self._coroutine = coroutine
        self._waited_for = waited_for

    def __await__(self) -> Generator[Any, Any, Any]:
        waited_for = self._waited_for
        while True:
            try:
                try:
                    yield waited_for
                except BaseException as error:  # a wait that was cancelled: it has to hear of it
                    waited_for = self._coroutine.throw(error)
                else:
                    waited_for = self._coroutine.send(None)
            except StopIteration as stop:
                return stop.value
