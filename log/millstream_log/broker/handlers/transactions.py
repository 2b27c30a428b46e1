"""The transaction APIs (keys 22, 24, 25, 26, 28, 65, 66): ids of producers, and their ends.

Invariants: what is decided is decided in `transaction/`; here a request is freed of its version.
Clients older than the error PRODUCER_FENCED are told INVALID_PRODUCER_EPOCH in its place.
"""

from __future__ import annotations

from ...errors import ErrorCode, LogError
from ...group.offsets import partition_for
from ...group.replies import CommitReply
from ...group.requests import Commit, CommitRequest
from ...metadata.names import OFFSETS_TOPIC
from ...model import TopicPartition
from ...transaction.replies import DescribedTransaction, InitReply
from ...wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from ...wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopicResult,
)
from ...wire.messages.describe_transactions import (
    DescribedTransaction as DescribedTransactionState,
)
from ...wire.messages.describe_transactions import (
    DescribedTransactionTopic,
    DescribeTransactionsRequest,
    DescribeTransactionsResponse,
)
from ...wire.messages.end_txn import EndTxnRequest, EndTxnResponse
from ...wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ...wire.messages.list_transactions import (
    ListedTransaction,
    ListTransactionsRequest,
    ListTransactionsResponse,
)
from ...wire.messages.txn_offset_commit import TxnOffsetCommitRequest, TxnOffsetCommitResponse
from ..host import Host
from .bounds import check_names
from .by_topic import numbers_by_topic
from .committed import asked_commits, commit_answers
from .group_ids import check_group_id

_INIT_FENCED_FROM = 4
_FENCED_FROM = 2
_BUMPS_FROM = 5  # EndTxn
_ABORTABLE_FROM = 4  # TxnOffsetCommit
_ADDS_FROM = 5  # likewise


async def init_producer_id(host: Host, request: InitProducerIdRequest) -> InitProducerIdResponse:
    """Give a producer its id and epoch, once nothing of its forerunner is left open."""
    transactions = host.transactions
    try:
        new_producer_id = host.new_producer_id()
        reply: InitReply = await transactions.call(
            lambda ticket, now_ms: transactions.machine.init_producer_id(
                request.transactional_id,
                request.transaction_timeout_ms,
                request.producer_id,
                request.producer_epoch,
                new_producer_id=new_producer_id,
                ticket=ticket,
                now_ms=now_ms,
            )
        )
    except LogError as error:
        return InitProducerIdResponse(error_code=error.code)
    return InitProducerIdResponse(
        error_code=_told(reply.error, request.version >= _INIT_FENCED_FROM),
        producer_id=reply.producer_id,
        producer_epoch=reply.producer_epoch,
    )


