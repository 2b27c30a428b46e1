from __future__ import annotations

from collections.abc import Callable

import pytest

from millstream_log.errors import (
    BrokerError,
    CorruptRecordError,
    ErrorCode,
    InvalidProducerEpochError,
    OutOfOrderSequenceError,
)
from millstream_log.record.batch import BatchHeader, read_header
from millstream_log.record.control import Marker, MarkerType, encode_marker
from millstream_log.storage.producers import SEQUENCE_MAX, Producers

Batch = Callable[..., bytearray]
Header = Callable[..., BatchHeader]


@pytest.fixture
def header(batch: Batch) -> Header:
    """Return a maker of headers of producer 7."""

    def make(
        sequence: int, count: int = 1, *, offset: int = 0, epoch: int = 0, **how: object
    ) -> BatchHeader:
        data = batch(
            *["x"] * count,
            producer_id=7,
            producer_epoch=epoch,
            base_sequence=sequence,
            **how,
        )
        return read_header(data)._replace(base_offset=offset)

    return make


def test_a_batch_sent_again_is_known_among_the_last_five(header: Header) -> None:
    """A retry is answered with the offsets of the first time, five batches back."""
    producers = Producers()
    for number in range(6):
        producers.note(header(number * 2, 2, offset=number * 2))
    for number in range(1, 6):
        mark = producers.admit([header(number * 2, 2)])
        assert mark is not None
        assert (mark.base_offset, mark.last_offset) == (number * 2, number * 2 + 1)
    with pytest.raises(OutOfOrderSequenceError, match="sends sequence 0, expected 12"):
        producers.admit([header(0, 2)])


def test_a_gap_is_refused(header: Header) -> None:
    """A sequence that skips one means that a batch was lost."""
    producers = Producers()
    producers.note(header(0, 3))
    assert producers.admit([header(3)]) is None
    with pytest.raises(OutOfOrderSequenceError, match="sends sequence 4, expected 3"):
        producers.admit([header(4)])


def test_batches_of_one_append_follow_each_other(header: Header) -> None:
    """The second batch of an append is checked against the first, before either is noted."""
    producers = Producers()
    assert producers.admit([header(0, 2), header(2, 2)]) is None
    with pytest.raises(OutOfOrderSequenceError):
        producers.admit([header(0, 2), header(3)])
    assert not producers.entries


def test_a_sequence_wraps_to_zero(header: Header) -> None:
    """After 2**31 - 1 comes 0, also inside a batch."""
    producers = Producers()
    producers.note(header(SEQUENCE_MAX - 1, 4))
    assert producers.admit([header(SEQUENCE_MAX - 1, 4)]) is not None
    assert producers.admit([header(2)]) is None


def test_an_old_epoch_is_fenced(header: Header) -> None:
    """Once a newer producer has written, the older one is refused, and the newer begins at 0."""
    producers = Producers()
    producers.note(header(0, 2, epoch=1))
    with pytest.raises(InvalidProducerEpochError, match="has epoch 0, the log has seen 1"):
        producers.admit([header(2)])
    with pytest.raises(OutOfOrderSequenceError, match="expected 0"):
        producers.admit([header(2, epoch=2)])
    assert producers.admit([header(0, epoch=2)]) is None


def test_an_unknown_producer_may_begin_anywhere(header: Header) -> None:
    """Retention may have removed what it wrote before."""
    assert Producers().admit([header(500)]) is None


def test_a_snapshot_brings_back_the_last_batch(header: Header) -> None:
    """After a restart the last batch of each producer is known, and so is what is open."""
    producers = Producers()
    producers.note(header(0, 3, offset=10, is_transactional=True))
    producers.note(header(3, 2, offset=13, is_transactional=True))
    again = Producers.decode(producers.encode(), "x")
    assert again.admit([header(3, 2)]) is not None
    assert again.admit([header(5, is_transactional=True)]) is None
    assert again.transactions.first_unstable_offset(100) == 10
    assert again.last_batches() == {7: (14, 0)}
    assert again.encode() == producers.encode()


def test_a_damaged_snapshot_is_refused(header: Header) -> None:
    """Every bit of a snapshot is covered: by version, CRC or count."""
    producers = Producers()
    producers.note(header(0))
    data = producers.encode()
    for at in range(len(data)):
        with pytest.raises(CorruptRecordError):
            Producers.decode(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :], "x")
    with pytest.raises(CorruptRecordError):
        Producers.decode(data[:5], "x")


def test_silent_producers_are_forgotten_unless_something_is_open(header: Header) -> None:
    """A day of silence ends what is known of a producer, but never an open transaction."""
    producers = Producers()
    producers.note(header(0, time=1000))
    producers.note(header(0, time=1000, is_transactional=True)._replace(producer_id=8))
    assert producers.expire(1_499, 500) == 0
    assert set(producers.entries) == {7, 8}
    assert producers.expire(1_500, 500) == 1
    assert set(producers.entries) == {8}


