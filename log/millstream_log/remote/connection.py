"""One TCP connection to one broker: requests in a row, answers in the same order.

    request ─▶ write, remember ─▶ ... ─▶ frame ─▶ the oldest remembered ─▶ answer

    open:  connect ─▶ ApiVersions 3 (0 where the broker knows no better) ─▶ the versions to use

Invariants: a request is written in the step in which it is asked, so requests leave in the order
of the calls; an answer is matched by its place and checked by its correlation id; whatever ends
the connection ends all that wait, each with an error of its own; records are copied out of the
receive buffer, once, so an answer may be kept.
"""

from __future__ import annotations

import asyncio
import errno
import importlib.metadata
import socket
from collections import deque
from collections.abc import Awaitable
from typing import Any, NamedTuple, Self, TypeVar

from ..errors import (
    ClosedError,
    ConnectionLostError,
    ErrorCode,
    LogError,
    ProtocolError,
    RequestTimedOutError,
)
from ..wire.frames import read_response, write_request
from ..wire.inbox import Inbox
from ..wire.messages.api_versions import ApiVersionsRequest
from ..wire.messages.fetch import FetchResponse
from ..wire.request import Request
from ..wire.schema import Api
from .address import Address
from .records import whole_batches
from .versions import Spoken

R = TypeVar("R")

FRAME_BYTES_MAX = 1 << 30
SCRATCH_BYTES = 1 << 18
_ASKED_VERSION = 3  # of ApiVersions


class _Waiting(NamedTuple):
    """A request that was sent and is not answered."""

    api: Api
    version: int
    correlation_id: int
    answer: asyncio.Future[Any]
    deadline: float  # on the loop's clock


