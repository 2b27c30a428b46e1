"""Transactions of version 2 (KIP-890), as a broker answers them."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest
from one_broker import CLOCK, with_topics

from millstream_log.broker.broker import Broker
from millstream_log.errors import ErrorCode
from millstream_log.record.builder import encode_columns
from millstream_log.wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnTopic,
)
from millstream_log.wire.messages.describe_transactions import DescribeTransactionsRequest
from millstream_log.wire.messages.end_txn import EndTxnRequest, EndTxnResponse
from millstream_log.wire.messages.init_producer_id import InitProducerIdRequest
from millstream_log.wire.messages.produce import ProducePartition, ProduceRequest, ProduceTopic
from millstream_log.wire.messages.txn_offset_commit import (
    TxnOffsetCommitPartition,
    TxnOffsetCommitRequest,
    TxnOffsetCommitTopic,
)


class Client:
    """A producer with the transactional id t, on a broker with the topic in."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.producer = (-1, -1)

    async def init(self) -> None:
        """Become a producer."""
        answer = await self.broker.handle(InitProducerIdRequest(version=5, transactional_id="t"))
        self.producer = (answer.producer_id, answer.producer_epoch)

    async def produce(self, version: int, index: int = 0, sequence: int = 0) -> ErrorCode:
        """Write a record in a transaction."""
        producer_id, producer_epoch = self.producer
        batch = encode_columns(
            [0],
            [b"k"],
            [b"v"],
            producer_id=producer_id,
            producer_epoch=producer_epoch,
            base_sequence=sequence,
            is_transactional=True,
        )
        part = ProducePartition(index=index, records=bytearray(batch))
        topic_id = self.broker.host.image.topics["in"].topic_id if version > 12 else ""
        topic = ProduceTopic(name="in", topic_id=topic_id, partitions=[part])
        answer = await self.broker.handle(
            ProduceRequest(version=version, transactional_id="t", topics=[topic])
        )
        code: ErrorCode = answer.topics[0].partitions[0].error_code
        return code

    async def add(self) -> None:
        """Name partition 0 as older clients do."""
        topics = [AddPartitionsToTxnTopic(name="in", partitions=[0])]
        await self.broker.handle(
            AddPartitionsToTxnRequest(
                version=3,
                transactional_id="t",
                producer_id=self.producer[0],
                producer_epoch=self.producer[1],
                topics=topics,
            )
        )

    async def commit_offset(self, version: int) -> ErrorCode:
        """Commit an offset of the group g."""
        part = TxnOffsetCommitPartition(index=0, committed_offset=7)
        answer = await self.broker.handle(
            TxnOffsetCommitRequest(
                version=version,
                transactional_id="t",
                group_id="g",
                producer_id=self.producer[0],
                producer_epoch=self.producer[1],
                topics=[TxnOffsetCommitTopic(name="in", partitions=[part])],
            )
        )
        code: ErrorCode = answer.topics[0].partitions[0].error_code
        return code

    async def end(self, version: int, committed: bool = True) -> EndTxnResponse:
        """End the transaction."""
        answer: EndTxnResponse = await self.broker.handle(
            EndTxnRequest(
                version=version,
                transactional_id="t",
                producer_id=self.producer[0],
                producer_epoch=self.producer[1],
                committed=committed,
            )
        )
        if answer.error_code is ErrorCode.NONE and version > 4:
            self.producer = (answer.producer_id, answer.producer_epoch)
        return answer

    async def partitions(self) -> list[str]:
        """Return what the transaction is known to have."""
        answer = await self.broker.handle(DescribeTransactionsRequest(transactional_ids=["t"]))
        topics = answer.transaction_states[0].topics
        return [f"{row.topic}-{index}" for row in topics for index in row.partitions]


def played(story: Any, flush: Literal["ack", "os"] = "os") -> None:
    """Let a producer live through a story."""
    files = with_topics("in")

    async def main() -> None:
        broker = await Broker.open("/log", files=files, clock=CLOCK, flush=flush)
        try:
            async with asyncio.timeout(10):
                client = Client(broker)
                await client.init()
                await story(client)
        finally:
            await broker.close()

    asyncio.run(main())


@pytest.mark.parametrize("flush", ["ack", "os"])
@pytest.mark.parametrize("version", [12, 13])
def test_what_is_written_to_is_in_the_transaction(
    flush: Literal["ack", "os"], version: int
) -> None:
    """Produce and TxnOffsetCommit take partitions in; each end gives the next epoch."""

    async def story(client: Client) -> None:
        assert await client.produce(version) is ErrorCode.NONE
        assert await client.produce(version, sequence=1) is ErrorCode.NONE
        assert await client.produce(version, index=1) is ErrorCode.NONE
        assert await client.commit_offset(5) is ErrorCode.NONE
        assert await client.partitions() == ["__consumer_offsets-0", "in-0", "in-1"]
        for epoch in (1, 2):
            answer = await client.end(5, committed=epoch == 1)
            assert (answer.error_code, answer.producer_epoch) == (ErrorCode.NONE, epoch)
            assert await client.partitions() == []
            assert await client.produce(version) is ErrorCode.NONE

    played(story, flush)


