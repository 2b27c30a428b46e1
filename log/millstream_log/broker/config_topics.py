"""Topic configs under Kafka's names, with Kafka's defaults and the broker config behind each.

Source: Kafka's documentation of topic configs (4.3).
"""

from __future__ import annotations

from ..wire.enums import ConfigType
from .config_def import I32_MAX, I64_MAX, ConfigDef, Value, index, known

_INT, _LONG, _DOUBLE = ConfigType.INT, ConfigType.LONG, ConfigType.DOUBLE
_BOOLEAN, _STRING, _LIST = ConfigType.BOOLEAN, ConfigType.STRING, ConfigType.LIST
_WEEK_MS = 604_800_000
_CODECS = ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")


def _topic(name: str, kind: ConfigType, default: Value, synonym: str, **rest: object) -> ConfigDef:
    rest["dynamic"] = True
    return ConfigDef(name, kind, default, synonym=synonym, **rest)  # type: ignore[arg-type]


def _known(name: str, kind: ConfigType, default: Value, doc: str, synonym: str = "") -> ConfigDef:
    """Return a topic config of Kafka's that is accepted and shown, and does nothing."""
    return known(name, kind, default, doc)._replace(synonym=synonym, dynamic=True)


TOPIC_CONFIGS = index(
    [
        _topic(
            "cleanup.policy", _LIST, ("delete",), "log.cleanup.policy",
            one_of=("compact", "delete"),
            doc="Whether old segments are deleted, or compacted by key, or both, or (empty) kept.",
        ),
        _known(
            "compression.gzip.level", _INT, -1, "Level of gzip.", "compression.gzip.level"
        )._replace(low=-1, high=9),
        _known(
            "compression.lz4.level", _INT, 9, "Level of lz4.", "compression.lz4.level"
        )._replace(low=1, high=17),
        _known(
            "compression.type", _STRING, "producer",
            "The codec that batches are stored in; producer: as they came.",
            "compression.type",
        )._replace(one_of=_CODECS),
        _known(
            "compression.zstd.level", _INT, 3, "Level of zstd.", "compression.zstd.level"
        )._replace(low=-131_072, high=22),
        _topic(
            "delete.retention.ms", _LONG, 86_400_000, "log.cleaner.delete.retention.ms", low=0,
            high=I64_MAX, doc="How long a tombstone stays after compaction has come past it.",
        ),
        _topic(
            "file.delete.delay.ms", _LONG, 60_000, "log.segment.delete.delay.ms", low=0,
            high=I64_MAX, doc="How long a deleted file stays on the disk.",
        ),
        _known(
            "flush.messages", _LONG, I64_MAX,
            "Records after which a partition is flushed; one policy holds for the whole log.",
            "log.flush.interval.messages",
        )._replace(low=1, high=I64_MAX),
        _known(
            "flush.ms", _LONG, I64_MAX,
            "Time after which a partition is flushed; one policy holds for the whole log.",
            "log.flush.interval.ms",
        )._replace(low=0, high=I64_MAX),
        _known(
            "follower.replication.throttled.replicas", _LIST, (),
            "Replicas whose followers are held to a rate.",
        ),
        _topic(
            "index.interval.bytes", _INT, 4096, "log.index.interval.bytes", low=0, high=I32_MAX,
            doc="Bytes of log for one index entry.",
        ),
        _known(
            "leader.replication.throttled.replicas", _LIST, (),
            "Replicas whose leaders are held to a rate.",
        ),
        _known(
            "local.retention.bytes", _LONG, -2, "Size of what is kept here of a tiered log.",
            "log.local.retention.bytes",
        )._replace(low=-2, high=I64_MAX),
        _known(
            "local.retention.ms", _LONG, -2, "Age of what is kept here of a tiered log.",
            "log.local.retention.ms",
        )._replace(low=-2, high=I64_MAX),
        _topic(
            "max.compaction.lag.ms", _LONG, I64_MAX, "log.cleaner.max.compaction.lag.ms", low=1,
            high=I64_MAX, doc="Longest time that a record stays out of reach of compaction.",
        ),
        _topic(
            "max.message.bytes", _INT, 1_048_588, "message.max.bytes", low=0, high=I32_MAX,
            doc="Largest batch, as stored.",
        ),
        _topic(
            "message.timestamp.after.max.ms", _LONG, 3_600_000,
            "log.message.timestamp.after.max.ms", low=0, high=I64_MAX,
            doc="How far a record's time may lie ahead of the log's clock.",
        ),
        _topic(
            "message.timestamp.before.max.ms", _LONG, I64_MAX,
            "log.message.timestamp.before.max.ms", low=0, high=I64_MAX,
            doc="How far a record's time may lie behind the log's clock.",
        ),
        _topic(
            "message.timestamp.type", _STRING, "CreateTime", "log.message.timestamp.type",
            one_of=("CreateTime", "LogAppendTime"), doc="Who sets a record's time.",
        ),
        _topic(
            "min.cleanable.dirty.ratio", _DOUBLE, 0.5, "log.cleaner.min.cleanable.ratio", low=0,
            high=1, doc="Share of a log that must be dirty before it is compacted.",
        ),
        _topic(
            "min.compaction.lag.ms", _LONG, 0, "log.cleaner.min.compaction.lag.ms", low=0,
            high=I64_MAX, doc="Shortest time that a record stays as it is.",
        ),
        _topic(
            "min.insync.replicas", _INT, 1, "min.insync.replicas", low=1, high=I32_MAX,
            doc="Replicas that must hold a record for acks=all.",
        ),
        _known(
            "preallocate", _BOOLEAN, False, "Whether a new segment takes its space at once.",
            "log.preallocate",
        ),
        _known(
            "remote.log.copy.disable", _BOOLEAN, False, "Whether a tiered log is copied no more."
        ),
        _known(
            "remote.log.delete.on.disable", _BOOLEAN, False,
            "Whether tiered segments go when tiering ends.",
        ),
        _known(
            "remote.storage.enable", _BOOLEAN, False, "Whether segments are tiered; none are here."
        )._replace(one_of=("false",)),
        _topic(
            "retention.bytes", _LONG, -1, "log.retention.bytes", low=-1, high=I64_MAX,
            doc="Size of a partition above which its oldest segments go; -1 for no bound.",
        ),
        _topic(
            "retention.ms", _LONG, _WEEK_MS, "log.retention.ms", low=-1, high=I64_MAX,
            doc="Age at which segments go; -1 for never.",
        ),
        _topic(
            "segment.bytes", _INT, 1 << 30, "log.segment.bytes", low=14, high=I32_MAX,
            doc="Size at which a segment is closed and the next begun.",
        ),
        _topic(
            "segment.index.bytes", _INT, 10_485_760, "log.index.size.max.bytes", low=4,
            high=I32_MAX, doc="Largest index of a segment.",
        ),
        _known(
            "segment.jitter.ms", _LONG, 0, "Spread of the age at which segments are closed.",
            "log.roll.jitter.ms",
        )._replace(low=0, high=I64_MAX),
        _topic(
            "segment.ms", _LONG, _WEEK_MS, "log.roll.ms", low=1, high=I64_MAX,
            doc="Age at which a segment is closed even when it is not full.",
        ),
        _known(
            "unclean.leader.election.enable", _BOOLEAN, False,
            "Whether a replica that lags may lead.", "unclean.leader.election.enable",
        ),
    ]
)  # fmt: skip
