"""One broker, and the connections to it.

    produce   Produce, whose order matters
    shared    whatever is answered at once
    alone     Fetch, JoinGroup, SyncGroup: one for each, as long as it waits

A broker answers a connection's requests one after the other: behind one that waits, all would.

Invariants: requests of a lane leave in the order of the calls, those too that came while it was
connecting; what is called off while its answer is on the way takes its connection with it, for
nobody is to wait behind it; after a failure nothing is tried again before a rest is over, which
grows while failures go on.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from ..errors import ClosedError, ConnectionLostError
from ..wire.messages.fetch import FetchRequest
from ..wire.messages.join_group import JoinGroupRequest
from ..wire.messages.produce import ProduceRequest
from ..wire.messages.sync_group import SyncGroupRequest
from ..wire.request import Request
from .address import Address
from .connection import Connection
from .patience import Sleep

R = TypeVar("R")

CONNECT_SECONDS_MAX = 10.0
_IDLE_MAX = 4  # connections that are kept for the next request that waits
_RESTS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0)  # seconds before connecting, by failures in a row


class _Lane:
    """One connection that many requests share."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()  # fair: who came first, sends first
        self.connection: Connection | None = None
        self.failures = 0  # to connect
        self.failure = ""  # why the last of them


class Node:
    """One broker."""

    def __init__(
        self, address: Address, client_id: str, request_timeout_ms: int, sleep: Sleep
    ) -> None:
        self.address = address
        self._client_id = client_id
        self._seconds = request_timeout_ms / 1000
        self._sleep = sleep
        self._failures = 0  # to connect, in a row
        self._produce = _Lane()
        self._shared = _Lane()
        self._idle: list[Connection] = []
        self._open_ones: set[Connection] = set()
        self._closed = False

    async def send(self, request: Request[R]) -> R:
        """Return the broker's answer; None for a Produce with acks=0, which gets none.

        Raises:
            ConnectionLostError: the broker cannot be reached, or went away before it answered.
            RequestTimedOutError: it did not answer in time.
        """
        if isinstance(request, FetchRequest | JoinGroupRequest | SyncGroupRequest):
            return await self._send_alone(request)  # type: ignore[arg-type]
        if isinstance(request, ProduceRequest):
            lane, answered = self._produce, request.acks != 0
        else:
            lane, answered = self._shared, True
        failures = lane.failures
        async with lane.turn:
            connection = await self._connected(lane, failures)
            answer = connection.send(request, self._seconds, answered=answered)
        return await answer

    async def check(self) -> None:
        """Connect, if there is no connection. Raises ConnectionLostError."""
        failures = self._shared.failures
        async with self._shared.turn:
            await self._connected(self._shared, failures)

    def close(self) -> None:
        """End all connections."""
        self._closed = True
        for connection in self._open_ones:
            connection.close()

    async def _connected(self, lane: _Lane, failures: int) -> Connection:
        """Return a lane's connection; `failures` is how many there were when the caller came."""
        if lane.connection is not None and lane.connection.is_open:
            return lane.connection
        if lane.failures > failures:
            raise ConnectionLostError(lane.failure)  # while the caller stood by
        try:
            lane.connection = await self._open()
        except ConnectionLostError as error:
            lane.failures += 1
            lane.failure = str(error)
            raise
        return lane.connection

    async def _send_alone(self, request: Request[R]) -> R:
        connection = None
        while self._idle and connection is None:
            held = self._idle.pop()
            connection = held if held.is_open else None
        if connection is None:
            connection = await self._open()
        try:
            return await connection.send(request, self._seconds + _wait_seconds(request))
        finally:
            if connection.is_open and connection.is_idle and len(self._idle) < _IDLE_MAX:
                self._idle.append(connection)
            else:
                connection.close()

    async def _open(self) -> Connection:
        rest = _RESTS[min(self._failures, len(_RESTS) - 1)]
        if rest:
            await self._sleep(rest)
        seconds = min(self._seconds, CONNECT_SECONDS_MAX)
        try:
            connection = await Connection.open(self.address, self._client_id, seconds)
        except ConnectionLostError:
            self._failures += 1
            raise
        self._failures = 0
        if self._closed:
            connection.close()
            raise ClosedError(f"the way to {self.address} is closed")
        self._open_ones = {held for held in self._open_ones if held.is_open} | {connection}
        return connection


def _wait_seconds(request: Request[Any]) -> float:
    """Return how long the broker may wait by the request's own word."""
    if isinstance(request, FetchRequest):
        return request.max_wait_ms / 1000
    if isinstance(request, JoinGroupRequest):
        return max(request.rebalance_timeout_ms, request.session_timeout_ms) / 1000
    return 0.0
