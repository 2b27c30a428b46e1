"""One partition as the broker hosts it: its log, and how far consumers may read.

    log start offset <= last stable offset <= high watermark <= log end offset

Invariants: the high watermark never moves back while the log is open; whoever moves it notifies
the purgatory. Replicas come with the cluster; until then the node's own flush decides.
"""

from __future__ import annotations

from ..errors import FencedLeaderEpochError, UnknownLeaderEpochError
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

    def append(
        self,
        records: bytearray | memoryview,
        now_ms: int,
        *,
        check_keys: bool = False,
        coordinator: bool = False,
    ) -> AppendResult:
        """Append whole batches, patched in place; see PartitionLog.append for what it raises."""
        result = self.log.append(
            records,
            now_ms=now_ms,
            leader_epoch=self.leader_epoch,
            check_keys=check_keys,
            coordinator=coordinator,
        )
        self._flusher.appended(self)
        return result

    def check_leader_epoch(self, epoch: int) -> None:
        """Raise FencedLeaderEpochError or UnknownLeaderEpochError unless `epoch` is ours."""
        if epoch < self.leader_epoch:
            raise FencedLeaderEpochError(
                f"{self.topic_partition}: leader epoch {epoch}, it is {self.leader_epoch} now"
            )
        if epoch > self.leader_epoch:
            raise UnknownLeaderEpochError(
                f"{self.topic_partition}: leader epoch {epoch}, known up to {self.leader_epoch}"
            )

    def advance(self, high_watermark: int) -> None:
        """Let consumers read up to `high_watermark`; a smaller one than before is ignored."""
        log = self.log
        if high_watermark > log.high_watermark:
            log.high_watermark = high_watermark
            if self._purgatory:
                self._purgatory.notify(self.topic_partition)
