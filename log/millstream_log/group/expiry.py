"""Which committed offsets have outlived `offsets.retention.minutes`, and since when they count.

    group                          an offset's age counts from
    no member ever joined          its commit
    Empty after a generation       the moment the group became empty
    Stable, a consumer group       its commit, for topics that nobody in it subscribes to
    any other                      never

A consumer group of KIP-848 is like a stable one, whatever its state. An offset whose commit said
how long it is kept (OffsetCommit 2 to 4) goes when that is over.

Source: KIP-186, KIP-211, KIP-496.
"""

from __future__ import annotations

from ..model import TopicPartition
from .consumer_group import ConsumerGroup
from .group import CONSUMER_PROTOCOL, Group, State
from .offsets import GroupOffsets
from .records import OffsetValue


def expired_offsets(
    group: Group | ConsumerGroup, offsets: GroupOffsets, now_ms: int, retention_ms: int
) -> list[TopicPartition]:
    """Return the partitions whose commits are to be forgotten now."""
    if not _may_expire(group):
        return []
    return [
        partition
        for partition, value in offsets.fetch(group.group_id).items()
        if _is_over(value, _counts_from_ms(group, value), now_ms, retention_ms)
        if not group.subscribes_to(partition.topic)
        if not offsets.is_pending(group.group_id, partition)
    ]


def _is_over(value: OffsetValue, from_ms: int, now_ms: int, retention_ms: int) -> bool:
    if value.expire_time_ms != -1:
        return now_ms >= value.expire_time_ms
    return now_ms - from_ms >= retention_ms


def _may_expire(group: Group | ConsumerGroup) -> bool:
    if isinstance(group, ConsumerGroup):
        return True
    if group.protocol_type is None or group.state is State.EMPTY:
        return True
    return (
        group.state is State.STABLE
        and group.protocol_type == CONSUMER_PROTOCOL
        and group.subscribed is not None
    )


def _counts_from_ms(group: Group | ConsumerGroup, value: OffsetValue) -> int:
    if isinstance(group, ConsumerGroup):
        return value.commit_time_ms
    empty = group.state is State.EMPTY and group.protocol_type is not None
    if empty and group.state_timestamp_ms != -1:
        return group.state_timestamp_ms
    return value.commit_time_ms
