"""A disk that is full under load: writers are told, readers go on, and writing goes on with room.

The disk is full for a single process, which needs no privilege: its files may not grow beyond a
size that is lowered and raised while it runs (RLIMIT_FSIZE; the write fails as it does without
space, some of it written).
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import KafkaError, Message, Producer
from raw_client import RawClient

from millstream_log.errors import ErrorCode
from millstream_log.record.batch import decode, iter_batches
from millstream_log.testing import RunningBroker, broker

pytestmark = pytest.mark.integration

WRITERS = 3
VALUE_BYTES = 20_000
FULL_BYTES = 300_000  # how large a file may become while the disk is full
SECONDS = 20.0
RETRIED = "retried"  # the topic of the producer that tries again by itself


def await_that(condition: Callable[[], bool], what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {SECONDS:.0f} s: {what}"
        time.sleep(0.01)


def read_all(client: RawClient, topic: str) -> Iterator[bytes | None]:
    """Yield the values of every record from the start of a topic."""
    offset = 0
    while True:
        part = client.fetch(topic, offset)
        assert not part.error_code, part
        data = bytes(part.records or b"")
        if not data:
            return
        for at, header in iter_batches(data):
            yield from (record.value for record in decode(data, at, header))
            offset = header.next_offset


class Writer:
    """Writes one record after the other to a topic of its own, whatever comes."""

    def __init__(self, port: int, number: int, ended: threading.Event) -> None:
        self.topic = f"topic-{number}"
        self.acknowledged: list[bytes] = []
        self.refused: list[ErrorCode] = []
        self._client = RawClient(port)
        self._client.create(self.topic)
        self._ended = ended
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        with self._client:
            number = 0
            while not self._ended.wait(0.005):
                value = b"%d " % number + bytes(VALUE_BYTES)
                written = self._client.produce(self.topic, [value])
                if written.error_code:
                    self.refused.append(written.error_code)
                else:
                    assert written.base_offset == len(self.acknowledged)
                    self.acknowledged.append(value)
                number += 1


class Retrying:
    """An idempotent producer that waits for room by itself."""

    def __init__(self, running: RunningBroker) -> None:
        self.sent = 0
        self.delivered = 0
        self.errors: list[KafkaError] = []
        self._producer = Producer(
            {
                "bootstrap.servers": running.bootstrap,
                "enable.idempotence": True,
                "linger.ms": 5,
                "retry.backoff.ms": 50,
                "retry.backoff.max.ms": 100,
            }
        )

    def send(self) -> None:
        """Send one more record."""
        value = b"%d " % self.sent + bytes(VALUE_BYTES)
        self._producer.produce(RETRIED, value, partition=0, on_delivery=self._delivered)
        self._producer.poll(0)
        self.sent += 1

    def flush(self) -> None:
        """Wait until all are delivered."""
        assert self._producer.flush(SECONDS) == 0, "records are not delivered"

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.delivered += 1
        else:
            self.errors.append(error)


def limit_files(running: RunningBroker, size: int) -> None:
    """Let no file of the broker grow beyond `size`."""
    _, hard = resource.prlimit(running.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (size, hard))


def test_full_disk_is_told_and_survived() -> None:
    """Writers get KAFKA_STORAGE_ERROR, readers go on, and with room all is as if nothing was."""
    with broker() as running, RawClient(running.port) as reader:
        reader.create(RETRIED)
        ended = threading.Event()
        writers = [Writer(running.port, number, ended) for number in range(WRITERS)]
        retrying = Retrying(running)
        try:
            limit_files(running, FULL_BYTES)
            await_that(lambda: all(len(w.refused) > 5 for w in writers), "the disk is full")
            for _ in range(FULL_BYTES // VALUE_BYTES + 10):
                retrying.send()
            for writer in writers:
                count = len(writer.acknowledged)
                assert list(read_all(reader, writer.topic))[:count] == writer.acknowledged[:count]
            assert retrying.delivered < retrying.sent

            limit_files(running, resource.RLIM_INFINITY)
            goal = max(len(w.acknowledged) for w in writers) + 20
            await_that(lambda: all(len(w.acknowledged) > goal for w in writers), "writing goes on")
            retrying.flush()
        finally:
            ended.set()
            for writer in writers:
                writer.thread.join()
        assert {code for writer in writers for code in writer.refused} == {
            ErrorCode.KAFKA_STORAGE_ERROR
        }
        assert not retrying.errors

        running.kill()
        running.start()
        with RawClient(running.port) as after:
            for writer in writers:
                assert list(read_all(after, writer.topic)) == writer.acknowledged
            numbers = [int(bytes(value or b"").split()[0]) for value in read_all(after, RETRIED)]
            assert numbers == list(range(retrying.sent))
        assert "Traceback" not in running.said()