def marker(
    kind: MarkerType = MarkerType.COMMIT, *, epoch: int = 0, coordinator: int = 0
) -> tuple[BatchHeader, bytearray]:
    """Return header and bytes of a marker for producer 7."""
    data = encode_marker(
        Marker(kind, coordinator), timestamp_ms=5, producer_id=7, producer_epoch=epoch
    )
    return read_header(data), data


def test_a_marker_of_an_old_epoch_is_refused(header: Header) -> None:
    """What a fenced coordinator or a late one sends ends nothing."""
    producers = Producers()
    producers.note(header(0, epoch=2, is_transactional=True))
    found, data = marker(epoch=1)
    with pytest.raises(InvalidProducerEpochError, match="has epoch 1, the log has seen 2"):
        producers.admit([found], data)
    found, data = marker(epoch=2, coordinator=4)
    assert producers.admit([found], data) is None
    producers.note(found, Marker(MarkerType.COMMIT, 4))
    found, data = marker(epoch=2, coordinator=3)
    with pytest.raises(BrokerError, match="coordinator epoch 3, the log has seen 4") as caught:
        producers.admit([found], data)
    assert caught.value.code is ErrorCode.TRANSACTION_COORDINATOR_FENCED


def test_a_marker_of_a_newer_epoch_begins_it(header: Header) -> None:
    """Whoever is of the epoch that the marker ended is fenced; the newer one begins at 0."""
    producers = Producers()
    producers.note(header(0, 3, is_transactional=True))
    producers.note(marker(epoch=1)[0], Marker(MarkerType.ABORT, 0))
    with pytest.raises(InvalidProducerEpochError):
        producers.admit([header(3, is_transactional=True)])
    with pytest.raises(OutOfOrderSequenceError, match="expected 0"):
        producers.admit([header(3, epoch=1)])
    assert producers.admit([header(0, epoch=1)]) is None
    assert producers.last_batches() == {7: (-1, 1)}


def test_a_marker_without_a_transaction_ends_nothing(header: Header) -> None:
    """It is taken, it aborts nothing, and sequences go on behind it."""
    producers = Producers()
    producers.note(header(0, 3))
    assert producers.note(marker()[0], Marker(MarkerType.ABORT, 0)) is None
    assert producers.transactions.first_unstable_offset(100) is None
    assert producers.admit([header(3)]) is None
    assert producers.note(marker()[0], None) is None


def test_an_open_transaction_takes_all_that_its_producer_writes(header: Header) -> None:
    """A batch outside of it is an invalid state, until the marker comes."""
    producers = Producers()
    producers.note(header(0, offset=4, is_transactional=True))
    with pytest.raises(BrokerError, match="open since offset 4") as caught:
        producers.admit([header(1)])
    assert caught.value.code is ErrorCode.INVALID_TXN_STATE
    producers.note(marker()[0], Marker(MarkerType.COMMIT, 0))
    assert producers.admit([header(1)]) is None


def test_a_coordinators_batch_has_no_sequence(header: Header) -> None:
    """Offsets that a group commits within a transaction are checked by epoch alone."""
    producers = Producers()
    producers.note(header(-1, 3, is_transactional=True))
    assert producers.admit([header(-1, 3, is_transactional=True)]) is None
    assert producers.admit([header(-1, epoch=1, is_transactional=True)]) is None
    producers.note(header(-1, epoch=1, is_transactional=True))
    with pytest.raises(InvalidProducerEpochError):
        producers.admit([header(-1, is_transactional=True)])


def test_an_aborting_marker_says_what_it_aborts(header: Header) -> None:
    """First offset, its own, and how far another open transaction lets the log be stable."""
    producers = Producers()
    producers.note(header(0, offset=3, is_transactional=True)._replace(producer_id=8))
    producers.note(header(0, 2, offset=4, is_transactional=True))
    found = marker()[0]._replace(base_offset=6)
    assert producers.note(found, Marker(MarkerType.ABORT, 0)) == (7, 4, 6, 3)
    ends_other = found._replace(producer_id=8, base_offset=7)
    assert producers.note(ends_other, Marker(MarkerType.ABORT, 0)) == (8, 3, 7, 8)


def test_producers_are_described(header: Header) -> None:
    """By producer id: epoch, sequence, time, coordinator's epoch, and what is open."""
    producers = Producers()
    producers.note(header(0, 3, offset=9, time=50, is_transactional=True))
    producers.note(marker()[0]._replace(producer_id=3), Marker(MarkerType.COMMIT, 6))
    assert producers.describe() == [(3, 0, -1, 5, 6, -1), (7, 0, 2, 50, -1, 9)]
