"""A listener without a port: its connections are pairs of sockets, its broker what a test says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from millstream_log.broker.config import BrokerConfig
from millstream_log.server.connection import Connection
from millstream_log.server.limits import Limits
from millstream_log.server.listener import Listener
from millstream_log.wire.frames import write_request
from millstream_log.wire.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from millstream_log.wire.messages.fetch import (
    FetchPartitionResponse,
    FetchResponse,
    FetchTopicResponse,
)
from millstream_log.wire.request import Request

SECONDS = 10  # after which something hangs
VERSIONS = ApiVersionsRequest(client_software_name="n", client_software_version="1")

Handler = Callable[[Any], Coroutine[Any, Any, Any]]


class Host:
    """What of a broker's host a listener touches."""

    answer_bytes_allowed: Callable[[], int]


class Broker:
    """A broker that answers as a test says."""

    def __init__(self, handler: Handler) -> None:
        self.host = Host()
        self.handle = handler


class Client:
    """The other end of a connection."""

    def __init__(self, connection: Connection, sock: socket.socket) -> None:
        self.connection = connection
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    def send(self, *frames: bytes) -> None:
        """Send all frames in one piece."""
        self._sock.sendall(b"".join(frames))

    async def receive(self) -> memoryview | None:
        """Return the next response, without its size; None when the broker has closed."""
        head = await self._exactly(4)
        if head is None:
            return None
        body = await self._exactly(struct.unpack(">i", head)[0])
        assert body is not None
        return memoryview(body)

    async def correlations(self, count: int) -> list[int]:
        """Return the correlation ids of the next responses."""
        found: list[int] = []
        for _ in range(count):
            response = await self.receive()
            assert response is not None
            found += struct.unpack_from(">i", response)
        return found

    async def is_served(self) -> bool:
        """Ask something; return whether an answer comes."""
        self.send(frame(VERSIONS, 99))
        response = await self.receive()
        return response is not None and struct.unpack_from(">i", response) == (99,)

    async def _exactly(self, size: int) -> bytes | None:
        data = b""
        while len(data) < size:
            more = await asyncio.wait_for(
                self._loop.sock_recv(self._sock, size - len(data)), SECONDS
            )
            if not more:
                return None
            data += more
        return data


class Served:
    """A listener whose connections are pairs of sockets."""

    def __init__(self, handler: Handler, configs: dict[str, str]) -> None:
        limits = Limits.of(BrokerConfig(configs))
        broker: Any = Broker(handler)
        self.host: Host = broker.host
        self._sockets = contextlib.ExitStack()
        unused = self._sockets.enter_context(socket.socket(socket.AF_UNIX))
        self.listener = Listener(broker, unused, limits, ("advertised", 9092))

    def client(self) -> Client:
        """Connect a client."""
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        self._sockets.enter_context(theirs)
        return Client(self.listener.adopt(ours, "there"), theirs)

    async def close(self) -> None:
        """Close everything; nothing may be counted any more."""
        await self.listener.close()
        self._sockets.close()
        usage = self.listener.usage
        assert (usage.received_bytes, usage.unsent_bytes, usage.by_address) == (0, 0, {})


@contextlib.asynccontextmanager
async def served(handler: Handler, **configs: object) -> AsyncIterator[Served]:
    """Serve what `handler` answers; a config's name is written with underscores."""
    dotted = {name.replace("_", "."): str(value) for name, value in configs.items()}
    running = Served(handler, dotted)
    try:
        yield running
    finally:
        await running.close()


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run a test on an event loop."""

    async def bounded() -> None:
        await asyncio.wait_for(main(), SECONDS)

    asyncio.run(bounded())


def frame(request: Request[Any], correlation: int, version: int | None = None) -> bytes:
    """Return a request as it travels, in its newest version."""
    if version is None:
        version = request.api.versions.last
    return b"".join(write_request(request, version, correlation, "c"))


def fetched(size: int) -> FetchResponse:
    """Return an answer with `size` bytes of records."""
    part = FetchPartitionResponse(index=0, high_watermark=0, records=bytes(size))
    return FetchResponse(topics=[FetchTopicResponse(partitions=[part])])


async def turns(count: int = 20) -> None:
    """Let the loop turn, so that all that can be done now is done."""
    for _ in range(count):
        await asyncio.sleep(0)


async def answer(_: Any) -> ApiVersionsResponse:
    """Answer at once."""
    return ApiVersionsResponse(api_keys=[])
