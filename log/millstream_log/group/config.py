"""The numbers a group coordinator goes by, under Kafka's names and with its defaults.

The one default that is not Kafka's is `group.initial.rebalance.delay.ms`: 0, as in its quickstart
configuration, where Kafka's code says 3000.
"""

from __future__ import annotations

import msgspec

METADATA_BYTES_MAX = 4096


class GroupConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator decides about groups."""

    session_timeout_min_ms: int = 6_000  # group.min.session.timeout.ms
    session_timeout_max_ms: int = 1_800_000  # group.max.session.timeout.ms
    initial_rebalance_delay_ms: int = 0  # group.initial.rebalance.delay.ms
    size_max: int = 2**31 - 1  # group.max.size, members
    new_member_join_timeout_ms: int = 300_000  # not to be set in Kafka either
    metadata_bytes_max: int = METADATA_BYTES_MAX  # offset.metadata.max.bytes
    offsets_retention_ms: int = 10_080 * 60_000  # offsets.retention.minutes
    retention_check_interval_ms: int = 600_000  # offsets.retention.check.interval.ms
    consumer_assignors: tuple[str, ...] = ("uniform", "range")  # group.consumer.assignors
    consumer_session_timeout_ms: int = 45_000  # group.consumer.session.timeout.ms
    consumer_heartbeat_interval_ms: int = 5_000  # group.consumer.heartbeat.interval.ms
    consumer_assignment_interval_ms: int = 1_000  # group.consumer.assignment.interval.ms
    consumer_migration: str = "bidirectional"  # group.consumer.migration.policy
    consumer_size_max: int = 2**31 - 1  # group.consumer.max.size, members
