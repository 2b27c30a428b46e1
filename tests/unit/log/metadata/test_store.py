from __future__ import annotations

import pytest

from millstream_log.errors import CorruptRecordError
from millstream_log.metadata.image import ALL_BROKERS, MetadataImage, TopicImage
from millstream_log.metadata.store import FileMetadataStore


class OneFile:
    def __init__(self) -> None:
        self.data: bytes | None = None

    def read(self) -> bytes | None:
        return self.data

    def replace(self, data: bytes) -> None:
        self.data = data


IMAGE = (
    MetadataImage(cluster_id="c" * 32)
    .with_topic(
        TopicImage(name="t", topic_id="a" * 32, partitions=3, configs={"retention.ms": "5"})
    )
    .with_broker_configs(ALL_BROKERS, {"log.retention.ms": "6"})
)


def test_what_was_saved_is_loaded_by_another_store() -> None:
    """An image survives the way through the file."""
    file = OneFile()
    FileMetadataStore(file).save(IMAGE)
    assert FileMetadataStore(file).load() == IMAGE


def test_no_file_is_no_image() -> None:
    """A directory that was never used has no image, and that is no error."""
    assert FileMetadataStore(OneFile()).load() is None


def test_an_unchanged_file_gives_the_same_object() -> None:
    """A reader that looks often can tell by identity that nothing is new."""
    file = OneFile()
    FileMetadataStore(file).save(IMAGE)
    store = FileMetadataStore(file)
    assert store.load() is store.load()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"version": 1}'])
def test_bytes_that_are_no_image_are_corrupt(data: bytes) -> None:
    """A damaged file is refused with the name of the file."""
    file = OneFile()
    file.data = data
    with pytest.raises(CorruptRecordError, match=r"metadata\.json"):
        FileMetadataStore(file).load()


def test_a_newer_version_is_refused() -> None:
    """A file of a later release is not half understood."""
    file = OneFile()
    file.data = b'{"version": 9, "cluster_id": "", "node_id": 0, "topics": []}'
    with pytest.raises(CorruptRecordError, match="version 9"):
        FileMetadataStore(file).load()


def test_images_change_by_being_made_anew() -> None:
    """Adding and removing a topic leaves the image before it as it was."""
    without = IMAGE.without_topic("t")
    assert not without.topics
    assert list(IMAGE.topics) == ["t"]
    assert IMAGE.by_id("a" * 32) == IMAGE.topics["t"]
    assert IMAGE.by_id("b" * 32) is None
