"""What may be set on one partition log: Kafka's names with underscores, Kafka's defaults.

Invariants:
    Times are milliseconds, sizes are bytes; -1 in a retention means without bound.
    A config never changes; a log gets a new one instead.
Source: the topic configs of the Apache Kafka 4 documentation.
"""

from __future__ import annotations

import msgspec

from ..model import TimestampType
from ..record.compress import Codec

NEVER_MS = 2**63 - 1
"""A time that does not come: Kafka's Long.MAX_VALUE."""

AS_PRODUCED = "producer"
"""The `compression.type` of a log that stores batches as they come."""

_CODEC_NAMES = {"uncompressed": "none"}
DELETE = frozenset({"delete"})
COMPACT = frozenset({"compact"})


class LogConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one partition log.

    `preallocate` and `min_insync_replicas` are carried for those who ask; the log itself never
    preallocates, and knows of no replicas.
    """

    segment_bytes: int = 1 << 30
    segment_ms: int = 604_800_000
    segment_index_bytes: int = 10_485_760  # of each of the two indexes
    index_interval_bytes: int = 4096
    retention_ms: int = 604_800_000
    retention_bytes: int = -1  # of the partition
    cleanup_policy: frozenset[str] = DELETE  # of {"delete", "compact"}
    delete_retention_ms: int = 86_400_000  # how long compaction keeps a tombstone
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = NEVER_MS
    min_cleanable_dirty_ratio: float = 0.5
    message_timestamp_type: TimestampType = TimestampType.CREATE_TIME
    message_timestamp_before_max_ms: int = NEVER_MS
    message_timestamp_after_max_ms: int = 3_600_000
    max_message_bytes: int = 1_048_588  # of one batch, prefix included
    file_delete_delay_ms: int = 60_000
    flush_messages: int = NEVER_MS
    flush_ms: int = NEVER_MS
    compression_type: str = AS_PRODUCED  # or "uncompressed", or a codec's name
    compression_gzip_level: int = -1
    compression_lz4_level: int = 9
    compression_zstd_level: int = 3
    preallocate: bool = False
    min_insync_replicas: int = 1

    @property
    def codec(self) -> Codec:
        """What batches are stored in; to be asked for only if not as their producer made them."""
        return Codec.from_name(_CODEC_NAMES.get(self.compression_type, self.compression_type))

    @property
    def codec_level(self) -> int | None:
        """How hard `codec` tries; None where it has no levels."""
        levels = {
            Codec.GZIP: self.compression_gzip_level,
            Codec.LZ4: self.compression_lz4_level,
            Codec.ZSTD: self.compression_zstd_level,
        }
        return levels.get(self.codec)

    @property
    def compacts(self) -> bool:
        """Tell whether the latest record of each key is kept."""
        return "compact" in self.cleanup_policy

    @property
    def deletes(self) -> bool:
        """Tell whether old segments go by time and size."""
        return "delete" in self.cleanup_policy
