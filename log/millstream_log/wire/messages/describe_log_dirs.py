"""DescribeLogDirs (key 35): how much of which partition lies in which directory.

Versions: 2 flexible; 3 an error of the whole answer; 4 the size of the volume;
5 whether the directory is cordoned.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Int32, Int64, String, api


class LogDirPartition(msgspec.Struct, kw_only=True, gc=False):
    """How large one partition is on disk."""

    index: Int32
    size_bytes: Int64
    offset_lag: Int64 = 0  # records that a replica here has yet to take
    is_future: Bool = False  # on its way here from another directory


class LogDirTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic's partitions in a log directory."""

    name: String
    partitions: list[LogDirPartition]


class LogDirResult(msgspec.Struct, kw_only=True, gc=False):
    """One log directory."""

    error_code: Error = ErrorCode.NONE
    log_dir: String
    topics: list[LogDirTopic]
    total_bytes: Annotated[Int64, "4+"] = -1  # of the volume; -1 for unknown
    usable_bytes: Annotated[Int64, "4+"] = -1  # of the volume; -1 for unknown
    is_cordoned: Annotated[Bool, "5+"] = False  # new partitions go to others


class DescribeLogDirsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 35."""

    throttle_time_ms: Int32 = 0
    error_code: Annotated[Error, "3+"] = ErrorCode.NONE
    results: list[LogDirResult]


class DescribableLogDirTopic(msgspec.Struct, kw_only=True, gc=False):
    """Partitions of one topic to describe."""

    name: String
    partitions: list[Int32]


class DescribeLogDirsRequest(Request[DescribeLogDirsResponse], kw_only=True, gc=False):
    """API key 35: None asks for every topic."""

    api: ClassVar[Api] = api(35, "DescribeLogDirs", "0-5", 2, DescribeLogDirsResponse)

    topics: Annotated[list[DescribableLogDirTopic] | None, "null"] = None
