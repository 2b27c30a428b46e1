"""Broker configs that have an effect here, but for those of connections and topics.

Names are Kafka's where Kafka has the config; the others, which it lacks, are said to be ours.

Source: Kafka's documentation of broker configs (4.3).
"""

from __future__ import annotations

from ..wire.enums import ConfigType
from .config_def import I32_MAX, I64_MAX, ConfigDef

_INT, _LONG = ConfigType.INT, ConfigType.LONG
_BOOLEAN, _LIST, _STRING = ConfigType.BOOLEAN, ConfigType.LIST, ConfigType.STRING

_NODE_CONFIGS = [
    ConfigDef(
        "advertised.listeners", _LIST, None,
        doc="The address that clients are told; the one they have reached, where none is given.",
    ),
    ConfigDef("broker.id", _INT, -1, low=-1, high=I32_MAX, doc="Older name of node.id."),
    ConfigDef("listeners", _LIST, ("PLAINTEXT://:9092",), doc="The address listened on."),
    ConfigDef("log.dir", _LIST, None, doc="Older name of log.dirs."),
    ConfigDef("log.dirs", _LIST, None, doc="The directory of the log; there is one."),
    ConfigDef(
        "node.id", _INT, 0, low=0, high=I32_MAX,
        doc="Id of this node; a log keeps the one it was begun with.",
    ),
]  # fmt: skip

_TOPIC_CONFIGS = [
    ConfigDef(
        "auto.create.topics.enable", _BOOLEAN, True, doc="Whether asking for a topic creates it."
    ),
    ConfigDef("delete.topic.enable", _BOOLEAN, True, doc="Whether topics can be deleted."),
    ConfigDef(
        "num.partitions", _INT, 1, low=1, high=10_000, doc="Partitions of a topic by default."
    ),
    ConfigDef(
        "max.partitions", _INT, 200_000, low=1, high=I32_MAX,
        doc="Partitions of all topics together. Ours.",
    ),
    ConfigDef(
        "max.partitions.per.topic", _INT, 10_000, low=1, high=I32_MAX,
        doc="Partitions that one topic may have at most. Ours.",
    ),
]  # fmt: skip

_REQUEST_CONFIGS = [
    ConfigDef(
        "fetch.max.bytes", _INT, 57_671_680, low=1024, high=I32_MAX,
        doc="Bytes of the answer to one fetch, but for a first batch that is larger.",
    ),
    ConfigDef(
        "max.request.partition.size.limit", _INT, 2000, low=1, high=I32_MAX,
        doc="Partitions on one page of DescribeTopicPartitions.",
    ),
    ConfigDef(
        "max.request.topics", _INT, 10_000, low=1, high=I32_MAX,
        doc="Topics, or configs' owners, that one request may name. Ours.",
    ),
]  # fmt: skip

_CLEANER_CONFIGS = [
    ConfigDef(
        "log.retention.check.interval.ms", _LONG, 300_000, low=1, high=I64_MAX,
        doc="How often retention looks at the log.",
    ),
    ConfigDef(
        "log.flush.offset.checkpoint.bytes", _LONG, 256 << 20, low=1, high=I64_MAX,
        doc="Bytes after which recovery points are written down: a start after a crash scans about"
        " so many. Ours.",
    ),
    ConfigDef(
        "log.flush.offset.checkpoint.interval.ms", _INT, 60_000, low=0, high=I32_MAX,
        doc="How often recovery points are written down where fewer bytes come.",
    ),
    ConfigDef("log.cleaner.enable", _BOOLEAN, True, doc="Whether compaction runs."),
    ConfigDef(
        "log.cleaner.backoff.ms", _LONG, 15_000, low=0, high=I64_MAX,
        doc="How long compaction rests when there was nothing to do.",
    ),
    ConfigDef(
        "log.retention.hours", _INT, 168, low=-1, high=I32_MAX,
        doc="Age at which segments go, where neither minutes nor ms are given.",
    ),
    ConfigDef(
        "log.retention.minutes", _INT, None, low=-1, high=I32_MAX,
        doc="Age at which segments go, where no ms are given.",
    ),
    ConfigDef(
        "log.roll.hours", _INT, 168, low=1, high=I32_MAX,
        doc="Age at which a segment is closed, where no ms are given.",
    ),
    ConfigDef(
        "producer.id.expiration.ms", _INT, 86_400_000, low=1, high=I32_MAX, dynamic=True,
        doc="Silence after which a partition forgets a producer.",
    ),
]  # fmt: skip

