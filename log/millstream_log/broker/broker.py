"""The broker: one face, plain values in and out, behind every transport.

    request -> handler (by its type) -> host: partitions, topics, groups -> response

Invariants: `handle` runs straight, without a suspension, when nothing has to be waited for; all
errors of partitions and topics travel inside the response, so that every transport sees the same.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import uuid
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ..clock import Clock, SystemClock
from ..errors import ClosedError, InvalidConfigError, InvalidRequestError
from ..group.coordinator import GroupCoordinator
from ..metadata.image import MetadataImage, TopicImage
from ..metadata.names import OFFSETS_TOPIC
from ..metadata.store import FILE_NAME, FileMetadataStore
from ..model import TopicPartition
from ..storage.files import Files, OsFiles
from ..storage.log_config import LogConfig
from ..storage.log_dir import LogDir
from ..transaction.coordinator import TransactionCoordinator
from ..wire.request import Request
from .cleaner import Cleaner
from .config import BrokerConfig
from .coordinators import group_config, topics_of, transaction_config
from .flusher import Flusher, check_policy
from .host import Host
from .metadata_file import MetadataFile
from .routes import HANDLERS
from .shell import Shell
from .transactions import TransactionShell

logger = logging.getLogger(__name__)

R = TypeVar("R")


class Broker:
    """One node on one log directory and one event loop."""

    def __init__(self, host: Host, cleaner: Cleaner | None, flush_threads: ThreadPoolExecutor):
        self.host = host
        self.cleaner = cleaner
        self._flush_threads = flush_threads
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: str,
        *,
        files: Files | None = None,
        clock: Clock | None = None,
        flush: str = "interval",
        flush_interval_ms: int = 1000,
        read_only: bool = False,
        configs: Mapping[str, str] | None = None,
        open_files_max: int = 512,
        disk_bytes_max: int = -1,
    ) -> Broker:
        """Open the log directory at `path`, which is made when it is missing.

        `configs` are broker configs under Kafka's names. A read-only broker takes no lock,
        changes nothing, and sees what a writer in another process appends.

        Raises:
            LockedError: another process writes to the directory; the message names it.
            InvalidConfigError: a config has an unknown name or a value out of its range.
            StorageError: the disk refuses.
        """
        files, clock = files or OsFiles(), clock or SystemClock()
        config = BrokerConfig(configs)
        policy = check_policy(flush)
        store = FileMetadataStore(MetadataFile(files, os.path.join(path, FILE_NAME)))
        log_dir = LogDir.open(
            path,
            files=files,
            clock=clock,
            configs=_Configs(store, config),
            read_only=read_only,
            open_files_max=open_files_max,
            disk_bytes_max=disk_bytes_max,
        )
        flush_threads = ThreadPoolExecutor(1, thread_name_prefix="millstream-flush")
        try:
            host = Host(
                log_dir=log_dir,
                store=store,
                image=_image(store, log_dir, config),
                config=config,
                clock=clock,
                flusher=Flusher(policy, flush_interval_ms, flush_threads),
                read_only=read_only,
            )
            _start_coordinators(host)
        except BaseException:
            log_dir.close()
            raise
        cleaner = None
        if not read_only:
            # A checkpoint syncs, which under "os" is left to the system.
            cleaner = Cleaner(log_dir, config, clock, checkpoints=policy != "os")
            cleaner.start()
        return cls(host, cleaner, flush_threads)

    def handle(self, request: Request[R]) -> Coroutine[Any, Any, R]:
        """Answer a request; to be awaited, and made so that no frame lies above the handler's.

        Raises:
            ClosedError: the broker is closed.
            InvalidRequestError: there is no such API.
        """
        if self._closed:
            raise ClosedError(f"the log at {self.host.path} is closed")
        handler = HANDLERS.get(type(request))
        if handler is None:
            raise InvalidRequestError(f"no API takes a {type(request).__name__}")
        return handler(self.host, request)

    async def close(self) -> None:
        """Answer those that wait, stop what runs beside, flush, close; twice is once."""
        if self._closed:
            return
        self._closed = True
        self.host.closing = True
        self.host.purgatory.wake_all()
        await self.host.groups.close()
        await self.host.transactions.close()
        if self.cleaner is not None:
            await self.cleaner.close()
        await self.host.flusher.close()
        await asyncio.sleep(0)  # parked fetches leave before their logs close
        self._flush_threads.shutdown(wait=True)
        self.host.log_dir.close()


def _start_coordinators(host: Host) -> None:
    """Let the coordinators go on from what their topics say."""
    config = host.config
    groups = host.groups = Shell(host, OFFSETS_TOPIC, GroupCoordinator(group_config(config)))
    host.on_topics_deleted = lambda gone: groups.append(groups.machine.delete_topics(gone))

    def tell_topics() -> None:
        groups.machine.consumers.topics = topics_of(host.image)

    tell_topics()
    host.on_topics_changed = tell_topics
    coordinator = TransactionCoordinator(transaction_config(config))
    host.transactions = TransactionShell(host, coordinator)
    groups.start()
    host.transactions.start()


class _Configs:
    """Tells storage each partition's config while it opens the directory.

    The image is loaded when first asked for: by then the directory is locked, and no writer
    before us can change it any more.
    """

    def __init__(self, store: FileMetadataStore, config: BrokerConfig) -> None:
        self._store = store
        self._config = config
        self._topics: dict[str, TopicImage] | None = None

    def __call__(self, partition: TopicPartition) -> LogConfig:
        if self._topics is None:
            image = self._store.load()
            self._topics = image.topics if image else {}
            if image is not None:
                self._config.adopt(image)
        topic = self._topics.get(partition.topic)
        return self._config.log_config(topic.configs if topic else {})


def _image(store: FileMetadataStore, log_dir: LogDir, config: BrokerConfig) -> MetadataImage:
    """Return what the log holds, which is begun under the node id that is given, if any."""
    node_id = config.node_id
    image = store.load()
    if image is None:
        image = _adopt(log_dir, node_id or 0)
        if not log_dir.read_only:
            store.save(image)
    elif node_id not in (None, image.node_id):
        raise InvalidConfigError(
            f"config node.id={node_id}: the log at {log_dir.path} is that of node {image.node_id}"
        )
    return image


def _adopt(log_dir: LogDir, node_id: int) -> MetadataImage:
    """Return the image that the directories themselves tell, for want of a metadata file."""
    found: dict[str, TopicImage] = {}
    for partition, log in sorted(log_dir.partitions.items()):
        before = found.get(partition.topic)
        found[partition.topic] = TopicImage(
            name=partition.topic,
            topic_id=log.topic_id or (before.topic_id if before else "") or uuid.uuid4().hex,
            partitions=max(partition.partition + 1, before.partitions if before else 0),
        )
    if found:
        logger.warning("%s had no %s: adopted %d topics", log_dir.path, FILE_NAME, len(found))
    return MetadataImage(cluster_id=_new_cluster_id(), node_id=node_id, topics=found)


def _new_cluster_id() -> str:
    """Return 22 characters of base64, as Kafka's tools make them: never with a dash in front."""
    while (cluster_id := base64.urlsafe_b64encode(uuid.uuid4().bytes)[:22].decode())[0] == "-":
        pass
    return cluster_id
