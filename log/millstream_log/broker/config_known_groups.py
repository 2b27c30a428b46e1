"""Broker configs of Kafka's newer groups that have no effect here: accepted, shown, never changed.

Source: the configs that Apache Kafka 4.3 describes; the words are our own.
"""

from __future__ import annotations

from ..wire.enums import ConfigType
from .config_def import I32_MAX, known

_INT = ConfigType.INT
_SHORT = ConfigType.SHORT
_STRING = ConfigType.STRING
_LIST = ConfigType.LIST

KNOWN_GROUP_CONFIGS = [
    # Groups of KIP-848, share groups, streams groups
    known(
        "group.consumer.max.assignment.interval.ms", _INT, 15_000,
        "Largest assignment interval of a group.",
    ),
    known(
        "group.consumer.max.heartbeat.interval.ms", _INT, 15_000,
        "Largest heartbeat interval of a group.",
    ),
    known(
        "group.consumer.max.session.timeout.ms", _INT, 60_000,
        "Largest session time-out of a group.",
    ),
    known(
        "group.consumer.min.assignment.interval.ms", _INT, 0,
        "Smallest assignment interval of a group.",
    ),
    known(
        "group.consumer.min.heartbeat.interval.ms", _INT, 5_000,
        "Smallest heartbeat interval of a group.",
    ),
    known(
        "group.consumer.min.session.timeout.ms", _INT, 45_000,
        "Smallest session time-out of a group.",
    ),
    known(
        "group.share.assignment.interval.ms", _INT, 1_000,
        "Least time between two assignments of a share group.",
    ),
    known("group.share.assignors", _LIST, ("simple",), "Assignors of share groups."),
    known("group.share.delivery.count.limit", _INT, 5, "How often a record is delivered at most."),
    known(
        "group.share.heartbeat.interval.ms", _INT, 5_000,
        "How often a member of a share group reports.",
    ),
    known(
        "group.share.max.assignment.interval.ms", _INT, 15_000,
        "Largest assignment interval of a share group.",
    ),
    known(
        "group.share.max.delivery.count.limit", _INT, 10,
        "Largest delivery limit of a share group.",
    ),
    known(
        "group.share.max.heartbeat.interval.ms", _INT, 15_000,
        "Largest heartbeat interval of a share group.",
    ),
    known(
        "group.share.max.partition.max.record.locks", _INT, 4_000,
        "Largest bound on locked records.",
    ),
    known(
        "group.share.max.record.lock.duration.ms", _INT, 60_000,
        "Longest lock that a group may ask for.",
    ),
    known(
        "group.share.max.session.timeout.ms", _INT, 60_000,
        "Largest session time-out of a share group.",
    ),
    known("group.share.max.share.sessions", _INT, 2_000, "Share sessions that are kept."),
    known("group.share.max.size", _INT, 200, "Members of a share group at most."),
    known(
        "group.share.min.assignment.interval.ms", _INT, 0,
        "Smallest assignment interval of a share group.",
    ),
    known(
        "group.share.min.delivery.count.limit", _INT, 2,
        "Smallest delivery limit of a share group.",
    ),
    known(
        "group.share.min.heartbeat.interval.ms", _INT, 5_000,
        "Smallest heartbeat interval of a share group.",
    ),
    known(
        "group.share.min.partition.max.record.locks", _INT, 100,
        "Smallest bound on locked records.",
    ),
    known(
        "group.share.min.record.lock.duration.ms", _INT, 15_000,
        "Shortest lock that a group may ask for.",
    ),
    known(
        "group.share.min.session.timeout.ms", _INT, 45_000,
        "Smallest session time-out of a share group.",
    ),
    known(
        "group.share.partition.max.record.locks", _INT, 2_000,
        "Records of a partition that may be locked at one time.",
    ),
    known(
        "group.share.record.lock.duration.ms", _INT, 30_000,
        "How long a delivered record is locked.",
    ),
    known(
        "group.share.session.timeout.ms", _INT, 45_000,
        "Silence after which a member of a share group is gone.",
    ),
    known(
        "group.streams.assignment.interval.ms", _INT, 1_000,
        "Least time between two assignments of a streams group.",
    ),
    known(
        "group.streams.heartbeat.interval.ms", _INT, 5_000,
        "How often a member of a streams group reports.",
    ),
    known(
        "group.streams.initial.rebalance.delay.ms", _INT, 3_000,
        "How long a new streams group waits for more members.",
    ),
    known(
        "group.streams.max.assignment.interval.ms", _INT, 15_000,
        "Largest assignment interval of a streams group.",
    ),
    known(
        "group.streams.max.heartbeat.interval.ms", _INT, 15_000,
        "Largest heartbeat interval of a streams group.",
    ),
    known(
        "group.streams.max.session.timeout.ms", _INT, 60_000,
        "Largest session time-out of a streams group.",
    ),
    known("group.streams.max.size", _INT, I32_MAX, "Members of a streams group at most."),
    known(
        "group.streams.max.standby.replicas", _INT, 2,
        "Standby replicas that a group may ask for.",
    ),
    known(
        "group.streams.min.assignment.interval.ms", _INT, 0,
        "Smallest assignment interval of a streams group.",
    ),
    known(
        "group.streams.min.heartbeat.interval.ms", _INT, 5_000,
        "Smallest heartbeat interval of a streams group.",
    ),
    known(
        "group.streams.min.session.timeout.ms", _INT, 45_000,
        "Smallest session time-out of a streams group.",
    ),
    known("group.streams.num.standby.replicas", _INT, 0, "Standby replicas of a streams group."),
    known(
        "group.streams.session.timeout.ms", _INT, 45_000,
        "Silence after which a member of a streams group is gone.",
    ),
    known(
        "share.coordinator.append.linger.ms", _INT, -1,
        "How long the share coordinator gathers records.",
    ),
    known(
        "share.coordinator.cached.buffer.max.bytes", _INT, 1_048_588,
        "Largest buffer that it keeps.",
    ),
    known(
        "share.coordinator.load.buffer.size", _INT, 5_242_880,
        "Bytes that are read at once while its state is loaded.",
    ),
    known(
        "share.coordinator.snapshot.update.records.per.snapshot", _INT, 500,
        "Updates between two snapshots of its state.",
    ),
    known(
        "share.coordinator.state.topic.compression.codec", _INT, 0,
        "Codec of __share_group_state, by number.",
    ),
    known(
        "share.coordinator.state.topic.min.isr", _SHORT, 1,
        "Replicas in sync that __share_group_state needs.",
    ),
    known(
        "share.coordinator.state.topic.num.partitions", _INT, 50,
        "Partitions of __share_group_state.",
    ),
    known(
        "share.coordinator.state.topic.replication.factor", _SHORT, 1,
        "Replicas of __share_group_state.",
    ),
    known(
        "share.coordinator.state.topic.segment.bytes", _INT, 104_857_600,
        "Segment size of __share_group_state.",
    ),
    known("share.coordinator.threads", _INT, 1, "Threads of the share coordinator."),
    known(
        "share.coordinator.write.timeout.ms", _INT, 5_000,
        "How long a write of its state may take.",
    ),
    known(
        "share.fetch.purgatory.purge.interval.requests", _INT, 1_000,
        "When waiting share fetches are swept.",
    ),
]  # fmt: skip
