"""One client's connection: frames in, answers out, in order and within bounds.

    socket -> Inbox -> frames.read_request -> Broker.handle -> Slot -> Outbox -> socket

    muted: too many requests without an answer, or a peer that does not read its answers;
    the socket is then not read, so that TCP itself holds the peer back

Invariants: a malformed frame closes this connection with one line in the log, and costs nothing
else; requests begin in the order in which they came, and answers leave in that order; a Produce
with acks=0 has no answer, and an error in it closes the connection.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ErrorCode, LogError, ProtocolError
from ..wire.apis import REQUESTS
from ..wire.frames import Frame, read_request, write_response
from ..wire.inbox import Inbox
from ..wire.messages.fetch import FetchRequest
from ..wire.messages.produce import ProduceRequest, ProduceResponse
from ..wire.request import Peer
from .outbox import Outbox, Slot
from .straight import begin

if TYPE_CHECKING:
    from .listener import Listener

logger = logging.getLogger(__name__)


class Connection:
    """A client's connection."""

    def __init__(self, listener: Listener, sock: socket.socket, address: str, peer: Peer) -> None:
        self.address = address
        self.is_closed = False
        self.has_spoken = False  # a whole request has come
        self.last_active = listener.loop.time()
        self._listener = listener
        self._limits = listener.limits
        self._usage = listener.usage
        self._sock = sock
        self._peer = peer
        self._inbox = Inbox(self._limits.frame_bytes_max)
        self._received_bytes = 0
        self._outbox = Outbox(sock)
        self._parked: set[asyncio.Task[None]] = set()  # fetches that wait for bytes
        self._running: set[asyncio.Task[None]] = set()
        self._is_work_due = False
        self._reads = True
        self._writes = False
        listener.loop.add_reader(sock, self._readable)

    @property
    def is_stalled(self) -> bool:
        """Whether the peer owes us something: a request, the rest of one, or reading answers."""
        return not self.has_spoken or bool(self._inbox.held_bytes) or self._outbox.is_blocked

    # -- requests

    def _readable(self) -> None:
        try:
            count = self._sock.recv_into(self._inbox.room(self._listener.scratch))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.close(f"cannot read: {error}")
            return
        if not count:
            self.close("")
            return
        self.last_active = self._listener.loop.time()
        self._inbox.filled(count)
        self._work()

    def _work(self) -> None:
        """Take the requests that are there, send the answers that are ready, until one is lacking.

        Answers that come while this runs need no call of their own.
        """
        self._is_work_due = True
        while not self.is_closed:
            taken = self._take()
            self._send()
            if not taken or self._is_full:
                break
        self._is_work_due = False
        if not self.is_closed:
            self._count_received()
            self._listen()

    def _take(self) -> bool:
        """Begin requests up to the bounds; return whether there was one."""
        inbox = self._inbox
        taken = False
        try:
            while not self._is_full:
                frame = inbox.next_frame()
                if frame is None:
                    break
                taken = True
                self._begin(frame)
        except ProtocolError as error:
            self.close(str(error))
        inbox.settle()
        return taken

    @property
    def _is_full(self) -> bool:
        return (
            self.is_closed
            or len(self._outbox) >= self._limits.requests_in_flight_max
            or self._outbox.unsent_bytes >= self._limits.unsent_bytes_max
        )

    def _count_received(self) -> None:
        held = self._inbox.held_bytes
        if held != self._received_bytes:
            usage = self._usage
            usage.received_bytes += held - self._received_bytes
            self._received_bytes = held
            if usage.received_bytes > self._limits.received_bytes_total_max:
                self.close(f"unfinished requests hold {usage.received_bytes} bytes in all")

    def _begin(self, data: memoryview) -> None:
        """Give one request to the broker. Raises ProtocolError."""
        frame = read_request(data, REQUESTS)
        self.has_spoken = True
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
        request = frame.request
        parts: list[bytes] = []
        if frame.unsupported:
            response.error_code = ErrorCode.UNSUPPORTED_VERSION
        if not isinstance(request, ProduceRequest) or request.acks:
            parts = write_response(frame.api, frame.version, frame.correlation_id, response)
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
        try:
            sent = self._outbox.send()
        except OSError as error:
            self.close(f"cannot write: {error}")
            return
        if sent:
            self._usage.unsent_bytes -= sent
            self.last_active = self._listener.loop.time()

    # -- the socket

    def _listen(self) -> None:
        """Watch the socket for what can be done with it now."""
        loop, sock = self._listener.loop, self._sock
        reads, writes = not self._is_full, self._outbox.is_blocked
        if reads != self._reads:
            self._reads = reads
            if reads:
                loop.add_reader(sock, self._readable)
            else:
                loop.remove_reader(sock)
        if writes != self._writes:
            self._writes = writes
            if writes:
                loop.add_writer(sock, self._work)
            else:
                loop.remove_writer(sock)

    def close(self, reason: str) -> None:
        """Close the connection; a reason is logged. Twice is once."""
        if self.is_closed:
            return
        self.is_closed = True
        if reason:
            logger.warning("closing the connection of %s: %s", self.address, reason)
        self._listener.loop.remove_reader(self._sock)
        self._listener.loop.remove_writer(self._sock)
        self._sock.close()
        self._usage.unsent_bytes -= self._outbox.unsent_bytes
        self._usage.received_bytes -= self._received_bytes
        for task in self._parked:
            task.cancel()
        self._listener.forget(self)


def _first_error(response: ProduceResponse) -> str:
    for topic in response.topics:
        for part in topic.partitions:
            if part.error_code:
                return f"{topic.name}-{part.index}: {part.error_message or part.error_code.name}"
    return ""
