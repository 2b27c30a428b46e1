"""A client of a socket and our codec, no more: it does what a test says, right or wrong."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from millstream_log.record.builder import encode_columns
from millstream_log.wire.frames import read_response, write_request
from millstream_log.wire.messages.fetch import (
    FetchPartition,
    FetchPartitionResponse,
    FetchRequest,
    FetchTopic,
)
from millstream_log.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from millstream_log.wire.messages.produce import (
    ProducePartition,
    ProducePartitionResponse,
    ProduceRequest,
    ProduceTopic,
)
from millstream_log.wire.request import Request

SECONDS = 20.0  # a broker that is silent for so long hangs
_NAMES_UP_TO = 12  # later versions of Produce and Fetch know topics by their ids

R = TypeVar("R")


class RawClient:
    """One connection, one request at a time."""

    def __init__(self, port: int, seconds: float = SECONDS) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), seconds)
        self._correlation = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.sock.close()

    def ask(self, request: Request[R], version: int | None = None) -> R:
        """Send a request, in its newest version by default; return the answer to it."""
        api = request.api
        version = api.versions.last if version is None else version
        self._correlation += 1
        self.sock.sendall(b"".join(write_request(request, version, self._correlation, "raw")))
        correlation, response = read_response(self.receive(), api, version)
        assert correlation == self._correlation
        answer: R = response
        return answer

    def receive(self) -> memoryview:
        """Return the next response, without its size."""
        return memoryview(self._exactly(struct.unpack(">i", self._exactly(4))[0]))

    def is_closed(self) -> bool:
        """Read until the broker closes; return False when it does not within the time-out."""
        try:
            while self.sock.recv(1 << 16):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def create(self, topic: str) -> None:
        """Create a topic by asking for it."""
        response: Any = self.ask(MetadataRequest(topics=[MetadataRequestTopic(name=topic)]))
        assert not response.topics[0].error_code, response.topics[0]

    def produce(
        self, topic: str, values: Sequence[bytes | None], partition: int = 0
    ) -> ProducePartitionResponse:
        """Append one batch; return what the broker says to it."""
        batch = encode_columns([1] * len(values), None, list(values))
        parts = [ProducePartition(index=partition, records=batch)]
        topics = [ProduceTopic(name=topic, partitions=parts)]
        response: Any = self.ask(ProduceRequest(topics=topics), _NAMES_UP_TO)
        found: ProducePartitionResponse = response.topics[0].partitions[0]
        return found

    def fetch(self, topic: str, offset: int, partition: int = 0) -> FetchPartitionResponse:
        """Read from one partition without waiting."""
        response: Any = self.ask(fetch_request(topic, offset, partition), _NAMES_UP_TO)
        found: FetchPartitionResponse = response.topics[0].partitions[0]
        return found

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise ConnectionResetError("the broker has closed the connection")
            data += more
        return bytes(data)


def fetch_request(
    topic: str, offset: int, partition: int = 0, bytes_max: int = 1 << 20
) -> FetchRequest:
    """Return a request for one partition that does not wait."""
    part = FetchPartition(index=partition, fetch_offset=offset, max_bytes=bytes_max)
    return FetchRequest(
        topics=[FetchTopic(name=topic, partitions=[part])], max_bytes=bytes_max, max_wait_ms=0
    )


def rss_bytes(pid: int) -> int:
    """Return the memory that a process has in use."""
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no VmRSS")
