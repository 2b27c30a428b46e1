"""A log that a scenario of the contract suite can be run on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from millstream_log import open_transport

Scenario = Callable[[str], Awaitable[Any]]


class Body:
    """A log that a scenario can be run on."""

    def __init__(self, url: str, *, durable: bool, second_seconds: float = 30) -> None:
        self.url = url
        self.durable = durable  # what one run wrote, the next run finds
        self._seconds = second_seconds

    def run(self, scenario: Scenario) -> Any:
        """Run `scenario(url)` on an event loop of its own, within a time that means it hangs."""

        async def held() -> Any:
            keeper = await open_transport(self.url)  # a log in memory lasts while it is held
            try:
                async with asyncio.timeout(self._seconds):
                    return await scenario(self.url)
            finally:
                await keeper.close()

        return asyncio.run(held())