_GROUP_CONFIGS = [
    ConfigDef(
        "group.consumer.assignment.interval.ms", _INT, 1_000, low=0, high=15_000,
        doc="Least time between two assignments of a consumer group.",
    ),
    ConfigDef(
        "group.consumer.assignors", _LIST, ("uniform", "range"), one_of=("uniform", "range"),
        doc="Assignors of consumer groups; the first is the default.",
    ),
    ConfigDef(
        "group.consumer.heartbeat.interval.ms", _INT, 5_000, low=1, high=I32_MAX,
        doc="How often a member of a consumer group is to say that it lives.",
    ),
    ConfigDef(
        "group.consumer.max.size", _INT, I32_MAX, low=1, high=I32_MAX,
        doc="Members of a consumer group at most.",
    ),
    ConfigDef(
        "group.consumer.migration.policy", _STRING, "bidirectional",
        one_of=("disabled", "downgrade", "upgrade", "bidirectional"),
        doc="Which groups with members change between the protocols.",
    ),
    ConfigDef(
        "group.consumer.session.timeout.ms", _INT, 45_000, low=1, high=I32_MAX,
        doc="Silence after which a member of a consumer group is gone.",
    ),
    ConfigDef(
        "group.initial.rebalance.delay.ms", _INT, 0, low=0, high=I32_MAX,
        doc="How long an empty group waits for more members; Kafka's own default is 3000.",
    ),
    ConfigDef(
        "group.max.session.timeout.ms", _INT, 1_800_000, low=1, high=I32_MAX,
        doc="Longest session time-out that a member may ask for.",
    ),
    ConfigDef(
        "group.max.size", _INT, I32_MAX, low=1, high=I32_MAX, doc="Members of a group at most."
    ),
    ConfigDef(
        "group.min.session.timeout.ms", _INT, 6_000, low=1, high=I32_MAX,
        doc="Shortest session time-out that a member may ask for.",
    ),
    ConfigDef(
        "offset.metadata.max.bytes", _INT, 4096, low=0, high=32_767,
        doc="Longest text that a committed offset may carry.",
    ),
    ConfigDef(
        "offsets.retention.check.interval.ms", _LONG, 600_000, low=1, high=I64_MAX,
        doc="How often committed offsets that have expired are looked for.",
    ),
    ConfigDef(
        "offsets.retention.minutes", _INT, 10_080, low=1, high=I32_MAX,
        doc="How long offsets are kept after their group has become empty.",
    ),
    ConfigDef(
        "offsets.topic.num.partitions", _INT, 1, low=1, high=10_000,
        doc="Partitions of __consumer_offsets, when it is created.",
    ),
    ConfigDef(
        "offsets.topic.segment.bytes", _INT, 104_857_600, low=1, high=I32_MAX,
        doc="Segment size of __consumer_offsets, when it is created.",
    ),
]  # fmt: skip

_TRANSACTION_CONFIGS = [
    ConfigDef(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms", _INT, 10_000, low=1,
        high=I32_MAX, doc="How long a step of a transaction that failed waits for its next try.",
    ),
    ConfigDef(
        "transaction.max.timeout.ms", _INT, 900_000, low=1, high=I32_MAX,
        doc="Longest time-out that a transaction may ask for.",
    ),
    ConfigDef(
        "transaction.partitions.max", _INT, 10_000, low=1, high=I32_MAX,
        doc="Partitions of one transaction at most. Ours.",
    ),
    ConfigDef(
        "transaction.state.log.num.partitions", _INT, 1, low=1, high=10_000,
        doc="Partitions of __transaction_state, when it is created.",
    ),
    ConfigDef(
        "transaction.state.log.segment.bytes", _INT, 104_857_600, low=1, high=I32_MAX,
        doc="Segment size of __transaction_state, when it is created.",
    ),
    ConfigDef(
        "transactional.id.expiration.ms", _INT, 604_800_000, low=1, high=I32_MAX,
        doc="Silence after which a transactional id is forgotten.",
    ),
    ConfigDef(
        "transactional.ids.max", _INT, 100_000, low=1, high=I32_MAX,
        doc="Transactional ids that are known at one time. Ours.",
    ),
]  # fmt: skip

OWN_CONFIGS = [
    *_NODE_CONFIGS,
    *_TOPIC_CONFIGS,
    *_REQUEST_CONFIGS,
    *_CLEANER_CONFIGS,
    *_GROUP_CONFIGS,
    *_TRANSACTION_CONFIGS,
]
