from __future__ import annotations

import pytest

from millstream_log.model import TopicPartition
from millstream_log.transaction.transaction import (
    PREPARED,
    TRANSITIONS,
    Producer,
    State,
    Transaction,
)

IN = TopicPartition("in", 0)
NEW = Transaction(transactional_id="t", producer=Producer(7, 0), timeout_ms=1000, update_ms=1)


def test_every_state_has_its_transitions() -> None:
    """The table says of each state where it leads, and Dead leads nowhere."""
    assert set(TRANSITIONS) == set(State)
    assert not TRANSITIONS[State.DEAD]


def test_a_decided_end_cannot_be_another() -> None:
    """From Prepare* one state is left, so that a transaction ends in one way."""
    assert TRANSITIONS[State.PREPARE_COMMIT] == {State.COMPLETE_COMMIT}
    assert TRANSITIONS[State.PREPARE_ABORT] == {State.COMPLETE_ABORT}
    assert TRANSITIONS[State.PREPARE_EPOCH_FENCE] == {State.PREPARE_ABORT}
    decided = PREPARED | {State.PREPARE_EPOCH_FENCE}
    leads_there = {state for state, following in TRANSITIONS.items() if following & decided}
    at_rest = {State.EMPTY, State.COMPLETE_COMMIT, State.COMPLETE_ABORT}
    assert leads_there == {State.ONGOING, State.PREPARE_EPOCH_FENCE} | at_rest
    for state in at_rest:
        assert TRANSITIONS[state] & decided == {State.PREPARE_ABORT}


def test_an_illegal_step_is_refused() -> None:
    """A step that the table does not have fails, rather than making a value of it."""
    with pytest.raises(AssertionError, match="Empty to PrepareCommit"):
        NEW.prepared(True, 2)
    ongoing = NEW.with_partitions([IN], 2)
    with pytest.raises(AssertionError, match="Ongoing to Empty"):
        ongoing.given_to(Producer(7, 1), 1000, 3)
    with pytest.raises(AssertionError, match="Ongoing to Dead"):
        ongoing.forgotten(3)
    with pytest.raises(AssertionError, match="PrepareCommit to Ongoing"):
        ongoing.prepared(True, 3).with_partitions([IN], 4)
    with pytest.raises(AssertionError, match="PrepareEpochFence to PrepareCommit"):
        ongoing.fenced(3).prepared(True, 4)


def test_a_transaction_runs_from_its_first_partition() -> None:
    """The start stays while partitions come, and after the end; the next one has its own."""
    ongoing = NEW.with_partitions([IN], 10).with_partitions([TopicPartition("in", 1)], 20)
    assert (ongoing.start_ms, ongoing.update_ms, len(ongoing.partitions)) == (10, 20, 2)
    done = ongoing.prepared(True, 30).completed(40)
    assert (done.state, done.start_ms, done.partitions) == (State.COMPLETE_COMMIT, 10, frozenset())
    assert done.with_partitions([IN], 50).start_ms == 50
    assert done.given_to(Producer(7, 1), 5, 50).start_ms == -1


def test_a_fence_takes_the_next_epoch() -> None:
    """What is fenced goes on under an epoch that its producer does not have, and aborts."""
    fenced = NEW.with_partitions([IN], 10).fenced(20)
    assert fenced.producer == Producer(7, 1)
    assert fenced.prepared(False, 20).completed(30).state is State.COMPLETE_ABORT


def test_the_last_epoch_is_for_nobody() -> None:
    """A producer with 32,766 has come to the end: 32,767 is there to fence it with."""
    assert not Producer(7, 32_765).is_exhausted
    assert Producer(7, 32_766).is_exhausted
