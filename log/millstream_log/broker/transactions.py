"""Runs the transaction coordinator: after each of its outcomes it writes the markers.

    PREPARE record, durable -> a marker in every partition, durable -> COMPLETE record -> reply

Invariants: a marker that cannot be written is tried again until it is there, or its partition is
gone; the groups hear of a marker in `__consumer_offsets` in the step in which it is appended; what
is open in a partition is known to the coordinator, or is aborted at the start.

Source: KIP-890 for partitions that are taken in with what is written to them.
"""

from __future__ import annotations

import asyncio
import logging

from ..errors import BrokerError, ErrorCode, LogError
from ..machine import Outcome
from ..metadata.names import OFFSETS_TOPIC, TRANSACTIONS_TOPIC
from ..model import TopicPartition
from ..record.control import Marker, MarkerType, encode_marker
from ..storage.producers import ProducerDescription
from ..transaction.coordinator import TransactionCoordinator
from ..transaction.replies import Markers, TxnOutcome
from ..transaction.transaction import EPOCH_MAX
from .host import Host
from .partition import Partition
from .shell import Shell

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
_NO_TICKET = 0  # nobody waits under it: the shell counts from 1
_VERSION = 2  # of a transaction whose client names no partitions


class TransactionShell(Shell[TransactionCoordinator]):
    """The transaction coordinator on `__transaction_state`."""

    def __init__(self, host: Host, machine: TransactionCoordinator) -> None:
        super().__init__(host, TRANSACTIONS_TOPIC, machine)

    def start(self) -> None:
        """Lead; abort what a partition holds open and no transaction knows of.

        A batch and the record that takes its partition in go to two files: a power loss may leave
        the batch alone, which nobody would ever end, and hide all that comes after it.
        """
        super().start()
        if self._host.read_only or not self._is_whole:  # it may be known in what was left out
            return
        known = self.machine.open_partitions()
        for key, partition in self._host.partitions.items():
            log, producers = partition.log, partition.log.producers
            if producers.transactions.first_unstable_offset(log.high_watermark) is None:
                continue  # nothing is open here, however many producers it remembers
            for producer in producers.describe():
                is_open = producer.txn_first_offset >= 0
                if is_open and (producer.producer_id, key) not in known:
                    self._abort_stray(partition, producer)

    def _abort_stray(self, partition: Partition, producer: ProducerDescription) -> None:
        key = partition.topic_partition
        logger.warning(
            "%s: aborting what producer %d has left open since offset %d, of no known transaction",
            key,
            producer.producer_id,
            producer.txn_first_offset,
        )
        markers = Markers(
            transactional_id="",
            producer_id=producer.producer_id,
            # The next epoch: a retry of what is aborted must not pass for a duplicate of it.
            producer_epoch=min(producer.producer_epoch + 1, EPOCH_MAX),
            coordinator_epoch=max(producer.coordinator_epoch, 0),
            commit=False,
            partitions=(key,),
        )
        try:
            self.write_marker(partition, markers)
        except LogError as error:
            logger.warning("%s: cannot abort it now, the next start will: %s", key, error)

    def add_straight(
        self, transactional_id: str, producer_id: int, producer_epoch: int, key: TopicPartition
    ) -> tuple[ErrorCode, list[Partition]]:
        """Take a partition into a transaction in this very step; return what to wait for."""
        outcome = self.machine.add_partitions(
            transactional_id,
            producer_id,
            producer_epoch,
            (key,),
            version=_VERSION,
            ticket=_NO_TICKET,
            now_ms=self._host.clock.now_ms(),
        )
        done, written = self._try_to_write(outcome)
        self._arm()
        ((_, code),) = done.replies
        return code, written

    async def _conclude(self, outcome: Outcome, written: list[Partition]) -> Outcome:
        """Do what is left, markers and all that follows from them included."""
        outcome = await super()._conclude(outcome, written)
        if isinstance(outcome, TxnOutcome):
            for markers in outcome.markers:
                await self._end(markers)
        return outcome

    async def _end(self, markers: Markers) -> None:
        """Write the markers of one transaction; then let the machine complete it."""
        while not self._host.closing:
            try:
                await self._write_markers(markers)
                break
            except LogError as error:
                logger.warning("transaction %s: marker: %s", markers.transactional_id, error)
                await asyncio.sleep(RETRY_SECONDS)
        else:
            return  # the log says PrepareCommit or PrepareAbort: the next start goes on from there
        await self.carry_out(
            self.machine.markers_written(
                markers.transactional_id,
                markers.producer_id,
                markers.producer_epoch,
                self._host.clock.now_ms(),
            )
        )

    async def _write_markers(self, markers: Markers) -> None:
        written = []
        for key in markers.partitions:
            partition = self._host.partitions.get(key)
            if partition is not None:
                try:
                    self.write_marker(partition, markers)
                except BrokerError as error:  # somebody newer has ended it there already
                    logger.warning("%s: marker of %s: %s", key, markers.transactional_id, error)
                written.append(partition)
        if self._host.flusher.must_wait:
            for partition in written:
                await self._host.flusher.wait(partition)

    def write_marker(self, partition: Partition, markers: Markers) -> None:
        """Append the marker to one partition. Raises BrokerError where its epoch is too low."""
        now_ms = self._host.clock.now_ms()
        batch = encode_marker(
            Marker(
                MarkerType.COMMIT if markers.commit else MarkerType.ABORT,
                markers.coordinator_epoch,
            ),
            timestamp_ms=now_ms,
            producer_id=markers.producer_id,
            producer_epoch=markers.producer_epoch,
        )
        result = partition.append(batch, now_ms, coordinator=True)
        key = partition.topic_partition
        if key.topic == OFFSETS_TOPIC:
            self._host.groups.machine.end_transaction(markers.producer_id, markers.commit)
            self._host.groups.noted(key, result.last_offset + 1)
