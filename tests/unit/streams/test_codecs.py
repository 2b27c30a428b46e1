"""Other frameworks take the codecs: aiokafka's producer and consumer, Faust's codecs and topics."""

from __future__ import annotations

import asyncio
import importlib.metadata
from typing import Any

import pytest

from millstream.serde import deserializer, json_serializer, msgpack_serializer

VALUE = {"page": "/home", "n": 5, "tags": ["a"], "none": None}


@pytest.mark.parametrize("serializer", [msgpack_serializer, json_serializer])
def test_an_aiokafka_producer_takes_them(serializer: Any) -> None:
    """Aiokafka's producer writes bytes with the serializer, and its consumer reads them back."""
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    async def scenario() -> None:
        producer = AIOKafkaProducer(value_serializer=serializer, key_serializer=serializer)
        consumer = AIOKafkaConsumer(value_deserializer=deserializer())
        try:
            key, value = producer._serialize("k", VALUE, [])
            assert isinstance(value, bytes)
            assert producer._serialize(None, None, []) == (None, None)
            assert consumer._value_deserializer(value) == VALUE
            assert deserializer(str)(key) == "k"
        finally:
            producer._closed = consumer._closed = True  # neither was started: nothing to close

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["millstream_msgpack", "millstream_json"])
def test_faust_finds_them_by_entry_point(name: str) -> None:
    """Faust's registry has the codec without an import, and it reads what it has written."""
    from faust.serializers.codecs import get_codec

    assert name in {entry.name for entry in importlib.metadata.entry_points(group="faust.codecs")}
    codec = get_codec(name)
    assert codec.loads(codec.dumps(VALUE)) == VALUE


def test_faust_reads_what_millstream_writes() -> None:
    """The bytes are the same on both sides, so either framework reads the other's topics."""
    from faust.serializers.codecs import get_codec

    assert get_codec("millstream_msgpack").dumps(VALUE) == msgpack_serializer(VALUE)
    assert get_codec("millstream_json").loads(json_serializer(VALUE) or b"") == VALUE
    assert deserializer()(get_codec("millstream_msgpack").dumps(VALUE)) == VALUE


@pytest.mark.parametrize("name", ["millstream_msgpack", "millstream_json"])
def test_a_faust_topic_takes_them(name: str) -> None:
    """A Faust topic writes and reads its values with the codec named as value_serializer."""
    import faust

    class Click(faust.Record, serializer=name):
        page: str
        n: int

    app = faust.App(f"codecs-{name}", broker="kafka://nowhere")
    topic: Any = app.topic("clicks", value_type=Click, value_serializer=name)
    data, _ = topic.prepare_value(Click(page="/", n=1), topic.value_serializer, None, {})
    assert isinstance(data, bytes)
    assert deserializer()(data)["page"] == "/"
    assert app.serializers.loads_value(Click, data, serializer=name) == Click(page="/", n=1)
    plain: Any = app.topic("plain", value_serializer=name)
    data, _ = plain.prepare_value(VALUE, plain.value_serializer, None, {})
    assert app.serializers.loads_value(None, data, serializer=name) == VALUE
