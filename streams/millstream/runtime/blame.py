"""Whose line it was: from a traceback through generated code to the user's own file."""

from __future__ import annotations

import os
import traceback

from millstream_log.model import Header

from ..errors import ProcessingError, RecordError, Site
from ..topology.node import Node
from .fuse import Fused

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def processing_error(
    exc: Exception, fused: Fused, topic: str, partition: int, offset: int
) -> ProcessingError:
    """Return the error that names operator, user's line and record; the caller chains `exc`."""
    node: Node | None = None
    site: Site | None = None
    for frame, line in traceback.walk_tb(exc.__traceback__):
        filename = frame.f_code.co_filename
        origins = fused.origins.get(filename)
        if origins is not None:
            node = origins[line] if line < len(origins) else None
            site = node.site if node is not None else None
        elif node is not None and not filename.startswith(_HERE):
            # The last line of the user's own code that the operator called.
            site = Site(filename, line)
    operator = node.operator if node is not None else "source"
    where = f"{topic}-{partition} offset {offset}" if offset >= 0 else f"a row of {topic}"
    return ProcessingError(
        f"{type(exc).__name__}: {exc}, in {operator} at {site or 'an unknown line'}, on {where}",
        topic=topic,
        partition=partition,
        offset=offset,
        operator=operator,
        site=site,
    )


def dead_letter_headers(error: RecordError, partition: int) -> list[Header]:
    """Return what is added to the headers of a dead letter: where it failed, and why.

    One without an offset was no record yet: a result, or a row of an aggregate.
    """
    where = {
        "topic": error.topic,
        "partition": partition,
        "offset": error.offset if error.offset >= 0 else "",
        "operator": error.operator,
        "error": error,
    }
    return [(f"millstream-{k}", str(v).encode()) for k, v in where.items() if v != ""]
