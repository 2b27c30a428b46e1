"""Where the metadata image lies between one life of the log and the next.

    {"version": 1, "cluster_id": "...", "node_id": 0,
     "topics": [{"name": "clicks", "topic_id": "...", "partitions": 4, "configs": {...}}],
     "producer_ids_end": 1000, "broker_configs": {"": {"log.retention.ms": "..."}}}

Invariants: the file is replaced whole or not at all; a file of a newer version is refused rather
than half understood. In a cluster the controller's log takes this file's place.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from ..errors import CorruptRecordError
from .image import MetadataImage, TopicImage

FILE_NAME = "metadata.json"
VERSION = 1


class MetadataStore(Protocol):
    """Keeps one image."""

    def load(self) -> MetadataImage | None:
        """Return the image saved last, or None when there is none."""
        ...

    def save(self, image: MetadataImage) -> None:
        """Keep `image`; when this returns it outlives a crash."""
        ...


class ReplaceableFile(Protocol):
    """A file that is read whole and replaced whole."""

    def read(self) -> bytes | None:
        """Return the content, or None when there is no file."""
        ...

    def replace(self, data: bytes) -> None:
        """Give the file this content in one step that outlives a crash."""
        ...


class _Stored(msgspec.Struct):
    version: int
    cluster_id: str
    node_id: int
    topics: list[TopicImage]
    producer_ids_end: int = 0
    broker_configs: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)


class FileMetadataStore:
    """The image as a JSON file."""

    def __init__(self, file: ReplaceableFile) -> None:
        self._file = file
        self._seen: tuple[bytes, MetadataImage] | None = None

    def load(self) -> MetadataImage | None:
        """Return the image saved last; the same object as long as the file is the same."""
        data = self._file.read()
        if data is None:
            return None
        if self._seen is not None and self._seen[0] == data:
            return self._seen[1]
        try:
            stored = msgspec.json.decode(data, type=_Stored)
        except msgspec.DecodeError as error:
            raise CorruptRecordError(f"{FILE_NAME}: {error}") from error
        if stored.version != VERSION:
            raise CorruptRecordError(f"{FILE_NAME} has version {stored.version}, known: {VERSION}")
        image = MetadataImage(
            cluster_id=stored.cluster_id,
            node_id=stored.node_id,
            topics={topic.name: topic for topic in stored.topics},
            producer_ids_end=stored.producer_ids_end,
            broker_configs=stored.broker_configs,
        )
        self._seen = (data, image)
        return image

    def save(self, image: MetadataImage) -> None:
        """Replace the file."""
        stored = _Stored(
            version=VERSION,
            cluster_id=image.cluster_id,
            node_id=image.node_id,
            topics=list(image.topics.values()),
            producer_ids_end=image.producer_ids_end,
            broker_configs=image.broker_configs,
        )
        data = msgspec.json.format(msgspec.json.encode(stored), indent=1)
        self._file.replace(data)
        self._seen = (data, image)
