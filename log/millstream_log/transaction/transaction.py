"""One transactional id: whose it is, and how far its transaction has come.

    Empty ──▶ Ongoing ──▶ PrepareCommit ──────────────────▶ CompleteCommit
                 │ └────▶ PrepareAbort ───────────────────▶ CompleteAbort
                 │             ▲
                 └──▶ PrepareEpochFence (the producer is to be kept out)

    CompleteCommit, CompleteAbort ──▶ Ongoing (the next one), Empty (the next producer)
    Empty, CompleteCommit, CompleteAbort ──▶ PrepareAbort (version 2: nothing was written)
    Empty, CompleteCommit, CompleteAbort ──▶ Dead (forgotten)

    Version 1: the epoch stays over transactions. Version 2: each end is under the next epoch, with
    which its producer goes on; where that is EPOCH_MAX, it goes on as a new id from epoch 0.

Invariants: from Prepare* a transaction ends in one way only; an epoch never goes back under one
producer id; EPOCH_MAX is never given to a producer, so that there is always one to fence it with.
PrepareEpochFence and Dead are passed through in memory: the log never says them.

Source: KIP-98, KIP-360, KIP-890.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from ..model import TopicPartition

EPOCH_MAX = 2**15 - 1


class State(enum.StrEnum):
    """The states of a transaction, as operators read them, in the order of their log numbers."""

    EMPTY = "Empty"
    ONGOING = "Ongoing"
    PREPARE_COMMIT = "PrepareCommit"
    PREPARE_ABORT = "PrepareAbort"
    COMPLETE_COMMIT = "CompleteCommit"
    COMPLETE_ABORT = "CompleteAbort"
    DEAD = "Dead"
    PREPARE_EPOCH_FENCE = "PrepareEpochFence"


_AFTER_REST = frozenset({State.EMPTY, State.ONGOING, State.PREPARE_ABORT, State.DEAD})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.EMPTY: _AFTER_REST,
    State.ONGOING: frozenset(
        {State.ONGOING, State.PREPARE_COMMIT, State.PREPARE_ABORT, State.PREPARE_EPOCH_FENCE}
    ),
    State.PREPARE_COMMIT: frozenset({State.COMPLETE_COMMIT}),
    State.PREPARE_ABORT: frozenset({State.COMPLETE_ABORT}),
    State.COMPLETE_COMMIT: _AFTER_REST,
    State.COMPLETE_ABORT: _AFTER_REST,
    State.DEAD: frozenset(),
    State.PREPARE_EPOCH_FENCE: frozenset({State.PREPARE_ABORT}),
}

PREPARED = frozenset({State.PREPARE_COMMIT, State.PREPARE_ABORT})
"""How it ends is decided, and its markers are being written."""


class Producer(NamedTuple):
    """Who writes: of two producers with one id, the higher epoch is the newer."""

    producer_id: int
    epoch: int

    @property
    def is_exhausted(self) -> bool:
        """Tell whether the next epoch is the last one, which no producer may have."""
        return self.epoch >= EPOCH_MAX - 1

    def bumped(self) -> Producer:
        """Return the one that takes its place under the same id."""
        return self._replace(epoch=self.epoch + 1)


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A transactional id at one moment; each step makes a new value of it."""

    transactional_id: str
    producer: Producer
    timeout_ms: int  # from the start of a transaction to its abort
    state: State = State.EMPTY
    partitions: frozenset[TopicPartition] = frozenset()
    update_ms: int  # ms since 1970
    start_ms: int = -1  # of the transaction, kept when it has ended; -1 before the first
    previous_producer_id: int = -1  # of the step before this one; -1 at the first
    next_producer_id: int = -1  # who goes on when the markers are written; -1: the same id
    version: int = 0  # 2 when the client's last step was of a transaction of version 2, else 0

    @property
    def is_prepared(self) -> bool:
        """Tell whether its end is decided and not yet complete."""
        return self.state in PREPARED

    @property
    def successor(self) -> Producer:
        """Return who writes the next transaction, once this one is complete."""
        return self.producer if self.next_producer_id < 0 else Producer(self.next_producer_id, 0)

    def has_ended_for(self, producer: Producer) -> bool:
        """Tell whether an end of version 2 has made this of `producer`, who asks for it again."""
        if self.version < 2:
            return False  # the end of another: it left the epoch, which is not `producer`'s
        if self.producer.epoch == EPOCH_MAX and self.next_producer_id < 0:
            return False  # it was fenced, and nobody goes on under the last epoch
        went_on_as_new = (
            producer == Producer(self.previous_producer_id, EPOCH_MAX - 1)
            and self.producer.epoch == 0
        )
        return went_on_as_new or self.producer == producer.bumped()

    def given_to(self, producer: Producer, timeout_ms: int, now_ms: int) -> Transaction:
        """Return it in the hands of a producer that has just begun."""
        return msgspec.structs.replace(
            self._moved(State.EMPTY, now_ms), producer=producer, timeout_ms=timeout_ms, start_ms=-1
        )

    def with_partitions(
        self, partitions: Iterable[TopicPartition], now_ms: int, version: int = 0
    ) -> Transaction:
        """Return it with partitions that are to be written to; the first ones start it."""
        return msgspec.structs.replace(
            self._moved(State.ONGOING, now_ms),
            partitions=self.partitions.union(partitions),
            start_ms=self.start_ms if self.state is State.ONGOING else now_ms,
            version=version,
        )

    def fenced(self, now_ms: int) -> Transaction:
        """Return it under the next epoch, which nobody has; what is left of it is to be aborted."""
        moved = self._moved(State.PREPARE_EPOCH_FENCE, now_ms)
        return msgspec.structs.replace(moved, producer=self.producer.bumped())

    def prepared(self, commit: bool, now_ms: int) -> Transaction:
        """Return it with its end decided."""
        return self._moved(State.PREPARE_COMMIT if commit else State.PREPARE_ABORT, now_ms)

    def prepared_and_bumped(self, commit: bool, new_producer_id: int, now_ms: int) -> Transaction:
        """Return it with its end decided under the next epoch, as version 2 does.

        Args:
            commit: False aborts.
            new_producer_id: who goes on where the epochs of this id are exhausted.
            now_ms: the time.
        """
        return msgspec.structs.replace(
            self.prepared(commit, now_ms),
            producer=self.producer.bumped(),
            next_producer_id=new_producer_id if self.producer.is_exhausted else -1,
            start_ms=self.start_ms if self.state is State.ONGOING else now_ms,
            version=2,
        )

    def completed(self, now_ms: int) -> Transaction:
        """Return it with its end known to every partition."""
        commit = self.state is State.PREPARE_COMMIT
        done = self._moved(State.COMPLETE_COMMIT if commit else State.COMPLETE_ABORT, now_ms)
        return msgspec.structs.replace(
            done, partitions=frozenset(), producer=self.successor, next_producer_id=-1
        )

    def forgotten(self, now_ms: int) -> Transaction:
        """Return it as it is taken out of the log."""
        return self._moved(State.DEAD, now_ms)

    def _moved(self, state: State, now_ms: int) -> Transaction:
        assert state in TRANSITIONS[self.state], f"{self.state} to {state}"
        return msgspec.structs.replace(
            self,
            state=state,
            update_ms=now_ms,
            previous_producer_id=self.producer.producer_id,
        )
