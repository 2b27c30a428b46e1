"""What a transaction coordinator answers, and the outcome that carries it."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from ..errors import ErrorCode
from ..machine import Outcome, Ticket
from ..model import TopicPartition
from .transaction import Transaction


class Markers(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction's end, to be written into each of its partitions."""

    transactional_id: str
    producer_id: int
    producer_epoch: int  # one higher than the producer's own where it is fenced
    coordinator_epoch: int
    commit: bool
    partitions: tuple[TopicPartition, ...]  # sorted; none at all is possible


class TxnOutcome(Outcome, kw_only=True):
    """An outcome about one transactional id.

    Its markers come last: once its records are durable. When all are written, or the partitions
    they were for are gone, the shell calls `markers_written`; until then it keeps them and tries
    again. It writes none of them after that call, and none at all of an outcome that failed.
    """

    transactional_id: str
    markers: list[Markers] = msgspec.field(default_factory=list)

    def answer(self, ticket: Ticket, reply: Any) -> TxnOutcome:
        """Add a reply to those to be sent."""
        self.replies.append((ticket, reply))
        return self


class InitReply(msgspec.Struct, frozen=True, kw_only=True):
    """The id and epoch of a producer; -1 and -1 with an error."""

    error: ErrorCode = ErrorCode.NONE
    producer_id: int = -1
    producer_epoch: int = -1


class DescribedTransaction(msgspec.Struct, frozen=True, kw_only=True):
    """A transactional id as an operator is told of it."""

    transactional_id: str
    error: ErrorCode = ErrorCode.NONE
    state: str = ""
    timeout_ms: int = 0
    start_ms: int = 0  # -1 before the first transaction
    producer_id: int = 0
    producer_epoch: int = 0
    partitions: tuple[TopicPartition, ...] = ()  # sorted

    @classmethod
    def of(cls, transaction: Transaction) -> DescribedTransaction:
        """Return a transaction as it is told."""
        return cls(
            transactional_id=transaction.transactional_id,
            state=transaction.state.value,
            timeout_ms=transaction.timeout_ms,
            start_ms=transaction.start_ms,
            producer_id=transaction.producer.producer_id,
            producer_epoch=transaction.producer.epoch,
            partitions=tuple(sorted(transaction.partitions)),
        )


class ListedTransaction(NamedTuple):
    """One row of a list of transactional ids."""

    transactional_id: str
    producer_id: int
    state: str


class TransactionList(NamedTuple):
    """The transactional ids that pass some filters."""

    unknown_states: list[str]  # asked for, and no state
    transactions: list[ListedTransaction]  # by transactional id


def append_error(code: ErrorCode) -> ErrorCode:
    """Return what a client is told when the append to `__transaction_state` failed with `code`."""
    return _APPEND_ERRORS.get(code, code)


_APPEND_ERRORS = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
}
