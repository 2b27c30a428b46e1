"""The records of a Fetch answer that was cut."""

from __future__ import annotations

import pytest

from millstream_log.record.builder import encode_columns
from millstream_log.remote.records import whole_batches

ONE = bytes(encode_columns([1], None, [b"one"]))
TWO = bytes(encode_columns([2], None, [b"two, longer"]))


@pytest.mark.parametrize("cut", range(len(ONE), len(ONE) + len(TWO) + 1))
def test_a_batch_that_is_not_there_to_its_end_is_left_out(cut: int) -> None:
    """Wherever an answer is cut behind its first batch, whole batches alone are kept."""
    both = ONE + TWO
    kept = whole_batches(memoryview(bytearray(both[:cut])))
    assert kept == (both if cut == len(both) else ONE)


@pytest.mark.parametrize("data", [b"", ONE[:-1], ONE[:5], bytes(8) + b"\xff" * 20])
def test_a_first_batch_that_is_broken_is_left_to_the_reader(data: bytes) -> None:
    """Nobody cuts the first batch: what looks like that is an error, and is to be seen."""
    assert whole_batches(data) == data


def test_a_size_below_zero_ends_the_batches() -> None:
    """What follows a whole batch and is none is left out, as a cut one is."""
    assert whole_batches(ONE + bytes(8) + b"\xff" * 20) == ONE
