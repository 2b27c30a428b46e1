"""A broker that answers as a test says, in our codec, on a port of loopback.

    broker.on(MetadataRequest, lambda request: MetadataResponse(...))     an answer
    broker.on(FetchRequest, gate)                                         one that comes later
    broker.on(HeartbeatRequest, HANG_UP)                                  none, and the end

Invariants: what came is written down, by connection; on one connection answers go out one after
the other, as Kafka's do.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from millstream_log.errors import ErrorCode
from millstream_log.remote.address import Address
from millstream_log.wire.apis import REQUESTS
from millstream_log.wire.frames import Frame, read_request, write_response
from millstream_log.wire.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from millstream_log.wire.messages.metadata import (
    MetadataBroker,
    MetadataPartition,
    MetadataRequest,
    MetadataResponse,
    MetadataTopic,
)
from millstream_log.wire.messages.produce import ProduceRequest
from millstream_log.wire.request import Request

HANG_UP = object()
"""An answer that is the end of its connection."""

Answer = Callable[[Any], Any]


class ScriptedBroker:
    """One broker; `async with` listens."""

    def __init__(self, node_id: int = 1) -> None:
        self.node_id = node_id
        self.heard: list[tuple[int, Frame]] = []  # connection and request, ApiVersions left out
        self.connections = 0  # that there were in all
        self.api_versions_max = 3
        self.piecemeal = False  # answers go out byte by byte
        self._answers: dict[type, Any] = {}
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._port = 0

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        await self.go_away()

    async def listen(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def go_away(self) -> None:
        """End every connection and listen no more."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in list(self._writers):
            writer.close()
        await self._server.wait_closed()

    @property
    def address(self) -> Address:
        """Return where it listens."""
        return Address("127.0.0.1", self._port)

    def on(self, kind: type, answer: Answer | object) -> None:
        """Answer requests of a class with a response, a function of the request, or HANG_UP."""
        self._answers[kind] = answer

    def requests(self, kind: type) -> list[Any]:
        """Return the requests of a class that came, in their order."""
        return [frame.request for _, frame in self.heard if isinstance(frame.request, kind)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                frame = read_request(memoryview(await reader.readexactly(size)), REQUESTS)
                if not await self._answer(number, frame, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, number: int, frame: Frame, writer: asyncio.StreamWriter) -> bool:
        version = frame.version
        if isinstance(frame.request, ApiVersionsRequest):
            response: Any = self._versions(version)
            version = 0 if response.error_code else version
        else:
            self.heard.append((number, frame))
            response = self._answers[type(frame.request)]
            if callable(response):
                response = response(frame.request)
            if inspect.isawaitable(response):
                response = await response
        if response is HANG_UP:
            return False
        if isinstance(frame.request, ProduceRequest) and frame.request.acks == 0:
            return True
        data = b"".join(write_response(frame.api, version, frame.correlation_id, response))
        for piece in [data[i : i + 1] for i in range(len(data))] if self.piecemeal else [data]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return True

    def _versions(self, version: int) -> ApiVersionsResponse:
        return ApiVersionsResponse(
            error_code=(
                ErrorCode.UNSUPPORTED_VERSION if version > self.api_versions_max else ErrorCode.NONE
            ),
            api_keys=[
                ApiVersion(
                    api_key=key,
                    min_version=cls.api.versions.first,
                    max_version=cls.api.versions.last,
                )
                for key, cls in REQUESTS.items()
            ],
        )


class Cluster:
    """Scripted brokers that tell of each other, and who leads which partition."""

    def __init__(self, *brokers: ScriptedBroker) -> None:
        self.brokers = {broker.node_id: broker for broker in brokers}
        self.leaders: dict[str, list[int]] = {}  # node ids, by topic and partition
        for broker in brokers:
            broker.on(MetadataRequest, self.metadata)

    @property
    def url(self) -> str:
        """Return the URL that names the first of them."""
        return f"kafka://{next(iter(self.brokers.values())).address}"

    def metadata(self, request: MetadataRequest) -> MetadataResponse:
        """Return what they all say."""
        asked = [topic.name for topic in request.topics or []]
        names = list(self.leaders) if request.topics is None else asked
        return MetadataResponse(
            brokers=[
                MetadataBroker(node_id=node_id, host=broker.address.host, port=broker.address.port)
                for node_id, broker in self.brokers.items()
            ],
            topics=[self._topic(name) for name in names if name is not None],
        )

    def _topic(self, name: str) -> MetadataTopic:
        if name not in self.leaders:
            return MetadataTopic(name=name, error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return MetadataTopic(
            name=name,
            partitions=[
                MetadataPartition(
                    index=index,
                    leader_id=leader,
                    error_code=(ErrorCode.LEADER_NOT_AVAILABLE if leader < 0 else ErrorCode.NONE),
                )
                for index, leader in enumerate(self.leaders[name])
            ],
        )


class Gate:
    """An answer that comes when the gate is opened with it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def __call__(self, request: Request[Any]) -> Any:
        self.reached.set()
        return await self._answer

    def open(self, answer: Any) -> None:
        """Let the answer go."""
        self._answer.set_result(answer)


class Rests:
    """Stands for sleep: writes down for how long, and lets others run."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)
