"""How long one call goes on trying, and how long it rests between two tries.

rest 20 ms, 40, 80 ... 1000, 1000 ... until the time is over
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[object]]

_FIRST_SECONDS = 0.02
_MOST_SECONDS = 1.0


class Patience:
    """The tries of one call."""

    def __init__(self, seconds: float, sleep: Sleep) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + seconds
        self._left = seconds  # to rest
        self._sleep = sleep
        self._next = _FIRST_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether no further try is worth it."""
        return self._next > min(self._left, self._deadline - self._loop.time())

    async def rest(self) -> None:
        """Wait before the next try, longer each time."""
        seconds, self._next = self._next, min(2 * self._next, _MOST_SECONDS)
        self._left -= seconds
        await self._sleep(seconds)
