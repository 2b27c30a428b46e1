"""librdkafka as fast as it goes, in a process of its own; prints seconds as JSON.

    python librdkafka.py produce HOST:PORT TOPIC COUNT PAYLOADS [key=value ...]
    python librdkafka.py consume HOST:PORT TOPIC COUNT PARTITIONS

The library is the one in confluent-kafka's wheel, called without that package: a Python call for
each record tops out near 0.6 million a second, below what either broker takes. Records go out in
arrays of a thousand, and what comes in is visited by a function of the library itself.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import sys
import time
from ctypes import byref, c_char_p, c_int, c_int32, c_int64, c_size_t, c_void_p
from pathlib import Path

PRODUCER, CONSUMER = 0, 1
CONF_OK = 0
PARTITION_ANY = -1
COPY_AND_BLOCK = 0x2 | 0x4
CONSUMER_CONFIGS = {
    # As librdkafka's own performance tool has it: by default a queue that has filled up once
    # keeps the consumer from fetching for a second, which then is all that is measured.
    "queued.min.messages": "1000000",
    "fetch.queue.backoff.ms": "10",
    "fetch.wait.max.ms": "10",  # the first fetch may name one partition only, and that be empty
}
FLUSH_MS = 300_000
STALLED_SECONDS = 30.0

POINTERS = (
    "rd_kafka_conf_new",
    "rd_kafka_new",
    "rd_kafka_topic_new",
    "rd_kafka_queue_new",
)


class Message(ctypes.Structure):
    """rd_kafka_message_t."""

    _fields_ = (
        ("err", c_int),
        ("topic", c_void_p),
        ("partition", c_int32),
        ("payload", c_char_p),
        ("len", c_size_t),
        ("key", c_void_p),
        ("key_len", c_size_t),
        ("offset", c_int64),
        ("private", c_void_p),
    )


def open_library() -> ctypes.CDLL:
    """Load librdkafka."""
    found = importlib.util.find_spec("confluent_kafka")
    assert found is not None, "confluent-kafka is not installed"
    (path,) = Path(str(found.origin)).parents[1].glob("confluent_kafka.libs/librdkafka-*")
    library = ctypes.CDLL(str(path))
    for name in POINTERS:
        getattr(library, name).restype = c_void_p
    return library


def new_handle(library: ctypes.CDLL, kind: int, configs: dict[str, str]) -> c_void_p:
    """Return a producer or a consumer."""
    conf, said = c_void_p(library.rd_kafka_conf_new()), ctypes.create_string_buffer(512)
    for name, value in configs.items():
        result = library.rd_kafka_conf_set(conf, name.encode(), value.encode(), said, len(said))
        assert result == CONF_OK, said.value.decode()
    handle = library.rd_kafka_new(kind, conf, said, len(said))
    assert handle, said.value.decode()
    return c_void_p(handle)


def connect(library: ctypes.CDLL, handle: c_void_p, topic: str) -> c_void_p:
    """Return a topic whose metadata is there."""
    found = c_void_p(library.rd_kafka_topic_new(handle, topic.encode(), None))
    metadata = c_void_p()
    error = library.rd_kafka_metadata(handle, 0, found, byref(metadata), c_int(30_000))
    assert not error, f"no metadata of {topic}: error {error}"
    library.rd_kafka_metadata_destroy(metadata)
    return found


def produce(
    bootstrap: str, topic: str, count: int, payloads: list[bytes], configs: dict[str, str]
) -> float:
    """Return the seconds from the first record to the last one's ack."""
    library = open_library()
    own = {"bootstrap.servers": bootstrap, "queue.buffering.max.messages": "500000"}
    handle = new_handle(library, PRODUCER, own | configs)
    target = connect(library, handle, topic)
    array = (Message * len(payloads))()
    for message, payload in zip(array, payloads, strict=True):
        message.payload, message.len = payload, len(payload)
    began = time.perf_counter()
    left = count
    while left:
        part = min(left, len(payloads))
        sent = library.rd_kafka_produce_batch(target, PARTITION_ANY, COPY_AND_BLOCK, array, part)
        assert sent == part, f"{part - sent} records were not taken"
        left -= part
    error = library.rd_kafka_flush(handle, FLUSH_MS)
    assert not error, f"flush: error {error}"
    return time.perf_counter() - began


def consume(bootstrap: str, topic: str, count: int, partitions: int) -> float:
    """Return the seconds from the first fetch to the last record."""
    library = open_library()
    own = {"bootstrap.servers": bootstrap}
    handle = new_handle(library, CONSUMER, own | CONSUMER_CONFIGS)
    source, queue = connect(library, handle, topic), c_void_p(library.rd_kafka_queue_new(handle))
    visit, kind = library.rd_kafka_message_timestamp, c_int()  # (message, &kind of its timestamp)
    began = last = time.perf_counter()
    for partition in range(partitions):
        error = library.rd_kafka_consume_start_queue(source, c_int32(partition), c_int64(0), queue)
        assert not error, f"partition {partition} cannot be read"
    got = 0
    while got < count:
        more = library.rd_kafka_consume_callback_queue(queue, c_int(1000), visit, byref(kind))
        assert more >= 0, "the queue cannot be read"
        got += more
        now = time.perf_counter()
        last = now if more else last
        assert now - last < STALLED_SECONDS, f"only {got} of {count} records came"
    return time.perf_counter() - began


def main() -> None:
    what, bootstrap, topic, count, last, *configs = sys.argv[1:]
    if what == "produce":
        payloads = Path(last).read_bytes().splitlines()
        settings = dict(word.split("=", 1) for word in configs)
        seconds = produce(bootstrap, topic, int(count), payloads, settings)
    else:
        seconds = consume(bootstrap, topic, int(count), int(last))
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
