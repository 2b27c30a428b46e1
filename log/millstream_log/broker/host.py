"""What the handlers work on: partitions, topics, configs, offsets and those who wait.

    metadata image  ->  partitions (one PartitionLog each)  ->  __consumer_offsets  ->  groups

Invariants: the metadata file names a topic after its directories are made and no more before they
go, so what a crash leaves are directories of no topic; they are put aside when their name is made
again, whatever id they bear or have lost. A topic is seen with all its partitions or not at all.
Changes of topics go by steps, between which others may run: whoever takes them apart holds
`changing`. Those of internal topics are one step, because the coordinators cannot wait for them.
Everything here runs on one event loop, and only flushing and cleaning leave it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

import msgspec

from ..clock import Clock
from ..errors import (
    InvalidPartitionsError,
    InvalidRequestError,
    LogError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    UnknownTopicIdError,
    UnknownTopicOrPartitionError,
)
from ..metadata.image import MetadataImage, TopicImage
from ..metadata.names import (
    INTERNAL_TOPICS,
    OFFSETS_TOPIC,
    RESERVED_TOPICS,
    check_collision,
    check_name,
)
from ..metadata.store import MetadataStore
from ..model import TopicPartition
from ..storage.log_config import LogConfig
from ..storage.log_dir import LogDir
from .config import BrokerConfig, check_dynamic_configs, check_topic_configs
from .flusher import Flusher
from .partition import Partition
from .purgatory import Purgatory

if TYPE_CHECKING:
    from ..group.coordinator import GroupCoordinator
    from .shell import Shell
    from .transactions import TransactionShell

logger = logging.getLogger(__name__)

PRODUCER_IDS_BLOCK = 1000
"""Producer ids that are reserved on the disk at once."""

T = TypeVar("T")
Steps = Generator[None, None, T]
"""A change that may be left alone for a while between its steps; it returns a T."""


class Host:
    """Partitions and topics of one node."""

    def __init__(
        self,
        *,
        log_dir: LogDir,
        store: MetadataStore,
        image: MetadataImage,
        config: BrokerConfig,
        clock: Clock,
        flusher: Flusher,
        read_only: bool,
    ) -> None:
        self.log_dir = log_dir
        self.image = image
        self.config = config
        self.clock = clock
        self.flusher = flusher
        self.purgatory = Purgatory()
        self.read_only = read_only
        self.closing = False
        self.changing = asyncio.Lock()  # held while a topic is made, grown or deleted by steps
        self.answer_bytes_allowed: Callable[[], int] = lambda: sys.maxsize  # a listener has less
        self.path = log_dir.path
        self.log_dirs = os.path.abspath(log_dir.path)  # as clients are told
        self.groups: Shell[GroupCoordinator]
        self.transactions: TransactionShell
        self.partitions: dict[tuple[str, int], Partition] = {}
        self.on_topics_deleted: Callable[[list[str]], None] = lambda _: None
        self.on_topics_changed: Callable[[], None] = lambda: None
        self._store = store
        self._refreshed: MetadataImage | None = image
        self._names = _names_of(image)
        self._next_producer_id = image.producer_ids_end
        config.note("log.dirs", self.log_dirs)
        config.note("node.id", str(image.node_id))
        config.note("broker.id", str(image.node_id))
        self._adopt_configs()
        for topic in image.topics.values():
            self._host_topic(topic)

    def partition(self, topic: str, index: int) -> Partition:
        """Return a partition; raise UnknownTopicOrPartitionError when it is not here."""
        found = self.partitions.get((topic, index))
        if found is None:
            raise self._unknown(topic, index)
        return found

    def leader_epoch(self, topic: str, index: int) -> int:
        """Return the leader epoch of a partition."""
        found = self.partitions.get((topic, index))
        return found.leader_epoch if found is not None else 0

    def topic_name(self, name: str, topic_id: str) -> str:
        """Return the name of a topic that goes by its name or by its id.

        Raises:
            UnknownTopicIdError: no topic has this id.
        """
        if not topic_id:
            return name
        found = self._names.get(topic_id)
        if found is None:
            raise UnknownTopicIdError(f"no topic has the id {topic_id}")
        return found

    def topic(self, name: str) -> TopicImage:
        """Return a topic; raise UnknownTopicOrPartitionError when there is none."""
        found = self.image.topics.get(name)
        if found is None:
            raise UnknownTopicOrPartitionError(f"no topic {name!r}")
        return found

    def check_writable(self, what: str) -> None:
        """Raise PolicyViolationError when this log was opened for reading only."""
        if self.read_only:
            raise PolicyViolationError(f"cannot {what}: the log was opened read-only")

    def create_topic(
        self,
        name: str,
        partitions: int,
        configs: Mapping[str, str | None],
        *,
        validate_only: bool = False,
    ) -> Steps[TopicImage]:
        """Create a topic, or (`validate_only`) say what would be created; -1 is the default."""
        self.check_new_topic(name)
        count = self.config.get_int("num.partitions") if partitions == -1 else partitions
        self._check_count(name, count, count)
        topic = TopicImage(
            name=name,
            topic_id=uuid.uuid4().hex,
            partitions=count,
            configs=check_topic_configs(configs),
        )
        if not validate_only:
            yield from self._make(topic, range(count))
            self._adopt_topic(topic)
        return topic

    def check_new_topic(self, name: str) -> None:
        """Raise a BrokerError unless a topic may come to bear this name."""
        self.check_writable(f"create topic {name!r}")
        check_name(name)
        if name in self.image.topics:
            raise TopicAlreadyExistsError(f"topic {name!r} exists")
        if name in RESERVED_TOPICS:
            raise InvalidRequestError(f"topic {name!r} is no topic of clients")
        check_collision(name, self.image.topics)

    def grow_topic(self, name: str, count: int, *, validate_only: bool = False) -> Steps[None]:
        """Raise a topic to `count` partitions in all."""
        self.check_writable(f"add partitions to {name!r}")
        topic = self.topic(name)
        if count <= topic.partitions:
            raise InvalidPartitionsError(
                f"topic {name!r} has {topic.partitions} partitions, cannot go to {count}"
            )
        self._check_count(name, count, count - topic.partitions)
        if not validate_only:
            yield from self._make(topic, range(topic.partitions, count))
            grown = msgspec.structs.replace(self.topic(name), partitions=count)
            self._adopt_topic(grown)
            self._configure_logs(grown)  # they may have changed meanwhile

    def configure_topic(
        self, name: str, configs: Mapping[str, str], *, validate_only: bool = False
    ) -> None:
        """Set all configs of a topic to exactly `configs`."""
        self.check_writable(f"change configs of {name!r}")
        topic = msgspec.structs.replace(self.topic(name), configs=check_topic_configs(configs))
        if not validate_only:
            self._save(self.image.with_topic(topic))
            self._configure_logs(topic)

    def configure_broker(
        self, broker: str, configs: Mapping[str, str], *, validate_only: bool = False
    ) -> None:
        """Set all configs that hold while the broker runs, of `broker` or of ALL_BROKERS."""
        self.check_writable("change configs of the broker")
        checked = check_dynamic_configs(configs)
        if not validate_only:
            self._save(self.image.with_broker_configs(broker, checked))
            self._adopt_configs()
            for topic in self.image.topics.values():
                self._configure_logs(topic)

    def _adopt_configs(self) -> None:
        self.config.adopt(self.image)
        self.log_dir.producer_expiration_ms = self.config.get_int("producer.id.expiration.ms")

    def _configure_logs(self, topic: TopicImage) -> None:
        config = self.config.log_config(topic.configs)
        for index in range(topic.partitions):
            if (topic.name, index) in self.partitions:
                self.log_dir.configure(TopicPartition(topic.name, index), config)

    def delete_topic(self, name: str) -> Steps[TopicImage]:
        """Delete a topic, its records, and what groups have committed on it."""
        self.check_writable(f"delete topic {name!r}")
        topic = self.topic(name)
        self._save(self.image.without_topic(name))
        yield from self._drop(self._leave_partitions(topic))
        self.on_topics_deleted([name])
        return topic

    def auto_create(self, name: str) -> Steps[TopicImage]:
        """Create a topic because somebody asked for it, if the config and the name allow."""
        check_name(name)
        may_create = not self.read_only and self.config.get("auto.create.topics.enable")
        if not may_create or name in RESERVED_TOPICS:
            raise UnknownTopicOrPartitionError(f"no topic {name!r}")
        if name in INTERNAL_TOPICS:
            return self.internal_topic(name)
        return (yield from self.create_topic(name, -1, {}))

    def internal_topic(self, name: str) -> TopicImage:
        """Return a topic of the coordinators, which is created as its configs say."""
        found = self.image.topics.get(name)
        if found is not None:
            return found
        configs = "offsets.topic" if name == OFFSETS_TOPIC else "transaction.state.log"
        return in_one_go(
            self.create_topic(
                name,
                self.config.get_int(f"{configs}.num.partitions"),
                {
                    "cleanup.policy": "compact",
                    "compression.type": "producer",
                    "segment.bytes": str(self.config.get_int(f"{configs}.segment.bytes")),
                },
            )
        )

    def new_producer_id(self) -> int:
        """Return a producer id that nobody has had, after a crash neither."""
        self.check_writable("give out a producer id")
        found = self._next_producer_id
        if found == self.image.producer_ids_end:
            end = found + PRODUCER_IDS_BLOCK
            self._save(msgspec.structs.replace(self.image, producer_ids_end=end))
        self._next_producer_id = found + 1
        return found

    def topic_names(self) -> Mapping[str, str]:
        """Return the names of all topics by their ids."""
        return self._names

    def refresh_topics(self) -> None:
        """See the topics that a writer in another process has made (read-only logs)."""
        image = self._store.load()
        if image is None or image is self._refreshed:
            return
        self._refreshed = image
        self.log_dir.refresh()
        self.image = image
        self._adopt_configs()
        self._names = _names_of(image)
        gone = [
            key
            for key in self.partitions
            if key[0] not in image.topics or key[1] >= image.topics[key[0]].partitions
        ]
        for key in gone:
            self.purgatory.notify(self.partitions.pop(key).topic_partition)
        for topic in image.topics.values():
            self._host_topic(topic)

    def refresh_partition(self, partition: Partition) -> None:
        """See what a writer in another process has appended (read-only logs)."""
        partition.log.refresh()
        partition.advance(partition.log.log_end_offset)

    def _host_topic(self, topic: TopicImage) -> None:
        config = self.config.log_config(topic.configs)
        for index in range(topic.partitions):
            if (topic.name, index) not in self.partitions:
                self._host_partition(TopicPartition(topic.name, index), topic.topic_id, config)

    def _host_partition(self, key: TopicPartition, topic_id: str, config: LogConfig) -> None:
        log = self.log_dir.partitions.get(key)
        if self.read_only:
            if log is None:
                self._refreshed = None  # its writer is still making it: look again next time
                return
        elif log is not None and log.topic_id not in ("", topic_id):
            logger.warning("putting aside %s: it belongs to a topic that was deleted", key)
            self.log_dir.delete(key)
            log = None
        if log is None:
            if key in self.log_dir.failed:
                return  # `partition` answers with the error that it met
            log = self.log_dir.create(key, topic_id, config)
        self.partitions[key] = Partition(log, self.flusher, self.purgatory)

    def _make(self, topic: TopicImage, indexes: Iterable[int]) -> Steps[None]:
        """Make the logs of partitions that no topic has yet; all of them or none."""
        config = self.config.log_config(topic.configs)
        keys = [TopicPartition(topic.name, index) for index in indexes]
        try:
            for key in keys:
                if key in self.log_dir.partitions or key in self.log_dir.failed:
                    logger.warning("putting aside %s: it belongs to no topic", key)
                    self.log_dir.delete(key)
                self.log_dir.create(key, topic.topic_id, config, sync=False)
                if topic.name not in INTERNAL_TOPICS:
                    yield
            self.log_dir.sync()
        except LogError:
            self._unmake(keys)
            raise
        if topic.name not in INTERNAL_TOPICS:
            yield

    def _unmake(self, keys: Iterable[TopicPartition]) -> None:
        for key in keys:
            if key in self.log_dir.partitions:
                with contextlib.suppress(LogError):  # what stays is put aside when it is in the way
                    self.log_dir.delete(key, sync=False)

    def _adopt_topic(self, topic: TopicImage) -> None:
        """Let everybody see a topic whose logs are made."""
        try:
            self._save(self.image.with_topic(topic))
        except LogError:
            keys = [TopicPartition(topic.name, index) for index in range(topic.partitions)]
            self._unmake(key for key in keys if tuple(key) not in self.partitions)
            raise
        self._host_topic(topic)

    def _leave_partitions(self, topic: TopicImage) -> list[TopicPartition]:
        """Host the partitions of a topic no more; return those that had a log."""
        left = []
        for index in range(topic.partitions):
            partition = self.partitions.pop((topic.name, index), None)
            if partition is not None:
                left.append(partition.topic_partition)
                self.flusher.forget(partition)
                self.purgatory.notify(partition.topic_partition)
        return left

    def _drop(self, keys: Iterable[TopicPartition]) -> Steps[None]:
        """Delete logs that are hosted no more."""
        for key in keys:
            self.log_dir.delete(key, sync=False)
            if key.topic not in INTERNAL_TOPICS:
                yield
        self.log_dir.sync()

    def _save(self, image: MetadataImage) -> None:
        self._store.save(image)
        changed = image.topics is not self.image.topics
        self.image = image
        if changed:
            self._names = _names_of(image)
            self.on_topics_changed()

    def _check_count(self, name: str, count: int, added: int) -> None:
        bound = self.config.get_int("max.partitions.per.topic")
        if not 1 <= count <= bound:
            raise InvalidPartitionsError(
                f"topic {name!r}: {count} partitions, must be at least 1 and at most {bound}"
            )
        held = sum(topic.partitions for topic in self.image.topics.values())
        bound = self.config.get_int("max.partitions")
        if held + added > bound:
            raise PolicyViolationError(
                f"topic {name!r}: {added} partitions more, the log has {held} and may have {bound}"
            )

    def _unknown(self, topic: str, index: int) -> LogError:
        failed = self.log_dir.failed.get(TopicPartition(topic, index))
        if failed is not None:
            return failed
        held = self.image.topics.get(topic)
        if held is None:
            return UnknownTopicOrPartitionError(f"no topic {topic!r}")
        return UnknownTopicOrPartitionError(
            f"topic {topic!r} has no partition {index}, it has {held.partitions}"
        )


def in_one_go(steps: Steps[T]) -> T:
    """Take all steps of a change; return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


def _names_of(image: MetadataImage) -> dict[str, str]:
    """Return the names of topics by their ids."""
    return {topic.topic_id: topic.name for topic in image.topics.values()}
