"""A person who knows aiokafka knows this: names and parameters compared by machine."""

from __future__ import annotations

import inspect
from typing import Any

import aiokafka
import pytest

from millstream_log import Consumer, Producer, RecordMetadata, TopicPartition
from millstream_log.client.batch_builder import BatchBuilder

PRODUCER = ["start", "stop", "send", "send_and_wait", "create_batch", "send_batch", "flush",
            "partitions_for"]  # fmt: skip
CONSUMER = ["start", "stop", "subscribe", "unsubscribe", "subscription", "assign", "assignment",
            "getone", "getmany", "seek", "seek_to_beginning", "seek_to_end", "seek_to_committed",
            "position", "committed", "commit", "offsets_for_times", "beginning_offsets",
            "end_offsets", "highwater", "last_stable_offset", "last_poll_timestamp", "pause",
            "resume", "paused", "partitions_for_topic", "topics"]  # fmt: skip

# What a socket, its security, idempotence or membership needs; the last two come later.
NOT_HERE = {
    "bootstrap_servers", "loop", "api_version", "connections_max_idle_ms", "security_protocol",
    "ssl_context", "sasl_mechanism", "sasl_plain_password", "sasl_plain_username",
    "sasl_kerberos_service_name", "sasl_kerberos_domain_name", "sasl_oauth_token_provider",
    "enable_idempotence", "transactional_id", "transaction_timeout_ms",
    "consumer_timeout_ms", "client_rack", "request_timeout_ms",
}  # fmt: skip


def parameters(function: Any) -> list[tuple[str, Any]]:
    """Return names and kinds of a function's parameters, in order."""
    return [(p.name, p.kind) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", PRODUCER)
def test_producer_methods_have_aiokafkas_names_and_parameters(name: str) -> None:
    """Each method takes what aiokafka's takes, in the same order, and is awaited alike."""
    ours, theirs = getattr(Producer, name), getattr(aiokafka.AIOKafkaProducer, name)
    assert parameters(ours) == parameters(theirs)
    if name != "send_batch":  # theirs is a plain function that returns a coroutine, as is ours
        assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)


@pytest.mark.parametrize("name", CONSUMER)
def test_consumer_methods_have_aiokafkas_names_and_parameters(name: str) -> None:
    """Each method takes what aiokafka's takes, in the same order, and is awaited alike."""
    ours, theirs = getattr(Consumer, name), getattr(aiokafka.AIOKafkaConsumer, name)
    assert parameters(ours) == parameters(theirs)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(Producer, aiokafka.AIOKafkaProducer), (Consumer, aiokafka.AIOKafkaConsumer)],
)
def test_options_have_aiokafkas_names(ours: Any, theirs: Any) -> None:
    """Every option of aiokafka's that has a meaning here is taken under its name."""
    known = {name for name, _ in parameters(theirs.__init__)}
    assert known - {name for name, _ in parameters(ours.__init__)} <= NOT_HERE


def test_a_batch_that_is_filled_by_hand_has_aiokafkas_methods() -> None:
    """Append takes the same keywords, and size, record_count and close are there."""
    theirs = aiokafka.producer.message_accumulator.BatchBuilder
    for name in ("append", "close", "record_count", "size"):
        assert parameters(getattr(BatchBuilder, name)) == parameters(getattr(theirs, name))


def test_what_comes_back_has_aiokafkas_fields() -> None:
    """Records, metadata and partitions can be read by the same names."""
    structs = aiokafka.structs
    assert RecordMetadata._fields == structs.RecordMetadata._fields
    assert TopicPartition._fields == structs.TopicPartition._fields
    from millstream_log import OffsetAndMetadata, OffsetAndTimestamp, Record

    assert OffsetAndMetadata._fields == structs.OffsetAndMetadata._fields
    assert OffsetAndTimestamp._fields == structs.OffsetAndTimestamp._fields
    theirs = set(structs.ConsumerRecord.__dataclass_fields__)
    gone = {"checksum", "serialized_key_size", "serialized_value_size"}
    assert set(Record._fields) == theirs - gone