@pytest.mark.parametrize(
    ("version", "code"),
    [(10, ErrorCode.INVALID_TXN_STATE), (11, ErrorCode.TRANSACTION_ABORTABLE)],
)
def test_older_clients_name_partitions_first(version: int, code: ErrorCode) -> None:
    """Who has not is refused, from version 11 on with an error that an abort heals."""

    async def story(client: Client) -> None:
        assert await client.produce(version) is code
        await client.add()
        assert await client.produce(version) is ErrorCode.NONE
        assert await client.produce(version, index=1) is code
        assert await client.commit_offset(version - 7) is code
        answer = await client.end(4)
        assert (answer.error_code, answer.producer_id) == (ErrorCode.NONE, -1)
        await client.add()
        assert await client.produce(version, sequence=1) is ErrorCode.NONE

    played(story)


def test_an_old_epoch_writes_nothing() -> None:
    """A batch that comes after its transaction's end is refused, and so is one with a gap."""

    async def story(client: Client) -> None:
        assert await client.produce(12, sequence=3) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert await client.partitions() == []
        assert await client.produce(12) is ErrorCode.NONE
        before = client.producer
        await client.end(5)
        now, client.producer = client.producer, before
        assert await client.produce(12, sequence=1) is ErrorCode.INVALID_PRODUCER_EPOCH
        assert await client.commit_offset(5) is ErrorCode.INVALID_PRODUCER_EPOCH
        assert (await client.end(5)).error_code is ErrorCode.NONE
        assert client.producer == now
        assert await client.produce(12, sequence=1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    played(story)


STRAY = encode_columns(
    [0], [b"k"], [b"v"], producer_id=77, producer_epoch=3, base_sequence=0, is_transactional=True
)


def reopened(story: Any, more: bytes | bytearray = b"") -> tuple[int, int, int]:
    """Return stable offset, log end and epoch of producer 77 after a story and a restart.

    `more` is appended to the coordinator's topic behind its back.
    """
    files = with_topics("in")

    async def main() -> tuple[int, int, int]:
        async with asyncio.timeout(10):
            broker = await Broker.open("/log", files=files, clock=CLOCK, flush="os")
            client = Client(broker)
            await client.init()
            await story(client)
            if more:
                state = broker.host.partition("__transaction_state", 0)
                state.append(bytearray(more), 0, coordinator=True)
            await broker.close()
            broker = await Broker.open("/log", files=files, clock=CLOCK, flush="os")
            log = broker.host.partition("in", 0).log
            entry = log.producers.entries.get(77)
            seen = (log.last_stable_offset, log.log_end_offset, entry.epoch if entry else -1)
            await broker.close()
            return seen

    return asyncio.run(main())


async def stray(client: Client) -> None:
    """Leave a batch of a transaction that no coordinator knows, as a power loss may."""
    client.broker.host.partition("in", 0).append(bytearray(STRAY), 0)


def test_what_no_transaction_knows_is_aborted_at_the_start() -> None:
    """A batch whose coordinator's record is lost hides nothing, and its retry is refused."""
    assert reopened(stray) == (2, 2, 4)


def test_what_a_transaction_knows_stays_open() -> None:
    """An open transaction goes on after a restart."""

    async def story(client: Client) -> None:
        assert await client.produce(12) is ErrorCode.NONE

    assert reopened(story) == (0, 1, -1)


def test_nothing_is_aborted_while_the_coordinator_has_not_all() -> None:
    """Where a record of its topic cannot be read, the decision may be in that record."""
    unreadable = encode_columns([0], [b"\0\0\0\x01x"], [b"\0"])
    assert reopened(stray, unreadable) == (0, 1, 3)


def test_what_time_brings_about_is_written_in_the_same_step() -> None:
    """Between a decision of the timer and its record no request can change what it was about."""

    async def story(client: Client) -> None:
        assert await client.produce(12) is ErrorCode.NONE
        shell = client.broker.host.transactions
        for outcome in shell.machine.tick(CLOCK.now_ms() + 60_000_000):
            shell.spawn(outcome)
        (described,) = shell.machine.describe(["t"])
        assert described.state == "PrepareAbort"
        assert await client.produce(12, sequence=1) is ErrorCode.INVALID_PRODUCER_EPOCH

    played(story)
