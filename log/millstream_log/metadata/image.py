"""What topics there are, as a value: made anew for each change, never changed in place.

Invariants: partitions of a topic are 0 .. partitions - 1 and never shrink; a topic id belongs to
one life of a name, so a topic deleted and created again has another.
"""

from __future__ import annotations

import msgspec

ALL_BROKERS = ""
"""Whose configs hold for every broker that has none of its own."""


class TopicImage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One topic."""

    name: str
    topic_id: str  # 32 hex digits
    partitions: int
    configs: dict[str, str] = msgspec.field(default_factory=dict)


class MetadataImage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All topics of one log, and whose they are."""

    cluster_id: str  # 22 characters of base64; of older logs, 32 hex digits
    node_id: int = 0
    topics: dict[str, TopicImage] = msgspec.field(default_factory=dict)
    producer_ids_end: int = 0  # producer ids below it are given out, or were lost with a crash
    broker_configs: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
    # set while it runs, by broker id as text; those of all brokers under ALL_BROKERS

    def with_topic(self, topic: TopicImage) -> MetadataImage:
        """Return the image in which `topic` stands in place of any of its name."""
        return msgspec.structs.replace(self, topics={**self.topics, topic.name: topic})

    def without_topic(self, name: str) -> MetadataImage:
        """Return the image in which no topic has this name."""
        return msgspec.structs.replace(
            self, topics={key: topic for key, topic in self.topics.items() if key != name}
        )

    def with_broker_configs(self, broker: str, configs: dict[str, str]) -> MetadataImage:
        """Return the image in which `configs` are all that was set for `broker`."""
        return msgspec.structs.replace(
            self, broker_configs={**self.broker_configs, broker: configs}
        )

    def by_id(self, topic_id: str) -> TopicImage | None:
        """Return the topic of this id."""
        return next((t for t in self.topics.values() if t.topic_id == topic_id), None)
