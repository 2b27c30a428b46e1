"""One partition as the broker hosts it: its log, and how far consumers may read.

    log start offset <= last stable offset <= high watermark <= log end offset

Invariants: the high watermark never moves back while the log is open; whoever moves it notifies
the purgatory. Replicas come with the cluster; until then the node's own flush decides.
"""

from __future__ import annotations

from ..model import TopicPartition
from ..storage.partition_log import AppendResult, PartitionLog
from .flusher import Flusher
from .purgatory import Purgatory


class Partition:
    """A partition log with its place in the broker."""

    __slots__ = ("_flusher", "_purgatory", "leader_epoch", "log", "topic_partition")

    def __init__(self, log: PartitionLog, flusher: Flusher, purgatory: Purgatory) -> None:
        self.log = log
        self.topic_partition: TopicPartition = log.topic_partition
        self.leader_epoch = 0
        self._flusher = flusher
        self._purgatory = purgatory
        flusher.opened(self)

    def append(self, records: bytearray, now_ms: int, *, check_keys: bool = False) -> AppendResult:
        """Append whole batches, patched in place; see PartitionLog.append for what it raises."""
        result = self.log.append(
            records, now_ms=now_ms, leader_epoch=self.leader_epoch, check_keys=check_keys
        )
        self._flusher.appended(self)
        return result

    def advance(self, high_watermark: int) -> None:
        """Let consumers read up to `high_watermark`; a smaller one than before is ignored."""
        log = self.log
        if high_watermark > log.high_watermark:
            log.high_watermark = high_watermark
            if self._purgatory:
                self._purgatory.notify(self.topic_partition)

    def read(
        self, offset: int, bytes_max: int, *, committed_only: bool = False, verify: bool = False
    ) -> bytes:
        """Return whole batches from `offset` to what a consumer may see."""
        log = self.log
        return log.read(
            offset,
            bytes_max,
            end_offset=log.last_stable_offset if committed_only else log.high_watermark,
            verify=verify,
        )
