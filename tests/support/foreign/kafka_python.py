"""kafka-python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import KafkaError

from .client import (
    EARLIEST,
    LATEST,
    PLAIN,
    SECONDS,
    Member,
    Row,
    Seen,
    ThreadMember,
    Writer,
    Writing,
)

_ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}


class KafkaPython:
    """The oldest client in plain Python."""

    name = "kafka-python"
    sets_time = True

    def writer(self, bootstrap: str, how: Writing = PLAIN) -> Writer:
        """Open a producer."""
        return _Writer(bootstrap, how)

    def read(
        self,
        bootstrap: str,
        topic: str,
        count: int,
        *,
        start: int = EARLIEST,
        committed_only: bool = False,
    ) -> list[Seen]:
        """Read from partition 0, assigned by hand."""
        reader = consumer(
            bootstrap,
            consumer_timeout_ms=SECONDS * 1000,
            isolation_level="read_committed" if committed_only else "read_uncommitted",
        )
        try:
            partition = TopicPartition(topic, 0)
            reader.assign([partition])
            if start == EARLIEST:
                reader.seek_to_beginning(partition)
            elif start == LATEST:
                reader.seek_to_end(partition)
            else:
                reader.seek(partition, start)
            found = [seen(record) for _, record in zip(range(count), reader, strict=False)]
        finally:
            reader.close()
        assert len(found) == count, f"{len(found)} of {count} records came"
        return found

    def offset_at(self, bootstrap: str, topic: str, timestamp_ms: int) -> int:
        """Look a time up."""
        reader = consumer(bootstrap)
        try:
            partition = TopicPartition(topic, 0)
            found = reader.offsets_for_times({partition: timestamp_ms})[partition]
            return -1 if found is None else int(found.offset)
        finally:
            reader.close()

    def join(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        *,
        assignor: str = "range",
        instance_id: str | None = None,
        limit: int | None = None,
    ) -> Member:
        """Become a member."""
        return _Member(bootstrap, group, topic, assignor, instance_id, limit)


def producer(bootstrap: str, **configs: Any) -> Any:
    """Return a producer that gives up in time."""
    return KafkaProducer(
        **{"bootstrap_servers": bootstrap, "linger_ms": 20, "max_block_ms": 15_000, **configs}
    )


def consumer(bootstrap: str, **configs: Any) -> Any:
    """Return a consumer that notices changes of its group soon."""
    return KafkaConsumer(
        **{
            "bootstrap_servers": bootstrap,
            "auto_offset_reset": "earliest",
            "heartbeat_interval_ms": 100,
            "fetch_max_wait_ms": 100,
            "enable_auto_commit": False,
            **configs,
        }
    )


def send(through: Any, topic: str, rows: Sequence[Row], partition: int = 0) -> list[int]:
    """Produce all rows; return their offsets once they are acknowledged."""
    futures = [
        through.send(
            topic,
            row.value,
            key=row.key,
            headers=list(row.headers),
            partition=partition,
            timestamp_ms=row.timestamp_ms,
        )
        for row in rows
    ]
    through.flush(SECONDS)
    return [future.get(SECONDS).offset for future in futures]


def seen(record: Any) -> Seen:
    """Return a record in the words of the tests."""
    row = Row(record.value, record.key, tuple(record.headers), record.timestamp)
    return Seen(record.partition, record.offset, row)


class _Writer:
    def __init__(self, bootstrap: str, how: Writing) -> None:
        configs: dict[str, Any] = {"enable_idempotence": how.idempotent}
        if how.transactional_id is not None:
            configs = {
                "transactional_id": how.transactional_id,
                "transaction_timeout_ms": how.timeout_ms,
            }
        self._producer = producer(
            bootstrap,
            compression_type=None if how.codec == "none" else how.codec,
            acks=how.acks,
            **configs,
        )
        if how.transactional_id is not None:
            self._producer.init_transactions()

    def send(self, topic: str, rows: Sequence[Row], partition: int = 0) -> None:
        send(self._producer, topic, rows, partition)

    def close(self) -> None:
        self._producer.close(SECONDS)

    def begin(self) -> None:
        self._producer.begin_transaction()

    def send_offset(self, group: str, topic: str, offset: int) -> None:
        offsets = {TopicPartition(topic, 0): OffsetAndMetadata(offset, "", -1)}
        self._producer.send_offsets_to_transaction(offsets, group)

    def commit(self) -> None:
        self._producer.commit_transaction()

    def abort(self) -> None:
        self._producer.abort_transaction()


class _Member(ThreadMember):
    def consume(self) -> None:
        reader = consumer(
            self.bootstrap,
            group_id=self.group,
            group_instance_id=self.instance_id,
            partition_assignment_strategy=[_ASSIGNORS[self.assignor]],
            session_timeout_ms=6000,
            max_poll_records=1,
        )
        try:
            reader.subscribe([self.topic])
            while not self.leaving.is_set():
                if self.full:
                    self.leaving.wait(0.05)
                    continue
                # An assignment that comes while no poll waits for it may be lost.
                found = reader.poll(timeout_ms=500 if self.assignment else 1500)
                self.assignment = {one.partition for one in reader.assignment()}
                for partition, records in found.items():
                    self._take(reader, partition, records[-1].offset)
        finally:
            reader.close()

    def _take(self, reader: Any, partition: TopicPartition, offset: int) -> None:
        while True:
            try:
                reader.commit({partition: OffsetAndMetadata(offset + 1, "", -1)})
                break
            except KafkaError as error:
                self.wait_after(error, retriable=error.retriable)
        self.reads.append((partition.partition, offset))
