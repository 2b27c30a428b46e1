"""What the tests ask of every client: write, read, look up a time, be a member of a group."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

SECONDS = 30.0
"""How long a client may take for anything before it counts as hung."""

EARLIEST = -2
LATEST = -1

Header = tuple[str, bytes | None]


class Row(NamedTuple):
    """A record as its writer knows it."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[Header, ...] = ()
    timestamp_ms: int | None = None


class Seen(NamedTuple):
    """A record as a reader got it."""

    partition: int
    offset: int
    row: Row


class Member(Protocol):
    """A member of a group that reads, and commits after each record."""

    reads: list[tuple[int, int]]  # partition and offset of what was read and committed
    assignment: set[int]  # partitions it holds now

    def check(self) -> None:
        """Raise what has gone wrong in it, if anything."""

    def leave(self) -> None:
        """Leave the group and wait until it has; raise what went wrong in it."""


class Writing(NamedTuple):
    """How a producer shall write."""

    codec: str = "none"
    acks: int = -1
    idempotent: bool = False
    transactional_id: str | None = None
    timeout_ms: int = 10_000  # of a transaction


class Writer(Protocol):
    """A producer; the calls from `begin` on are for one with a transactional id."""

    def send(self, topic: str, rows: Sequence[Row], partition: int = 0) -> None:
        """Write, and wait for what `acks` promises."""

    def close(self) -> None:
        """End the producer, and a transaction that is open with it."""

    def begin(self) -> None:
        """Begin a transaction."""

    def send_offset(self, group: str, topic: str, offset: int) -> None:
        """Commit an offset of partition 0 for a group as part of the transaction."""

    def commit(self) -> None:
        """Commit the transaction."""

    def abort(self) -> None:
        """Abort the transaction."""


PLAIN = Writing()


class Client(Protocol):
    """A client library, or a program."""

    name: str
    sets_time: bool  # whether the writer may choose a record's time

    def writer(self, bootstrap: str, how: Writing = PLAIN) -> Writer:
        """Open a producer; one with a transactional id fences those before it."""

    def read(
        self,
        bootstrap: str,
        topic: str,
        count: int,
        *,
        start: int = EARLIEST,
        committed_only: bool = False,
    ) -> list[Seen]:
        """Read `count` records of partition 0 without a group."""

    def offset_at(self, bootstrap: str, topic: str, timestamp_ms: int) -> int:
        """Return the first offset of partition 0 at or after a time; -1 or the end if none."""

    def join(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        *,
        assignor: str = "range",
        instance_id: str | None = None,
        limit: int | None = None,
    ) -> Member:
        """Become a member, who takes `limit` records at most."""


def write(
    client: Client, bootstrap: str, topic: str, rows: Sequence[Row], how: Writing = PLAIN
) -> None:
    """Write to partition 0 with a producer that lives for this call only."""
    writer = client.writer(bootstrap, how)
    try:
        writer.send(topic, rows)
    finally:
        writer.close()


def until(
    met: Callable[[], object], what: str | Callable[[], str], seconds: float = SECONDS
) -> None:
    """Wait for a condition; fail with what was awaited."""
    deadline = time.monotonic() + seconds
    while not met():
        if time.monotonic() > deadline:
            said = what() if callable(what) else what
            raise AssertionError(f"after {seconds:.0f} s still not: {said}")
        time.sleep(0.01)


def until_read(member: Member, count: int) -> None:
    """Wait until a member has read so many records; fail with what went wrong in it."""

    def has_read() -> bool:
        member.check()
        return len(member.reads) >= count

    until(has_read, lambda: f"{count} records are read: {len(member.reads)} are")


class ThreadMember(ABC):
    """A member that runs in a thread of its own."""

    def __init__(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        assignor: str,
        instance_id: str | None,
        limit: int | None,
    ) -> None:
        self.bootstrap, self.group, self.topic = bootstrap, group, topic
        self.assignor, self.instance_id = assignor, instance_id
        self.limit = limit if limit is not None else 1 << 62
        self.reads: list[tuple[int, int]] = []
        self.assignment: set[int] = set()
        self.leaving = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what has gone wrong in the thread."""
        if self._error is not None:
            raise self._error

    def leave(self) -> None:
        """Leave and wait for the thread to end."""
        self.leaving.set()
        self._thread.join(SECONDS)
        assert not self._thread.is_alive(), f"{type(self).__name__} does not leave its group"
        self.assignment = set()
        self.check()

    @property
    def full(self) -> bool:
        """Whether it has read all that it may."""
        return len(self.reads) >= self.limit

    def wait_after(self, error: Exception, *, retriable: bool) -> None:
        """Wait a moment after an error that will pass; raise any other, and that too at the end."""
        if not retriable or self.leaving.is_set():
            raise error
        self.leaving.wait(0.05)

    def _run(self) -> None:
        try:
            self.consume()
        except BaseException as error:
            self._error = error

    @abstractmethod
    def consume(self) -> None:
        """Read and commit until `leaving` is set, then leave the group."""
