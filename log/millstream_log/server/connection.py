"""One client's connection: frames in, answers out, in order and within bounds.

    socket -> Inbox -> frames.read_request -> Broker.handle -> Slot -> Outbox -> socket

    muted: too many requests without an answer, or a peer that does not read its answers;
    the socket is then not read, so that TCP itself holds the peer back

Invariants: a malformed frame closes this connection with one line in the log, and costs nothing
else; requests begin in the order in which they came, and answers leave in that order; a Produce
with acks=0 has no answer, and an error in it closes the connection; whoever sends many requests
at once takes turns with the other connections.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ErrorCode, LogError, ProtocolError
from ..wire.apis import REQUESTS
from ..wire.frames import Frame, read_request, write_response
from ..wire.inbox import Inbox
from ..wire.messages.fetch import FetchRequest
from ..wire.messages.produce import ProduceRequest, ProduceResponse
from ..wire.messages.sync_group import SyncGroupRequest
from ..wire.request import Peer
from .outbox import Outbox, Slot
from .straight import begin
from .texts import shorten

if TYPE_CHECKING:
    from .listener import Listener

logger = logging.getLogger(__name__)

_TURN_SECONDS = 0.002
"""Requests of one connection begin for so long before those of the others have their turn."""

_TOGETHER_MAX = 16
"""Produces of one connection that are read before the first of them begins."""

_BULK = (ProduceRequest.api.key, SyncGroupRequest.api.key)
_KEY = struct.Struct(">h")
_REASON_MAX = 500
"""Characters of a reason that go into the log: it may quote what the peer has sent."""


class Connection:
    """A client's connection."""

    def __init__(self, listener: Listener, sock: socket.socket, address: str, peer: Peer) -> None:
        self.address = address
        self.is_closed = False
        self.has_spoken = False  # a whole request has come
        self.last_active = listener.loop.time()  # when it spoke or listened; before that, opened
        self.received_bytes = 0  # of unfinished requests
        self._listener = listener
        self._limits = listener.limits
        self._small_frame_bytes_max = listener.limits.small_frame_bytes_max
        self._usage = listener.usage
        self._sock = sock
        self._fd = sock.fileno()  # what the loop looks sockets up by; cheaper than the socket
        self._peer = peer
        self._inbox = Inbox(self._limits.frame_bytes_max)
        self._outbox = Outbox(sock)
        self._parked: set[asyncio.Task[None]] = set()  # fetches that wait for bytes
        self._running: set[asyncio.Task[None]] = set()
        # Of the requests that begin just now, those with an answer; None: none begins now.
        self._answered: list[tuple[Frame, Slot, Any]] | None = None
        self._is_work_due = False
        self._is_turn_over = False  # there may be requests to begin, when the others had theirs
        self._reads = True
        self._writes = False
        listener.loop.add_reader(self._fd, self._readable)

    @property
    def is_stalled(self) -> bool:
        """Whether the peer owes us something: a request, the rest of one, or reading answers."""
        is_unfinished = self._reads and self.received_bytes > 0
        return not self.has_spoken or is_unfinished or self._outbox.is_blocked

    @property
    def unsent_bytes(self) -> int:
        """Return the bytes of answers that are still here."""
        return self._outbox.held_bytes

    # -- requests

    def _readable(self) -> None:
        try:
            count = self._sock.recv_into(self._inbox.room(self._listener.scratch))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose("read", error)
            return
        if not count:
            self.close("")
            return
        if self.has_spoken:  # the first request has to come whole: single bytes buy no time
            self.last_active = self._listener.loop.time()
        self._inbox.filled(count)
        self._work()

    def _work(self) -> None:
        """Send the answers that are ready, begin the requests that are there.

        Sending comes first: it makes the room that the bounds may have been waiting for. Answers
        that come while this runs need no call of their own.
        """
        time = self._listener.loop.time
        self._is_work_due = True
        self._send()
        end = time() + _TURN_SECONDS
        while self._take(end):
            self._send()
        self._is_work_due = False
        if not self.is_closed:
            self._listener.make_room()
        if not self.is_closed:
            self._is_turn_over = self.received_bytes > 0 and time() >= end
            self._listen()

    def _take(self, end: float) -> bool:
        """Begin requests up to the bounds and until `end`; return whether there was one."""
        inbox, time = self._inbox, self._listener.loop.time
        frames: list[Frame] = []
        taken = False
        try:
            while not self._is_full and time() < end:
                frames.clear()
                try:
                    self._read_into(frames)
                finally:  # what came before a broken frame begins all the same
                    self._begin_all(frames)
                if not frames:
                    break
                taken = True
        except ProtocolError as error:
            self._send()  # what was asked before has its answers
            self.close(str(error))
        inbox.settle()
        if self.is_closed:
            return False
        self._usage.received_bytes += inbox.held_bytes - self.received_bytes
        self.received_bytes = inbox.held_bytes
        return taken

    @property
    def _is_full(self) -> bool:
        return (
            self.is_closed
            or len(self._outbox) >= self._limits.requests_in_flight_max
            or self._outbox.held_bytes >= self._limits.unsent_bytes_max
        )

    def _read_into(self, frames: list[Frame]) -> None:
        """Read the requests that begin next: one, or several small Produces. Raises ProtocolError.

        Reading many, appending many, then answering many is faster than going round for each, by
        the caches of the processor. The answer of a Produce is small: no bound is missed by it.
        """
        next_frame, small = self._inbox.next_frame, self._small_frame_bytes_max
        for _ in range(min(_TOGETHER_MAX, self._limits.requests_in_flight_max - len(self._outbox))):
            data = next_frame()
            if data is None:
                return
            is_small = len(data) <= small
            frame = read_request(data, REQUESTS) if is_small else self._read_large(data)
            frames.append(frame)
            request = frame.request
            # An error of a Produce with acks=0 ends the connection: nothing begins behind it.
            if not (is_small and isinstance(request, ProduceRequest) and request.acks):
                return

    def _begin_all(self, frames: list[Frame]) -> None:
        """Begin requests one after the other, then write the answers that are there by then."""
        answered: list[tuple[Frame, Slot, Any]] = []
        self._answered = answered
        for frame in frames:
            self._begin(frame)
        self._answered = None
        for frame, slot, response in answered:
            try:
                self._answer(frame, slot, response)
            except Exception as error:
                self._fail(frame, error)

    def _begin(self, frame: Frame) -> None:
        """Give one request to the broker, unless the connection was closed before its turn."""
        if self.is_closed:
            return
        if not self.has_spoken:
            self.has_spoken = True
            self.last_active = self._listener.loop.time()
        if frame.client_id != self._peer.client_id:
            self._peer = self._peer._replace(client_id=frame.client_id)
        request = frame.request
        request.version = frame.version
        request.peer = self._peer
        slot = self._outbox.reserve()
        try:
            task = begin(self._listener.broker.handle(request), partial(self._answer, frame, slot))
        except Exception as error:
            self._fail(frame, error)
            return
        if task is not None:
            tasks = self._parked if isinstance(request, FetchRequest) else self._running
            tasks.add(task)
            task.add_done_callback(partial(self._ended, frame, tasks))

    def _read_large(self, data: memoryview) -> Frame:
        """Read a large request, unless its API has no use for the size, or it has too many items.

        Names by the million take many times their bytes once they are objects.
        """
        bound = self._limits.plain_frame_bytes_max
        if len(data) > bound:
            (key,) = _KEY.unpack_from(data)
            if key not in _BULK:
                raise ProtocolError(
                    f"a request of API key {key}, {len(data)} bytes, allowed {bound}"
                )
        return read_request(data, REQUESTS, self._limits.frame_items_max)

    def _ended(
        self, frame: Frame, tasks: set[asyncio.Task[None]], task: asyncio.Task[None]
    ) -> None:
        tasks.discard(task)
        if not task.cancelled():
            error = task.exception()
            if isinstance(error, Exception):
                self._fail(frame, error)

    def _fail(self, frame: Frame, error: Exception) -> None:
        if not isinstance(error, LogError):
            logger.error("%s of %s failed", frame.api.name, self.address, exc_info=error)
        self.close(f"{frame.api.name} version {frame.version}: {error}")

    # -- answers

    def _answer(self, frame: Frame, slot: Slot, response: Any) -> None:
        if self.is_closed:
            return
        if self._answered is not None:
            self._answered.append((frame, slot, response))
            return
        request = frame.request
        parts: list[bytes] = []
        if frame.unsupported:
            response.error_code = ErrorCode.UNSUPPORTED_VERSION
        if not isinstance(request, ProduceRequest) or request.acks:
            parts = _written(frame, response)
        elif error := _first_error(response):
            self.close(f"Produce with acks=0: {error}")
            return
        self._usage.unsent_bytes += self._outbox.fill(slot, parts)
        if not self._is_work_due:
            self._is_work_due = True
            self._listener.loop.call_soon(self._work)

    def _send(self) -> None:
        if self.is_closed:
            return
        sent, failure = 0, None
        before = self._outbox.held_bytes
        try:
            sent = self._outbox.send()
        except OSError as error:
            failure = error
        self._usage.unsent_bytes -= before - self._outbox.held_bytes
        if failure is not None:
            self._lose("write", failure)
        elif sent:
            self.last_active = self._listener.loop.time()

    # -- the socket

    def _lose(self, doing: str, error: OSError) -> None:
        is_usual = isinstance(error, ConnectionError)  # the peer has gone
        self.close("" if is_usual else f"cannot {doing}: {error}")

    def _listen(self) -> None:
        """Watch the socket for what can be done with it now."""
        loop, fd = self._listener.loop, self._fd
        if self._is_turn_over:
            self._is_work_due = True
            loop.call_soon(self._work)
        reads = not (self._is_full or self._is_turn_over)
        writes = self._outbox.is_blocked
        if reads != self._reads:
            self._reads = reads
            if reads:
                loop.add_reader(fd, self._readable)
            else:
                loop.remove_reader(fd)
        if writes != self._writes:
            self._writes = writes
            if writes:
                loop.add_writer(fd, self._work)
            else:
                loop.remove_writer(fd)

    def close(self, reason: str) -> None:
        """Close the connection; a reason is logged. Twice is once."""
        if self.is_closed:
            return
        self.is_closed = True
        if reason:
            said = reason.encode("unicode_escape").decode()[:_REASON_MAX]
            logger.warning("closing the connection of %s: %s", self.address, said)
        self._listener.loop.remove_reader(self._fd)
        self._listener.loop.remove_writer(self._fd)
        self._sock.close()
        self._usage.unsent_bytes -= self._outbox.held_bytes
        self._usage.received_bytes -= self.received_bytes
        for task in self._parked:
            task.cancel()
        self._listener.forget(self)


def _written(frame: Frame, response: Any) -> list[bytes]:
    """Return the parts of an answer; texts in it may become shorter."""
    try:
        return write_response(frame.api, frame.version, frame.correlation_id, response)
    except struct.error:
        shorten(response)
        return write_response(frame.api, frame.version, frame.correlation_id, response)


def _first_error(response: ProduceResponse) -> str:
    for topic in response.topics:
        for part in topic.partitions:
            if part.error_code:
                return f"{topic.name!r} {part.index}: {part.error_message or part.error_code.name}"
    return ""
