from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from millstream_log import Admin, Producer, embedded, open_transport
from millstream_log.errors import (
    ClosedError,
    InvalidConfigError,
    InvalidRequestError,
    LockedError,
    UnknownTopicOrPartitionError,
)
from millstream_log.wire.messages.metadata import MetadataRequest


def test_one_directory_has_one_broker_until_the_last_lets_go(tmp_path: Path) -> None:
    """Every spelling of a path leads to the same broker, and the last to close closes it."""

    async def main() -> None:
        link = tmp_path / "link"
        (tmp_path / "log").mkdir()
        link.symlink_to(tmp_path / "log")
        ways = [
            await embedded.open_file(url)
            for url in (
                f"{tmp_path}/log?flush=os",
                f"file:{tmp_path}/log",
                f"file://{tmp_path}/x/../log",
                str(link),
            )
        ]
        assert len({id(way.broker) for way in ways}) == 1
        for way in ways[:-1]:
            await way.close()
            await way.close()
        with pytest.raises(ClosedError):
            await ways[0].send(MetadataRequest())
        await ways[-1].send(MetadataRequest())
        await ways[-1].close()
        assert not embedded._brokers
        again = await embedded.open_file(str(link))
        assert again.broker is not ways[0].broker
        await again.close()

    asyncio.run(main())


def test_two_that_open_at_once_share(tmp_path: Path) -> None:
    """Opening takes its time only once, however many ask meanwhile."""

    async def main() -> None:
        ways = await asyncio.gather(*(embedded.open_file(str(tmp_path)) for _ in range(5)))
        assert len({id(way.broker) for way in ways}) == 1
        await asyncio.gather(*(way.close() for way in ways))

    asyncio.run(main())


def test_options_may_be_left_out_but_not_contradicted(tmp_path: Path) -> None:
    """A second URL that asks for another policy is refused while the first is open."""

    async def main() -> None:
        first = await open_transport(f"{tmp_path}?flush=os&num.partitions=3")
        second = await open_transport(f"{tmp_path}?num.partitions=3")
        with pytest.raises(InvalidConfigError, match="flush=os"):
            await open_transport(f"{tmp_path}?flush=ack")
        await first.close()
        await second.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("flush=never", "ack, interval, os"),
        ("no.such=1", "no.such"),
        ("open_files_max=x", "whole number"),
        ("read_only=perhaps", "true or false"),
        ("num.partitions=0", "at least 1"),
    ],
)
def test_wrong_options_are_refused_and_leave_nothing_open(
    tmp_path: Path, query: str, message: str
) -> None:
    """A URL with a wrong option is an InvalidConfigError, and the directory can be opened after."""

    async def main() -> None:
        with pytest.raises(InvalidConfigError, match=message):
            await open_transport(f"{tmp_path}/log?{query}")
        await (await open_transport(f"{tmp_path}/log")).close()
        assert not embedded._brokers

    asyncio.run(main())


def test_an_unknown_scheme_is_refused() -> None:
    """The message lists the schemes that can be opened."""
    with pytest.raises(InvalidRequestError, match="file, kafka, memory"):
        asyncio.run(open_transport("kafka9://host:1"))


def test_a_second_writer_is_told_who_holds_the_log(tmp_path: Path) -> None:
    """Another process that opens the directory to write gets a LockedError naming the holder."""
    script = (
        "import asyncio, sys\n"
        "from millstream_log import open_transport\n"
        "async def main():\n"
        "    await open_transport(sys.argv[1])\n"
        "    print('open', flush=True)\n"
        "    sys.stdin.read()\n"
        "asyncio.run(main())\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(LockedError, match=str(holder.pid)):
            asyncio.run(open_transport(str(tmp_path)))
        asyncio.run(_read_only(str(tmp_path)))
    finally:
        holder.communicate()


async def _read_only(path: str) -> None:
    """Look at a log that somebody else writes, and try to write."""
    async with Admin(f"{path}?read_only=true") as admin:
        assert await admin.list_topics() == []
    async with Producer(f"{path}?read_only=true") as producer:
        with pytest.raises(UnknownTopicOrPartitionError):  # and it is not created either
            await producer.send("t", b"v")


def test_logs_in_memory_are_shared_by_name_while_they_are_open() -> None:
    """What one client writes another of the same name reads; afterwards the name is empty."""

    async def main() -> None:
        async with Producer("memory://a") as producer, Admin("memory://a") as same:
            await producer.send_and_wait("t", b"v")
            assert await same.list_topics() == ["t"]
            async with Admin("memory://b") as other:
                assert await other.list_topics() == []
        async with Admin("memory://a") as again:
            assert await again.list_topics() == []

    asyncio.run(main())