class Connection(asyncio.BufferedProtocol):
    """A connection to a broker; `open` makes one that is ready."""

    def __init__(self, address: Address, client_id: str) -> None:
        self.address = address
        self._client_id = client_id
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox(FRAME_BYTES_MAX)
        self._scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._waiting: deque[_Waiting] = deque()
        self._next_id = 0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._end: LogError | None = None  # why it is over
        self._spoken: Spoken | None = None

    @classmethod
    async def open(cls, address: Address, client_id: str, seconds: float) -> Self:
        """Connect to a broker and learn what it speaks.

        Raises:
            ConnectionLostError: nobody listens there, or not a broker.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                _, connection = await loop.create_connection(
                    lambda: cls(address, client_id), address.host, address.port
                )
        except TimeoutError:
            raise ConnectionLostError(f"{address} does not answer within {seconds:g} s") from None
        except OSError as error:
            raise ConnectionLostError(_why_unreachable(address, error)) from error
        try:
            await connection._learn_versions(seconds)
        except (LogError, asyncio.CancelledError) as error:
            connection.close()
            if isinstance(error, LogError):
                raise ConnectionLostError(
                    f"{address} does not answer as a Kafka broker: {error}"
                ) from error
            raise
        return connection

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._end is None

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for an answer."""
        return not self._waiting

    def version(self, api: Api) -> int:
        """Return the version of an API to use. Raises where the broker speaks none of ours."""
        assert self._spoken is not None
        return self._spoken.version(api)

    def send(self, request: Request[R], seconds: float, *, answered: bool = True) -> Awaitable[R]:
        """Send a request; return its answer, to be awaited, None for one that gets no answer.

        Raises:
            ConnectionLostError: the connection has ended.
            LogError: the broker does not speak this API in a version of ours.
        """
        if self._end is not None:
            raise type(self._end)(str(self._end))
        return self._send(request, self.version(request.api), seconds, answered)

    def close(self) -> None:
        """End the connection; what waits gets a ClosedError."""
        self._lose(ClosedError(f"the connection to {self.address} was closed"))

    # -- asking -------------------------------------------------------------------------------

    def _send(
        self, request: Request[R], version: int, seconds: float, answered: bool
    ) -> Awaitable[R]:
        assert self._transport is not None
        self._next_id = (self._next_id + 1) & 0x7FFF_FFFF
        answer: asyncio.Future[R] = self._loop.create_future()
        parts = write_request(request, version, self._next_id, self._client_id)
        if answered:
            deadline = self._loop.time() + seconds
            self._waiting.append(_Waiting(request.api, version, self._next_id, answer, deadline))
            self._arm()
        else:
            answer.set_result(None)  # type: ignore[arg-type]
        self._transport.writelines(parts)
        return answer

    async def _learn_versions(self, seconds: float) -> None:
        asked = ApiVersionsRequest(
            client_software_name="millstream",
            client_software_version=importlib.metadata.version("millstream"),
        )
        answer = await self._send(asked, _ASKED_VERSION, seconds, True)
        if answer.error_code is ErrorCode.UNSUPPORTED_VERSION:
            answer = await self._send(asked, 0, seconds, True)
        if answer.error_code:
            raise ProtocolError(f"it answers ApiVersions with {answer.error_code.name}")
        self._spoken = Spoken(answer)

    def _arm(self) -> None:
        """Be woken when the oldest request is due, or before that."""
        due = self._waiting[0].deadline
        if self._timer is None or due < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(due, self._watch)

    def _watch(self) -> None:
        """Give the connection up when its oldest request has waited for too long."""
        self._timer = None
        if not self._waiting:
            return
        oldest = self._waiting[0]
        if self._loop.time() < oldest.deadline:
            self._arm()
            return
        text = f"{self.address} did not answer {oldest.api.name} in time"
        if not oldest.answer.done():
            oldest.answer.set_exception(RequestTimedOutError(text))
        self._lose(ConnectionLostError(text))

    # -- what the event loop calls ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connected socket."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        return self._inbox.room(self._scratch)

    def buffer_updated(self, nbytes: int) -> None:
        """Answer what has come whole."""
        self._inbox.filled(nbytes)
        try:
            while (frame := self._inbox.next_frame()) is not None:
                self._take(frame)
            self._inbox.settle()
        except LogError as error:
            lost = ConnectionLostError(f"{self.address} sends what is no answer: {error}")
            lost.__cause__ = error
            self._lose(lost)

    def connection_lost(self, exc: Exception | None) -> None:
        """Hear that the other side has gone."""
        why = f": {exc}" if exc else ""
        self._lose(ConnectionLostError(f"{self.address} has closed the connection{why}"))

    def _take(self, frame: memoryview) -> None:
        if not self._waiting:
            raise ProtocolError("an answer that nobody waits for")
        waiting = self._waiting[0]
        api, version = waiting.api, waiting.version
        correlation_id = int.from_bytes(frame[:4], "big", signed=True)
        if correlation_id != waiting.correlation_id:
            raise ProtocolError(f"answer {correlation_id} in the place of {waiting.correlation_id}")
        if api.key == ApiVersionsRequest.api.key:
            version = _version_of_answer(frame, version)
        _, answer = read_response(frame, api, version)
        self._waiting.popleft()
        if self._waiting:
            self._arm()
        if isinstance(answer, FetchResponse):
            _keep_records(answer)
        if not waiting.answer.done():
            waiting.answer.set_result(answer)

    def _lose(self, error: LogError) -> None:
        if self._end is not None:
            return
        self._end = error
        if self._timer is not None:
            self._timer.cancel()
        assert self._transport is not None  # nothing is lost before it was made
        if isinstance(error, ClosedError):
            self._transport.close()  # what was written goes out first
        else:
            self._transport.abort()
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            if not each.answer.done():
                each.answer.set_exception(type(error)(str(error)))


def _version_of_answer(frame: memoryview, version: int) -> int:
    """Return the version of an ApiVersions answer: 0 where ours was not one of theirs."""
    code = int.from_bytes(frame[4:6], "big", signed=True)
    return 0 if code == ErrorCode.UNSUPPORTED_VERSION else version


def _keep_records(answer: FetchResponse) -> None:
    for topic in answer.topics:
        for part in topic.partitions:
            part.records = whole_batches(part.records)


def _why_unreachable(address: Address, error: OSError) -> str:
    # A name with many addresses, each of which refused, is an OSError of their messages.
    if isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(error):
        return f"nothing listens at {address}: is `millstream serve` running?"
    if isinstance(error, socket.gaierror):
        return f"{address} cannot be reached: no host is known by the name {address.host!r}"
    return f"{address} cannot be reached: {error.strerror or error}"
