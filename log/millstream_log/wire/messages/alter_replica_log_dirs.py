"""AlterReplicaLogDirs (key 34): move partitions to other log directories of their broker.

Versions: 1 the same as 0; 2 flexible.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, String, api


class AlterReplicaLogDirPartitionResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one partition."""

    partition_index: Int32
    error_code: Error = ErrorCode.NONE


class AlterReplicaLogDirTopicResult(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an AlterReplicaLogDirsResponse."""

    topic_name: String
    partitions: list[AlterReplicaLogDirPartitionResult]


class AlterReplicaLogDirsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 34."""

    throttle_time_ms: Int32 = 0
    results: list[AlterReplicaLogDirTopicResult]


class AlterReplicaLogDirTopic(msgspec.Struct, kw_only=True, gc=False):
    """Partitions of one topic that shall move."""

    name: String
    partitions: list[Int32]


class AlterReplicaLogDir(msgspec.Struct, kw_only=True, gc=False):
    """What shall move to one directory."""

    path: String
    topics: list[AlterReplicaLogDirTopic]


class AlterReplicaLogDirsRequest(Request[AlterReplicaLogDirsResponse], kw_only=True, gc=False):
    """API key 34."""

    api: ClassVar[Api] = api(34, "AlterReplicaLogDirs", "0-2", 2, AlterReplicaLogDirsResponse)

    dirs: list[AlterReplicaLogDir]
