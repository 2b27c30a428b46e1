"""A client of one blocking socket: the same few requests for whichever broker is there."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any, TypeVar

from millstream_log.record.builder import encode_columns
from millstream_log.wire.frames import read_response, write_request
from millstream_log.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from millstream_log.wire.messages.delete_topics import DeleteTopicsRequest
from millstream_log.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from millstream_log.wire.messages.metadata import MetadataRequest
from millstream_log.wire.messages.produce import (
    ProducePartition,
    ProduceRequest,
    ProduceResponse,
    ProduceTopic,
)
from millstream_log.wire.request import Request

R = TypeVar("R")

LATEST = -1
WAIT_SECONDS = 60.0
VERSIONS = {"Produce": 9, "ListOffsets": 5, "Metadata": 8, "CreateTopics": 4, "DeleteTopics": 3}
"""Versions that every broker of the last years speaks."""


class WireClient:
    """A connection; used in a `with` block."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def __enter__(self) -> WireClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._answers.close()
        self._socket.close()

    def ask_raw(self, frame: bytes) -> bytes:
        """Send a whole request; return the answer without its size."""
        self._socket.sendall(frame)
        head = self._answers.read(4)
        if len(head) < 4:
            raise ConnectionError("the broker hung up")
        return self._answers.read(*struct.unpack(">i", head))

    def ask(self, request: Request[R]) -> R:
        """Send a request; return its answer."""
        answer: tuple[int, R] = read_response(
            memoryview(self.ask_raw(frame_of(request))),
            request.api,
            VERSIONS[request.api.name],
        )
        return answer[1]

    def create_topic(self, name: str, partitions: int) -> None:
        """Create a topic and wait until every partition of it can be asked for its offsets."""
        topic = CreatableTopic(name=name, num_partitions=partitions, replication_factor=1)
        (result,) = self.ask(CreateTopicsRequest(topics=[topic])).topics
        assert not result.error_code, f"{name}: {result.error_message or result.error_code!r}"
        deadline = time.monotonic() + WAIT_SECONDS
        while any(found.error_code for found in self._ends(name, partitions)):
            assert time.monotonic() < deadline, f"{name} is not ready"
            time.sleep(0.02)

    def delete_topic(self, name: str) -> None:
        """Delete a topic."""
        (result,) = self.ask(DeleteTopicsRequest(topic_names=[name])).topics
        assert not result.error_code, f"{name}: {result.error_code!r}"

    def records_in(self, name: str, partitions: int) -> int:
        """Return how many records a topic holds that nothing was deleted from."""
        ends = self._ends(name, partitions)
        failed = [found for found in ends if found.error_code]
        assert not failed, failed
        return sum(found.offset for found in ends)

    def knows_a_broker(self) -> bool:
        """Tell whether Metadata is answered, and names a broker to go to."""
        return bool(self.ask(MetadataRequest(topics=[])).brokers)

    def _ends(self, name: str, partitions: int) -> list[ListOffsetsPartitionResponse]:
        asked = [ListOffsetsPartition(index=i, timestamp=LATEST) for i in range(partitions)]
        topics = [ListOffsetsTopic(name=name, partitions=asked)]
        (answer,) = self.ask(ListOffsetsRequest(topics=topics)).topics
        return answer.partitions


def lone_records(port: int, topic: str, count: int) -> list[float]:
    """Return the seconds that each of `count` records, sent alone, waited for its ack."""
    batch = encode_columns([int(time.time() * 1000)], None, [b"x" * 100])
    parts = [ProducePartition(index=0, records=batch)]
    topics = [ProduceTopic(name=topic, partitions=parts)]
    request = ProduceRequest(topics=topics, acks=-1)
    frame, waited = frame_of(request), []
    with WireClient(port) as client:
        answer: ProduceResponse = client.ask(request)
        assert not answer.topics[0].partitions[0].error_code, answer
        for _ in range(count):
            began = time.perf_counter()
            client.ask_raw(frame)
            waited.append(time.perf_counter() - began)
    return waited


def frame_of(request: Request[Any]) -> bytes:
    """Return a request as it goes over the wire."""
    return b"".join(write_request(request, VERSIONS[request.api.name], 1, "bench"))
