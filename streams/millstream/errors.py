"""Every error the streams raise: at build, at a record, at the state, at ownership."""

from __future__ import annotations

from typing import NamedTuple


class Site(NamedTuple):
    """A place in the user's own code."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class StreamsError(Exception):
    """The root of every error the stream layer raises on purpose."""


class TopologyError(StreamsError):
    """The user's graph is wrong; found when the app is built, named by file and line."""


class RecordError(StreamsError):
    """Something went wrong at one record; the message says which, where and why.

    `topic`, `partition` and `offset` name the record, `operator` the step, `site` the line of
    the user's file.
    """

    def __init__(
        self,
        message: str,
        *,
        topic: str = "",
        partition: int = -1,
        offset: int = -1,
        operator: str = "",
        site: Site | None = None,
    ) -> None:
        super().__init__(message)
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.operator = operator
        self.site = site


class DeserializationError(RecordError):
    """A record's bytes are not what its topic's type says."""


class ProcessingError(RecordError):
    """An operator failed at a record."""


class ProductionError(RecordError):
    """A result could not be encoded or was refused by the log."""


class StateStoreError(StreamsError):
    """A state store cannot be opened, or holds another schema than the app's."""


class TaskMigratedError(StreamsError):
    """Another instance owns the task now; nobody's bug."""
