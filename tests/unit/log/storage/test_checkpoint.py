from __future__ import annotations

import pytest

from millstream_log.errors import CorruptRecordError
from millstream_log.model import TopicPartition
from millstream_log.storage import checkpoint


def test_offsets_are_written_as_kafka_writes_them() -> None:
    """Version, count, then topic, partition and offset on a line each."""
    offsets = {TopicPartition("b", 1): 7, TopicPartition("a", 0): 12}
    data = checkpoint.encode_offsets(offsets)
    assert data == b"0\n2\na 0 12\nb 1 7\n"
    assert checkpoint.decode_offsets(data, "x") == offsets


@pytest.mark.parametrize(
    "data", [b"", b"1\n0\n", b"0\n2\na 0 12\n", b"0\n1\na 0\n", b"0\n1\na x 1\n"]
)
def test_a_checkpoint_is_whole_or_refused(data: bytes) -> None:
    """Half a file is not half believed."""
    with pytest.raises(CorruptRecordError, match="points"):
        checkpoint.decode_offsets(data, "points")


def test_a_topic_id_survives_its_file() -> None:
    """32 hex digits go through Kafka's 22 characters of base64 and come back."""
    topic_id = "ff" * 15 + "3e"
    data = checkpoint.encode_topic_id(topic_id)
    assert data == b"version: 0\ntopic_id: ____________________Pg\n"
    assert checkpoint.decode_topic_id(data, "x") == topic_id


@pytest.mark.parametrize(
    "data", [b"", b"version: 1\ntopic_id: AAAA\n", b"version: 0\ntopic_id: A\n"]
)
def test_a_file_without_topic_id_is_refused(data: bytes) -> None:
    """What names no id of version 0 says so."""
    with pytest.raises(CorruptRecordError, match="names no topic id"):
        checkpoint.decode_topic_id(data, "x")
