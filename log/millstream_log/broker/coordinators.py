"""What the coordinators go by, of the broker's configs."""

from __future__ import annotations

from ..group.config import GroupConfig
from ..group.consumer_topics import TopicFacts, Topics
from ..metadata.image import MetadataImage
from ..transaction.config import TransactionConfig
from .config import BrokerConfig

_MINUTE_MS = 60_000


def group_config(config: BrokerConfig) -> GroupConfig:
    """Return the numbers of the group coordinator."""
    number = config.get_int
    return GroupConfig(
        session_timeout_min_ms=number("group.min.session.timeout.ms"),
        session_timeout_max_ms=number("group.max.session.timeout.ms"),
        initial_rebalance_delay_ms=number("group.initial.rebalance.delay.ms"),
        size_max=number("group.max.size"),
        metadata_bytes_max=number("offset.metadata.max.bytes"),
        offsets_retention_ms=number("offsets.retention.minutes") * _MINUTE_MS,
        retention_check_interval_ms=number("offsets.retention.check.interval.ms"),
        consumer_assignors=config.get_list("group.consumer.assignors"),
        consumer_session_timeout_ms=number("group.consumer.session.timeout.ms"),
        consumer_heartbeat_interval_ms=number("group.consumer.heartbeat.interval.ms"),
        consumer_assignment_interval_ms=number("group.consumer.assignment.interval.ms"),
        consumer_migration=str(config.get("group.consumer.migration.policy")),
        consumer_size_max=number("group.consumer.max.size"),
    )


def topics_of(image: MetadataImage) -> Topics:
    """Return the topics, as consumer groups see them."""
    return Topics({t.name: TopicFacts(t.topic_id, t.partitions) for t in image.topics.values()})


def transaction_config(config: BrokerConfig) -> TransactionConfig:
    """Return the numbers of the transaction coordinator."""
    number = config.get_int
    return TransactionConfig(
        timeout_max_ms=number("transaction.max.timeout.ms"),
        id_expiration_ms=number("transactional.id.expiration.ms"),
        retry_ms=number("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
        ids_max=number("transactional.ids.max"),
        partitions_max=number("transaction.partitions.max"),
    )
