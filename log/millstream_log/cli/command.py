"""What every command is, and the questions that they all ask of a log.

    millstream FAMILY WORD  --log URL  ->  Command.run(args)  ->  exit status

Invariants: a command that only reads opens the log read-only and takes no lock, so that it
works beside a running app; nothing is created by asking.
"""

from __future__ import annotations

import argparse
import os
import urllib.parse
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from ..client.admin import Admin
from ..client.transport import Transport, open_transport, scheme_of
from ..errors import UnknownTopicOrPartitionError
from ..model import TopicDescription, TopicPartition

LOG_DEFAULT = "./data"


class Command(Protocol):
    """One word of the command line."""

    name: str
    help: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the word takes."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; return the exit status."""
        ...


class CommandError(Exception):
    """What was asked cannot be done; the message says what, where, and what to do."""


class Word:
    """A word whose work is one coroutine, `work(args) -> exit status`."""

    def __init__(
        self,
        name: str,
        text: str,
        arguments: Callable[[argparse.ArgumentParser], None],
        work: Callable[[argparse.Namespace], Coroutine[Any, Any, int]],
    ) -> None:
        self.name = name
        self.help = text
        self._arguments = arguments
        self._work = work

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the word takes."""
        add_log(parser)
        self._arguments(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Run the coroutine on an event loop of its own."""
        import asyncio

        return asyncio.run(self._work(args))


class Family:
    """A word that is followed by another; alone it is the first of them."""

    def __init__(self, name: str, text: str, words: Sequence[Command]) -> None:
        self.name = name
        self.help = text
        self.words = words

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take one of the words."""
        self.words[0].add_arguments(parser)
        add_words(parser, self.words, metavar="WORD")

    def run(self, args: argparse.Namespace) -> int:
        """Do what the first word does."""
        return self.words[0].run(args)


def add_words(
    parser: argparse.ArgumentParser, words: Sequence[Command], *, metavar: str
) -> dict[str, argparse.ArgumentParser]:
    """Let one of `words` follow; return their parsers by name."""
    family = parser.add_subparsers(metavar=metavar, title="commands")
    parsers = {}
    for word in words:
        parsers[word.name] = family.add_parser(word.name, help=word.help, description=word.help)
        word.add_arguments(parsers[word.name])
        parsers[word.name].set_defaults(command=word)
    return parsers


def add_log(parser: argparse.ArgumentParser, *, dest: str = "log") -> None:
    """Take `--log`; its default stands at the top, so that it may come before the word too."""
    parser.add_argument(
        "--log",
        dest=dest,
        metavar="URL",
        default=argparse.SUPPRESS,
        help=f"the log: a directory, or kafka://host:port (default: {LOG_DEFAULT})",
    )


def add_json(parser: argparse.ArgumentParser, text: str = "one JSON object a line") -> None:
    """Take `--json`; its default stands at the top."""
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=text)


def positive(text: str) -> int:
    """Read a whole number from 1 on, as argparse wants it read."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def natural(text: str) -> int:
    """Read a whole number from 0 on, as argparse wants it read."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is not 0 or more")
    return number


def setting(text: str) -> tuple[str, str]:
    """Read `name=value`, as argparse wants it read."""
    name, mark, value = text.partition("=")
    if not mark or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not name=value")
    return name.strip(), value.strip()


def add_settings(parser: argparse.ArgumentParser, text: str) -> None:
    """Take `-c name=value`, any number of times."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="NAME=VALUE",
        type=setting,
        action="append",
        default=[],
        dest="configs",
        help=text,
    )


def directory_of(url: str) -> str | None:
    """Return the directory that a log URL names; None when it names something else."""
    if scheme_of(url) != "file":
        return None
    path = url.partition("?")[0]
    if path.startswith("file:"):
        path = urllib.parse.unquote(path.removeprefix("file://").removeprefix("file:"))
    return os.path.expanduser(path)


def read_only(url: str) -> str:
    """Return the URL that opens the same log for reading only.

    Raises CommandError when it names a directory that is not there.
    """
    directory = directory_of(url)
    if directory is None:
        return url
    if not os.path.isdir(directory):
        raise CommandError(f"no log at {directory}: name the right one with --log")
    return f"{url}{'&' if '?' in url else '?'}read_only=true"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Transport]:
    """Open a way to the log for as long as the block lasts."""
    transport = await open_transport(url)
    try:
        yield transport
    finally:
        await transport.close()


@asynccontextmanager
async def administered(url: str) -> AsyncIterator[tuple[Transport, Admin]]:
    """Open a way to the log, and an admin client on it, for as long as the block lasts."""
    async with opened(url) as transport, Admin(transport) as admin:
        yield transport, admin


async def find_topic(admin: Admin, name: str) -> TopicDescription:
    """Return a topic; raise CommandError that names the ones that come close."""
    try:
        return (await admin.describe_topics([name]))[0]
    except UnknownTopicOrPartitionError:
        import difflib

        known = [topic for topic in await admin.list_topics() if not topic.startswith("__")]
        close = difflib.get_close_matches(name, known, n=3) or known[:5]
        hint = f"there is {', '.join(close)}" if close else "the log has no topics yet"
        raise CommandError(f"no topic {name!r}: {hint}") from None


async def find_partitions(admin: Admin, topic: str, partition: int | None) -> list[TopicPartition]:
    """Return all partitions of a topic, or the one that was asked for."""
    count = (await find_topic(admin, topic)).partitions
    if partition is None:
        return [TopicPartition(topic, index) for index in range(count)]
    if partition >= count:
        raise CommandError(f"topic {topic!r} has no partition {partition}: it has 0 to {count - 1}")
    return [TopicPartition(topic, partition)]
