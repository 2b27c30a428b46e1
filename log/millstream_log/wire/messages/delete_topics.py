"""DeleteTopics (key 20): delete topics with their records.

Versions: 1 throttle time; 4 flexible; 5 error messages, may be refused by quota; 6 topics by
name or by id, in place of a list of names.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, String, Uuid, api


class DeletableTopicResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one topic."""

    name: Annotated[String | None, "null 6+"]  # None for an id that nobody knows
    topic_id: Annotated[Uuid, "6+"] = ""
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "5+ null"] = None


class DeleteTopicsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 20."""

    throttle_time_ms: Annotated[Int32, "1+"] = 0
    topics: list[DeletableTopicResult]


class DeleteTopicState(msgspec.Struct, kw_only=True, gc=False):
    """A topic by its name, or else by its id."""

    name: Annotated[String | None, "null"] = None
    topic_id: Uuid = ""


class DeleteTopicsRequest(Request[DeleteTopicsResponse], kw_only=True, gc=False):
    """API key 20."""

    api: ClassVar[Api] = api(20, "DeleteTopics", "0-6", 4, DeleteTopicsResponse)

    topics: Annotated[list[DeleteTopicState], "6+"] = []
    topic_names: Annotated[list[String], "0-5"] = []
    timeout_ms: Int32 = 30_000
