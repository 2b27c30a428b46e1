"""DescribeLogDirs (key 35): what lies in the log directory, and what its volume holds."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from ...errors import LogError
from ...wire.messages.describe_log_dirs import (
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    LogDirPartition,
    LogDirResult,
    LogDirTopic,
)
from ..host import Host

_UNKNOWN = -1


async def describe_log_dirs(host: Host, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse:
    """Say how large each partition is on the disk; those that are not here are left out."""
    wanted: list[tuple[str, Iterable[int]]]
    if request.topics is None:
        topics = host.image.topics.values()
        wanted = [(topic.name, range(topic.partitions)) for topic in topics]
    else:
        wanted = [(topic.name, dict.fromkeys(topic.partitions)) for topic in request.topics]
    described = [
        LogDirTopic(name=name, partitions=partitions)
        for name, indexes in sorted(wanted, key=lambda topic: topic[0])
        if (partitions := _measure(host, name, indexes))
    ]
    total, usable = _volume(host.path)
    return DescribeLogDirsResponse(
        results=[
            LogDirResult(
                log_dir=host.log_dirs, topics=described, total_bytes=total, usable_bytes=usable
            )
        ]
    )


def _measure(host: Host, name: str, indexes: Iterable[int]) -> list[LogDirPartition]:
    found = []
    for index in indexes:
        try:
            partition = host.partition(name, index)
            if host.read_only:
                host.refresh_partition(partition)
        except LogError:  # not here, or not to be opened: it has no size
            continue
        found.append(LogDirPartition(index=index, size_bytes=partition.log.size_bytes))
    return found


def _volume(path: str) -> tuple[int, int]:
    """Return the bytes of the volume, and those that are free on it."""
    try:
        usage = shutil.disk_usage(path)
    except OSError:  # files in memory have none
        return _UNKNOWN, _UNKNOWN
    return usage.total, usage.free
