"""The transaction coordinator: whose each transactional id is, and one end for each transaction.

    init_producer_id add_partitions add_offsets end_txn  ->  TxnOutcome
    tick after_load   ->  TxnOutcomes, one for each id      verify describe list_transactions: now

    end_txn ─▶ record Prepare* ─▶ durable ─▶ markers ─▶ markers_written ─▶ record Complete* ─▶ reply

    A fencing InitProducerId and a time-out go the same way, under the next epoch; the answer of
    InitProducerId then has the epoch after that one. So does `end_and_bump`, the EndTxn of version
    2: the next epoch, or where there is none a new producer id, is what its client goes on with.

Invariants: what is known of an id changes in `replay` alone, live and on reload alike; while a
record of an id is on its way into the log, or its markers are being written, whoever asks for it
is told CONCURRENT_TRANSACTIONS; EndTxn and InitProducerId are answered when nothing is left to do,
so that a client which was told "committed" reads its records at once. Who waits, and which
producer went on as which (KIP-360), dies with the process: the clients ask again.

Source: KIP-98, KIP-360, KIP-588, KIP-664, KIP-890.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import msgspec

from ..deadlines import Deadlines
from ..errors import ErrorCode
from ..machine import Ticket
from ..model import TopicPartition
from .config import TransactionConfig
from .records import can_be_key, decode_key, decode_value, encode
from .replies import (
    DescribedTransaction,
    InitReply,
    ListedTransaction,
    Markers,
    TransactionList,
    TxnOutcome,
    append_error,
)
from .transaction import Producer, State, Transaction

_END_AGAIN = {
    (State.COMPLETE_COMMIT, True): ErrorCode.NONE,
    (State.COMPLETE_ABORT, False): ErrorCode.NONE,
    (State.PREPARE_COMMIT, True): ErrorCode.CONCURRENT_TRANSACTIONS,
    (State.PREPARE_ABORT, False): ErrorCode.CONCURRENT_TRANSACTIONS,
}
"""What EndTxn is told where nothing is open, by whether it commits; else INVALID_TXN_STATE."""

_ENDED = frozenset(state for state, _ in _END_AGAIN)


class _Init(NamedTuple):
    """What an InitProducerId asks for."""

    timeout_ms: int
    held: Producer | None  # what the producer has been so far (KIP-360)
    new_producer_id: int


class _Asker(NamedTuple):
    """A request that is answered once records are in the log."""

    ticket: Ticket
    init: _Init | None = None
    bumps: bool = False  # an EndTxn of version 2

    def granted(self, transaction: Transaction) -> Any:
        """Return the reply when all went well."""
        if self.init is None and not self.bumps:
            return ErrorCode.NONE
        producer_id, epoch = transaction.producer
        return InitReply(producer_id=producer_id, producer_epoch=epoch)

    def refused(self, error: ErrorCode) -> Any:
        """Return the reply when it did not."""
        return InitReply(error=error) if self.init is not None or self.bumps else error


class TransactionCoordinator:
    """The transactional ids of one partition of `__transaction_state`, or of all of them."""

    def __init__(self, config: TransactionConfig | None = None, coordinator_epoch: int = 0) -> None:
        self._config = config or TransactionConfig()
        self._coordinator_epoch = coordinator_epoch  # leader epoch; partitions refuse lower ones
        self._transactions: dict[str, Transaction] = {}
        self._deadlines: Deadlines[str] = Deadlines()
        self._pending: set[str] = set()  # ids with a record on its way into the log
        self._waiting: dict[str, _Asker] = {}  # who is answered when the markers are written
        self._went_on: dict[str, tuple[Producer, Producer]] = {}  # by id: who last, as whom

    def init_producer_id(
        self,
        transactional_id: str | None,
        timeout_ms: int,
        producer_id: int = -1,
        producer_epoch: int = -1,
        *,
        new_producer_id: int,
        ticket: Ticket,
        now_ms: int,
    ) -> TxnOutcome:
        """Handle an InitProducerId; the InitReply comes with this outcome or a later one.

        Args:
            transactional_id: whose transactions the producer is to write; None: idempotent only.
            timeout_ms: how long a transaction may be open.
            producer_id: what the producer has been so far, to go on after an error; -1: it is new.
            producer_epoch: likewise.
            new_producer_id: the id to give, should one be needed; nobody has had it before.
            ticket: of the request.
            now_ms: the time.
        """
        out = TxnOutcome(transactional_id=transactional_id or "")
        if (producer_id == -1) != (producer_epoch == -1):
            return out.answer(ticket, InitReply(error=ErrorCode.INVALID_REQUEST))
        if transactional_id is None:
            return out.answer(ticket, InitReply(producer_id=new_producer_id, producer_epoch=0))
        held = None if producer_id == -1 else Producer(producer_id, producer_epoch)
        init = _Init(timeout_ms, held, new_producer_id)
        asker = _Asker(ticket, init)
        error = self._init_error(transactional_id, init)
        if error:
            return out.answer(ticket, asker.refused(error))
        known = self._transactions.get(transactional_id)
        if known is not None and known.state is State.ONGOING:
            return self._end(known.fenced(now_ms).prepared(False, now_ms), asker, now_ms)
        given = self._given(transactional_id, known, init, now_ms)
        return self._written(given, asker=asker, now_ms=now_ms).answer(ticket, asker.granted(given))

    def add_partitions(
        self,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        partitions: Collection[TopicPartition],
        *,
        version: int = 0,
        ticket: Ticket,
        now_ms: int,
    ) -> TxnOutcome:
        """Handle an AddPartitionsToTxn; the reply is an ErrorCode, of every partition.

        With `version` 2 it is what Produce and TxnOffsetCommit do for their clients themselves.
        """
        out = TxnOutcome(transactional_id=transactional_id)
        known = self._settled(transactional_id, Producer(producer_id, producer_epoch))
        if isinstance(known, ErrorCode):
            return out.answer(ticket, known)
        if known.is_prepared:
            return out.answer(ticket, ErrorCode.CONCURRENT_TRANSACTIONS)
        if known.state is State.ONGOING and known.partitions.issuperset(partitions):
            return out.answer(ticket, ErrorCode.NONE)
        wider = known.with_partitions(partitions, now_ms, version)
        if len(wider.partitions) > self._config.partitions_max:
            return out.answer(ticket, ErrorCode.POLICY_VIOLATION)
        asker = _Asker(ticket)
        return self._written(wider, asker=asker, now_ms=now_ms).answer(ticket, ErrorCode.NONE)

    def add_offsets(
        self,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        partition: TopicPartition,
        *,
        ticket: Ticket,
        now_ms: int,
    ) -> TxnOutcome:
        """Handle an AddOffsetsToTxn; `partition` is that of the group in `__consumer_offsets`."""
        return self.add_partitions(
            transactional_id,
            producer_id,
            producer_epoch,
            (partition,),
            ticket=ticket,
            now_ms=now_ms,
        )

    def end_txn(
        self,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        commit: bool,
        *,
        ticket: Ticket,
        now_ms: int,
    ) -> TxnOutcome:
        """Handle an EndTxn; the reply, an ErrorCode, comes when the transaction is complete."""
        out = TxnOutcome(transactional_id=transactional_id)
        known = self._settled(transactional_id, Producer(producer_id, producer_epoch))
        if isinstance(known, ErrorCode):
            return out.answer(ticket, known)
        if known.state is not State.ONGOING:
            error = _END_AGAIN.get((known.state, commit), ErrorCode.INVALID_TXN_STATE)
            return out.answer(ticket, error)
        prepared = msgspec.structs.replace(known.prepared(commit, now_ms), version=0)
        return self._end(prepared, _Asker(ticket), now_ms)

    def needs_producer_id(self, transactional_id: str) -> bool:
        """Tell whether `end_and_bump` of an id has to give it a new producer id."""
        known = self._transactions.get(transactional_id)
        return known is not None and not known.is_prepared and known.producer.is_exhausted

    def end_and_bump(
        self,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        commit: bool,
        *,
        new_producer_id: int,
        ticket: Ticket,
        now_ms: int,
    ) -> TxnOutcome:
        """Handle an EndTxn of version 2; the InitReply says who writes the next transaction.

        It comes when the transaction is complete, and once more to whoever asks again under the
        epoch before. Nothing need have been written for an abort.

        Args:
            transactional_id: whose transaction it is.
            producer_id: who has written it.
            producer_epoch: likewise.
            commit: False aborts.
            new_producer_id: nobody has had it before; given if `needs_producer_id`.
            ticket: of the request.
            now_ms: the time.
        """
        out = TxnOutcome(transactional_id=transactional_id)
        asker = _Asker(ticket, bumps=True)
        producer = Producer(producer_id, producer_epoch)
        known = self._to_be_ended(transactional_id, producer)
        if isinstance(known, ErrorCode):
            return out.answer(ticket, asker.refused(known))
        may_end = known.state is State.ONGOING or (not commit and not known.is_prepared)
        if known.producer == producer and may_end:
            prepared = known.prepared_and_bumped(commit, new_producer_id, now_ms)
            self._went_on[transactional_id] = (producer, prepared.successor)
            return self._end(prepared, asker, now_ms)
        error = ErrorCode.INVALID_TXN_STATE
        if known.producer != producer:
            error = _END_AGAIN.get((known.state, commit), error)
        return out.answer(ticket, asker.refused(error) if error else asker.granted(known))

    def markers_written(
        self, transactional_id: str, producer_id: int, producer_epoch: int, now_ms: int
    ) -> TxnOutcome:
        """Complete a transaction, all of whose markers are durable; answer who waits for that."""
        known = self._transactions.get(transactional_id)
        producer = Producer(producer_id, producer_epoch)
        if known is None or known.producer != producer or not known.is_prepared:
            return TxnOutcome(transactional_id=transactional_id)
        asker = self._waiting.pop(transactional_id, None)
        steps = [known.completed(now_ms)]
        if asker is not None and asker.init is not None:
            steps.append(self._given(transactional_id, steps[0], asker.init, now_ms))
        out = self._written(*steps, asker=asker, now_ms=now_ms)
        if asker is not None:
            out.answer(asker.ticket, asker.granted(steps[-1]))
        return out

    def verify(
        self,
        transactional_id: str,
        producer_id: int,
        producer_epoch: int,
        partitions: Iterable[TopicPartition],
    ) -> dict[TopicPartition, ErrorCode]:
        """Tell of each partition whether a producer may write to it in its open transaction.

        The answers hold until the next call of this machine: append before it.
        """
        known = self._known(transactional_id, Producer(producer_id, producer_epoch))
        if known is ErrorCode.PRODUCER_FENCED:
            known = ErrorCode.INVALID_PRODUCER_EPOCH  # its older name, which Produce goes by
        if not isinstance(known, ErrorCode) and known.is_prepared:
            known = ErrorCode.CONCURRENT_TRANSACTIONS
        if isinstance(known, ErrorCode):
            return dict.fromkeys(partitions, known)
        return {
            partition: ErrorCode.NONE
            if partition in known.partitions
            else ErrorCode.INVALID_TXN_STATE
            for partition in partitions
        }

    def describe(self, transactional_ids: Iterable[str]) -> list[DescribedTransaction]:
        """Return transactional ids for an operator."""
        return [self._described(transactional_id) for transactional_id in transactional_ids]

    def list_transactions(
        self,
        states: Collection[str] = (),
        producer_ids: Collection[int] = (),
        longer_than_ms: int = -1,
        *,
        now_ms: int,
    ) -> TransactionList:
        """Return the transactional ids in given states, of given producers, open for some time.

        Empty collections and a negative time filter nothing; states that do not exist, nothing in.
        """
        known_states = frozenset(State)
        rows = [
            ListedTransaction(transactional_id, known.producer.producer_id, known.state.value)
            for transactional_id, known in sorted(self._transactions.items())
            if not states or known.state in states
            if not producer_ids or known.producer.producer_id in producer_ids
            if longer_than_ms < 0 or -1 < known.start_ms < now_ms - longer_than_ms
        ]
        return TransactionList([name for name in states if name not in known_states], rows)

    def open_partitions(self) -> set[tuple[int, TopicPartition]]:
        """Return which producers may have something open where: producer ids and partitions."""
        return {
            (known.producer.producer_id, partition)
            for known in self._transactions.values()
            for partition in known.partitions
        }

    def deadline_ms(self) -> int | None:
        """Return when `tick` may have something to do; it may find that it was too early."""
        return self._deadlines.next_ms()

    def tick(self, now_ms: int) -> list[TxnOutcome]:
        """Abort what has been open too long, forget ids that nobody uses, finish what failed."""
        outcomes: list[TxnOutcome] = []
        while (transactional_id := self._deadlines.take(now_ms)) is not None:
            # The record that follows sets the deadline right, unless it cannot be written.
            self._deadlines.set(transactional_id, now_ms + self._config.retry_ms)
            if transactional_id not in self._pending:
                outcomes.append(self._due(self._transactions[transactional_id], now_ms))
        return outcomes

    def after_load(self, now_ms: int) -> list[TxnOutcome]:
        """Go on with every transaction whose end is decided: this node leads."""
        prepared = [known for known in self._transactions.values() if known.is_prepared]
        return [self._end_again(known, now_ms) for known in prepared]

    def replay(
        self,
        key: bytes | None,
        value: bytes | None,
        *,
        producer_id: int = -1,
        is_transactional: bool = False,
    ) -> None:
        """Take one record of the log into account; records of others are passed over."""
        transactional_id = decode_key(key) if key else None
        if transactional_id is None:
            return
        known = decode_value(transactional_id, value) if value is not None else None
        self._pending.discard(transactional_id)
        self._deadlines.cancel(transactional_id)
        if known is None:
            self._transactions.pop(transactional_id, None)
            self._went_on.pop(transactional_id, None)
            return
        self._transactions[transactional_id] = known
        if known.state is State.ONGOING:
            self._deadlines.set(transactional_id, known.start_ms + known.timeout_ms)
        elif not known.is_prepared:
            due_ms = known.update_ms + self._config.id_expiration_ms
            self._deadlines.set(transactional_id, due_ms)

    def end_transaction(self, producer_id: int, commit: bool) -> None:
        """Pass over a marker: no record of this log is part of a transaction."""

    def _init_error(self, transactional_id: str, init: _Init) -> ErrorCode:
        if not can_be_key(transactional_id):
            return ErrorCode.INVALID_REQUEST
        if not 0 < init.timeout_ms <= self._config.timeout_max_ms:
            return ErrorCode.INVALID_TRANSACTION_TIMEOUT
        if transactional_id in self._pending:
            return ErrorCode.CONCURRENT_TRANSACTIONS
        known = self._transactions.get(transactional_id)
        if known is None:
            full = len(self._transactions) >= self._config.ids_max
            return ErrorCode.POLICY_VIOLATION if full else ErrorCode.NONE
        goes_on_again = self._goes_on_again(known, init)
        other_id = init.held is not None and init.held.producer_id != known.producer.producer_id
        if other_id and not goes_on_again:
            return ErrorCode.PRODUCER_FENCED
        if known.is_prepared:
            return ErrorCode.CONCURRENT_TRANSACTIONS
        # A transaction is open only under an epoch that its producer knows: no retry leads there.
        is_retry = goes_on_again and known.state is not State.ONGOING
        if init.held is None or init.held == known.producer or is_retry:
            return ErrorCode.NONE
        return ErrorCode.PRODUCER_FENCED

    def _to_be_ended(self, transactional_id: str, producer: Producer) -> Transaction | ErrorCode:
        """Return an id that a producer has, or had until its transaction ended; or why not."""
        if transactional_id in self._pending:  # first: it may come to have this producer
            return ErrorCode.CONCURRENT_TRANSACTIONS
        known = self._known(transactional_id, producer)
        if not isinstance(known, ErrorCode) and known.is_prepared:
            known = ErrorCode.PRODUCER_FENCED  # it ends under an epoch that nobody has been told
        latest = self._transactions.get(transactional_id)
        if isinstance(known, ErrorCode) and latest is not None and latest.state in _ENDED:
            return latest if latest.has_ended_for(producer) else known
        return known

    def _goes_on_again(self, known: Transaction, init: _Init) -> bool:
        """Tell whether a producer asks again for what it was given the last time it went on."""
        last = self._went_on.get(known.transactional_id)
        return init.held is not None and last == (init.held, known.producer)

    def _given(
        self, transactional_id: str, known: Transaction | None, init: _Init, now_ms: int
    ) -> Transaction:
        """Return the id as it is given to a producer that may have it."""
        if known is None:
            return Transaction(
                transactional_id=transactional_id,
                producer=Producer(init.new_producer_id, 0),
                timeout_ms=init.timeout_ms,
                update_ms=now_ms,
            )
        if self._goes_on_again(known, init):
            producer = known.producer
        elif known.producer.is_exhausted:
            producer = Producer(init.new_producer_id, 0)
        else:
            producer = known.producer.bumped()
        if init.held is not None:
            self._went_on[transactional_id] = (init.held, producer)
        return known.given_to(producer, init.timeout_ms, now_ms)

    def _end(self, prepared: Transaction, asker: _Asker | None, now_ms: int) -> TxnOutcome:
        """Decide how a transaction ends; `asker` waits until it has."""
        if asker is not None:
            self._waiting[prepared.transactional_id] = asker
        out = self._written(prepared, asker=asker, now_ms=now_ms)
        out.markers.append(self._markers(prepared))
        return out

    def _end_again(self, prepared: Transaction, now_ms: int) -> TxnOutcome:
        """Say once more how a transaction ends: its record may never have become durable."""
        out = self._written(prepared, now_ms=now_ms)
        out.markers.append(self._markers(prepared))
        return out

    def _due(self, known: Transaction, now_ms: int) -> TxnOutcome:
        if known.state is State.ONGOING:
            return self._end(known.fenced(now_ms).prepared(False, now_ms), None, now_ms)
        if known.is_prepared:
            return self._end_again(known, now_ms)
        return self._written(known.forgotten(now_ms), now_ms=now_ms)

    def _markers(self, prepared: Transaction) -> Markers:
        return Markers(
            transactional_id=prepared.transactional_id,
            producer_id=prepared.producer.producer_id,
            producer_epoch=prepared.producer.epoch,
            coordinator_epoch=self._coordinator_epoch,
            commit=prepared.state is State.PREPARE_COMMIT,
            partitions=tuple(sorted(prepared.partitions)),
        )

    def _written(self, *steps: Transaction, asker: _Asker | None = None, now_ms: int) -> TxnOutcome:
        """Return an outcome with the steps of one id; until they are replayed it is pending."""
        transactional_id = steps[0].transactional_id
        self._pending.add(transactional_id)
        return TxnOutcome(
            transactional_id=transactional_id,
            records=[encode(step) for step in steps],
            on_failure=functools.partial(self._failed, transactional_id, asker, now_ms),
        )

    def _failed(
        self, transactional_id: str, asker: _Asker | None, now_ms: int, code: ErrorCode
    ) -> TxnOutcome:
        """Go back to what the log says, where the end of a transaction may have been decided."""
        self._pending.discard(transactional_id)
        self._waiting.pop(transactional_id, None)
        self._went_on.pop(transactional_id, None)  # or the next who gets that epoch shares it
        known = self._transactions.get(transactional_id)
        if known is not None and known.is_prepared:
            self._deadlines.set(transactional_id, now_ms + self._config.retry_ms)
        out = TxnOutcome(transactional_id=transactional_id)
        return out if asker is None else out.answer(asker.ticket, asker.refused(append_error(code)))

    def _known(self, transactional_id: str, producer: Producer) -> Transaction | ErrorCode:
        """Return an id that a producer has, or why it has not."""
        if not transactional_id:
            return ErrorCode.INVALID_REQUEST
        known = self._transactions.get(transactional_id)
        if known is None or known.producer.producer_id != producer.producer_id:
            return ErrorCode.INVALID_PRODUCER_ID_MAPPING
        return known if known.producer == producer else ErrorCode.PRODUCER_FENCED

    def _settled(self, transactional_id: str, producer: Producer) -> Transaction | ErrorCode:
        """Return an id that a producer has, unless a record of it is on its way."""
        known = self._known(transactional_id, producer)
        is_pending = transactional_id in self._pending and not isinstance(known, ErrorCode)
        return ErrorCode.CONCURRENT_TRANSACTIONS if is_pending else known

    def _described(self, transactional_id: str) -> DescribedTransaction:
        known = self._transactions.get(transactional_id)
        if known is not None:
            return DescribedTransaction.of(known)
        missing = ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
        return DescribedTransaction(
            transactional_id=transactional_id,
            error=missing if transactional_id else ErrorCode.INVALID_REQUEST,
        )
