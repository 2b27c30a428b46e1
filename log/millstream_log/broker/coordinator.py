"""The shell of the group coordinator: its log is `__consumer_offsets`.

    handler -> GroupOffsets.handle -> records -> append -> replay -> (flush) -> answer
    open    -> every record of __consumer_offsets -> replay

Invariants: memory changes by replay alone; one batch for one request, so a commit over many
partitions is on the disk whole or not at all.
"""

from __future__ import annotations

import logging

from ..errors import LogError
from ..group.offsets import GroupOffsets, GroupRecord, partition_for
from ..metadata.names import OFFSETS_TOPIC
from ..model import TopicPartition
from ..record.batch import decode_columns, iter_batches
from ..record.builder import encode_columns
from .host import Host
from .partition import Partition

logger = logging.getLogger(__name__)

_LOAD_BYTES = 1 << 20


class Coordinator:
    """Committed offsets, durable."""

    def __init__(self, host: Host) -> None:
        self.offsets = GroupOffsets()
        self._host = host
        self._loaded: dict[TopicPartition, int] = {}  # next offset to replay
        host.on_topics_deleted = self._forget_topics
        self.load()

    def load(self) -> None:
        """Replay what has been appended to `__consumer_offsets` since the last call."""
        topic = self._host.image.topics.get(OFFSETS_TOPIC)
        for index in range(topic.partitions if topic else 0):
            partition = self._host.partitions.get((OFFSETS_TOPIC, index))
            if partition is not None:
                self._load_partition(partition)

    def refresh(self) -> None:
        """See the commits of a writer in another process (read-only logs)."""
        if self._host.read_only:
            self._host.refresh_topics()
            for (topic, _), partition in self._host.partitions.items():
                if topic == OFFSETS_TOPIC:
                    self._host.refresh_partition(partition)
            self.load()

    async def append(self, group_id: str, records: list[GroupRecord]) -> None:
        """Append a group's records as one batch and replay them; wait as flushing says."""
        if not records:
            return
        partition = self._append(group_id, records)
        if self._host.flusher.must_wait:
            await self._host.flusher.wait(partition)

    def _append(self, group_id: str, records: list[GroupRecord]) -> Partition:
        host = self._host
        host.check_writable(f"commit for group {group_id!r}")
        topic = host.image.topics.get(OFFSETS_TOPIC) or host.create_offsets_topic()
        partition = host.partition(OFFSETS_TOPIC, partition_for(group_id, topic.partitions))
        now_ms = host.clock.now_ms()
        batch = encode_columns(
            [now_ms] * len(records), [key for key, _ in records], [value for _, value in records]
        )
        result = partition.append(batch, now_ms)
        for key, value in records:
            self.offsets.replay(key, value)
        self._loaded[partition.topic_partition] = result.last_offset + 1
        return partition

    def _load_partition(self, partition: Partition) -> None:
        log = partition.log
        key = partition.topic_partition
        position = max(self._loaded.get(key, 0), log.log_start_offset)
        while position < log.log_end_offset:
            data = log.read(position, _LOAD_BYTES)
            if not data:
                break
            for start, header in iter_batches(data):
                if not header.is_control:
                    columns = decode_columns(data, start, header, timestamps=False)
                    for record_key, value in zip(columns.keys, columns.values, strict=True):
                        self.offsets.replay(record_key, value)
                position = header.next_offset
        self._loaded[key] = position

    def _forget_topics(self, topics: list[str]) -> None:
        by_group: dict[str, list[GroupRecord]] = {}
        for group_id, record in self.offsets.delete_topics(topics):
            by_group.setdefault(group_id, []).append(record)
        for group_id, records in by_group.items():
            try:
                self._append(group_id, records)
            except LogError as error:
                logger.warning("offsets of %s on %s stay: %s", group_id, topics, error)
