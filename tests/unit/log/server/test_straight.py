import asyncio
from typing import Any

import pytest

from millstream_log.server.straight import begin


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def test_what_does_not_wait_makes_no_task() -> None:
    """A coroutine without a wait ends within the call."""
    done: list[int] = []

    async def work() -> int:
        return 7

    async def main() -> None:
        assert begin(work(), done.append) is None

    run(main())
    assert done == [7]


def test_what_waits_goes_on_as_a_task() -> None:
    """The rest of a coroutine that waits several times runs on, and its value comes."""
    done: list[list[int]] = []

    async def work(futures: list[asyncio.Future[int]]) -> list[int]:
        return [await future for future in futures]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(3)]
        task = begin(work(futures), done.append)
        assert task is not None
        for number, future in enumerate(futures):
            future.set_result(number)
        await task

    run(main())
    assert done == [[0, 1, 2]]


def test_cancelled_wait_reaches_the_coroutine() -> None:
    """A cancelled task lets the coroutine clean up, as if it had been a task from the start."""
    seen: list[str] = []

    async def work(future: asyncio.Future[None]) -> None:
        try:
            await future
        finally:
            seen.append("cleaned")

    async def main() -> None:
        task = begin(work(asyncio.get_running_loop().create_future()), seen.append)
        assert task is not None
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert seen == ["cleaned"]


def test_errors_come_to_whom_they_concern() -> None:
    """An error before the first wait is raised at once, a later one lies in the task."""

    async def early() -> None:
        raise ValueError("early")

    async def late(future: asyncio.Future[None]) -> None:
        await future
        raise ValueError("late")

    async def main() -> None:
        with pytest.raises(ValueError, match="early"):
            begin(early(), print)
        future = asyncio.get_running_loop().create_future()
        task = begin(late(future), print)
        assert task is not None
        future.set_result(None)
        with pytest.raises(ValueError, match="late"):
            await task

    run(main())
