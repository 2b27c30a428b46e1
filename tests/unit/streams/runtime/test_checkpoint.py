from __future__ import annotations

import pytest

import millstream as ms
from millstream.runtime.checkpoint import (
    CHECKPOINT_KEY,
    MARK_KEY,
    Checkpoint,
    SourceMark,
    decode_checkpoint,
    decode_mark,
    encode_checkpoint,
    encode_mark,
)
from millstream.serde import encode_key, msgpack_serializer


def test_a_checkpoint_comes_back_whole() -> None:
    """What a checkpoint says is read as it was written, with its stores."""
    checkpoint = Checkpoint({"a/0": 5}, {"a/0": 100}, outlets={"r/1": 7})
    record = checkpoint.store("counts", "n:count")
    record.open, record.closed_before = [-10, 0], -10
    assert decode_checkpoint(encode_checkpoint(checkpoint)) == checkpoint


def test_stores_have_bytes_of_their_own() -> None:
    """Each store has another first byte, kept for as long as the checkpoint lasts."""
    checkpoint = Checkpoint()
    ids = [checkpoint.store(name, "x").store_id for name in ("a", "b", "c")]
    assert len(set(ids)) == 3
    again = decode_checkpoint(encode_checkpoint(checkpoint))
    assert [again.store(name, "x").store_id for name in ("c", "b", "a")] == ids[::-1]


def test_another_schema_is_refused_with_what_to_do() -> None:
    """A store that another aggregate wrote is refused: both are shown, and two ways out."""
    checkpoint = Checkpoint()
    checkpoint.store("counts", "n:count|no windows")
    with pytest.raises(ms.StateStoreError) as error:
        checkpoint.store("counts", "n:sum|no windows")
    for words in ("'counts'", "[n:count|no windows]", "[n:sum|no windows]", "agg(name=...)"):
        assert words in str(error.value)


@pytest.mark.parametrize("key", ["", "ÿ", "\U0010ffff", 5, ("a", 1), -1, None, 1.5, "a" * 300])
def test_no_event_has_a_key_of_the_apps_own(key: object) -> None:
    """Neither a key as text nor one as msgpack begins as the checkpoint's and the mark's do."""
    for data in (encode_key(key), msgpack_serializer(key)):
        assert data not in (CHECKPOINT_KEY, MARK_KEY)
    assert CHECKPOINT_KEY[0] == MARK_KEY[0] == 0xFF


def test_a_mark_comes_back_whole() -> None:
    """A mark says who sent a batch and how far it had come."""
    mark = SourceMark("clicks/0", {"clicks/0": 9}, {"counts": 60_000})
    assert decode_mark(encode_mark(mark)) == mark