async def add_partitions_to_txn(
    host: Host, request: AddPartitionsToTxnRequest
) -> AddPartitionsToTxnResponse:
    """Take partitions into a transaction: all of them, or none."""
    keys = [
        TopicPartition(topic.name, index) for topic in request.topics for index in topic.partitions
    ]
    unknown = {key for key in keys if key not in host.partitions}
    if unknown:
        codes = {
            key: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            if key in unknown
            else ErrorCode.OPERATION_NOT_ATTEMPTED
            for key in keys
        }
    else:
        codes = dict.fromkeys(keys, await _add(host, request, keys))
    return AddPartitionsToTxnResponse(
        results_by_topic=[
            AddPartitionsToTxnTopicResult(
                name=topic.name,
                results_by_partition=[
                    AddPartitionsToTxnPartitionResult(
                        index=index, partition_error_code=codes[TopicPartition(topic.name, index)]
                    )
                    for index in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


async def add_offsets_to_txn(
    host: Host, request: AddOffsetsToTxnRequest
) -> AddOffsetsToTxnResponse:
    """Take a group's partition of `__consumer_offsets` into a transaction."""
    try:
        check_group_id(request.group_id)
        key = _offsets_partition(host, request.group_id)
    except LogError as error:
        return AddOffsetsToTxnResponse(error_code=error.code)
    return AddOffsetsToTxnResponse(error_code=await _add(host, request, [key]))


async def _add(
    host: Host,
    request: AddPartitionsToTxnRequest | AddOffsetsToTxnRequest,
    keys: list[TopicPartition],
) -> ErrorCode:
    transactions = host.transactions
    try:
        code: ErrorCode = await transactions.call(
            lambda ticket, now_ms: transactions.machine.add_partitions(
                request.transactional_id,
                request.producer_id,
                request.producer_epoch,
                keys,
                ticket=ticket,
                now_ms=now_ms,
            )
        )
    except LogError as error:
        return error.code
    return _told(code, request.version >= _FENCED_FROM)


async def end_txn(host: Host, request: EndTxnRequest) -> EndTxnResponse:
    """Commit or abort; answered when every partition knows."""
    if request.version >= _BUMPS_FROM:
        return await _end_and_bump(host, request)
    transactions = host.transactions
    try:
        code: ErrorCode = await transactions.call(
            lambda ticket, now_ms: transactions.machine.end_txn(
                request.transactional_id,
                request.producer_id,
                request.producer_epoch,
                request.committed,
                ticket=ticket,
                now_ms=now_ms,
            )
        )
    except LogError as error:
        return EndTxnResponse(error_code=error.code)
    return EndTxnResponse(error_code=_told(code, request.version >= _FENCED_FROM))


async def _end_and_bump(host: Host, request: EndTxnRequest) -> EndTxnResponse:
    machine = host.transactions.machine
    try:
        is_new = machine.needs_producer_id(request.transactional_id)
        new_producer_id = host.new_producer_id() if is_new else -1
        reply: InitReply = await host.transactions.call(
            lambda ticket, now_ms: machine.end_and_bump(
                request.transactional_id,
                request.producer_id,
                request.producer_epoch,
                request.committed,
                new_producer_id=new_producer_id,
                ticket=ticket,
                now_ms=now_ms,
            )
        )
    except LogError as error:
        return EndTxnResponse(error_code=error.code)
    return EndTxnResponse(
        error_code=reply.error, producer_id=reply.producer_id, producer_epoch=reply.producer_epoch
    )


async def txn_offset_commit(host: Host, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse:
    """Commit offsets that count once the transaction does."""
    asked, codes = asked_commits(host, request.topics)
    codes |= await _commit(host, request, asked)
    return TxnOffsetCommitResponse(topics=commit_answers(request.topics, codes))


async def _commit(
    host: Host, request: TxnOffsetCommitRequest, offsets: dict[TopicPartition, Commit]
) -> CommitReply:
    groups = host.groups
    asked = CommitRequest(
        group_id=request.group_id,
        generation=request.generation_id,
        member_id=request.member_id,
        group_instance_id=request.group_instance_id,
        offsets=offsets,
    )
    try:
        check_group_id(request.group_id)
        key = _offsets_partition(host, request.group_id)
        code = await _in_transaction(host, request, key)
        if code:
            return dict.fromkeys(offsets, code)
        reply: CommitReply = await groups.call(
            lambda ticket, now_ms: groups.machine.commit_in_transaction(
                asked, request.producer_id, request.producer_epoch, ticket, now_ms
            )
        )
    except LogError as error:
        return dict.fromkeys(offsets, error.code)
    return reply


async def _in_transaction(
    host: Host, request: TxnOffsetCommitRequest, key: TopicPartition
) -> ErrorCode:
    """Tell why a group's partition is no part of the transaction; newer clients make it one."""
    transactions = host.transactions
    asked = (request.transactional_id, request.producer_id, request.producer_epoch)
    if request.version < _ADDS_FROM:
        code = transactions.machine.verify(*asked, [key])[key]
        if code is ErrorCode.INVALID_TXN_STATE and request.version >= _ABORTABLE_FROM:
            return ErrorCode.TRANSACTION_ABORTABLE
        return code
    code, written = transactions.add_straight(*asked, key)
    if host.flusher.must_wait:
        for partition in written:
            await host.flusher.wait(partition)
    return ErrorCode.INVALID_PRODUCER_EPOCH if code is ErrorCode.PRODUCER_FENCED else code


async def describe_transactions(
    host: Host, request: DescribeTransactionsRequest
) -> DescribeTransactionsResponse:
    """Tell the state of transactional ids."""
    check_names(host, request.transactional_ids)
    host.transactions.refresh()
    found = host.transactions.machine.describe(request.transactional_ids)
    return DescribeTransactionsResponse(transaction_states=[_described(row) for row in found])


def _described(found: DescribedTransaction) -> DescribedTransactionState:
    return DescribedTransactionState(
        error_code=found.error,
        transactional_id=found.transactional_id,
        transaction_state=found.state,
        transaction_timeout_ms=found.timeout_ms,
        transaction_start_time_ms=found.start_ms,
        producer_id=found.producer_id,
        producer_epoch=found.producer_epoch,
        topics=[
            DescribedTransactionTopic(topic=topic, partitions=indexes)
            for topic, indexes in numbers_by_topic(found.partitions).items()
        ],
    )


async def list_transactions(
    host: Host, request: ListTransactionsRequest
) -> ListTransactionsResponse:
    """List the transactional ids that pass the filters."""
    host.transactions.refresh()
    found = host.transactions.machine.list_transactions(
        request.state_filters,
        request.producer_id_filters,
        request.duration_filter,
        now_ms=host.clock.now_ms(),
    )
    return ListTransactionsResponse(
        unknown_state_filters=found.unknown_states,
        transaction_states=[
            ListedTransaction(
                transactional_id=row.transactional_id,
                producer_id=row.producer_id,
                transaction_state=row.state,
            )
            for row in found.transactions
        ],
    )


def _offsets_partition(host: Host, group_id: str) -> TopicPartition:
    count = host.internal_topic(OFFSETS_TOPIC).partitions
    return TopicPartition(OFFSETS_TOPIC, partition_for(group_id, count))


def _told(code: ErrorCode, knows_fenced: bool) -> ErrorCode:
    if code is ErrorCode.PRODUCER_FENCED and not knows_fenced:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    return code
