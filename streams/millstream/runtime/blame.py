"""Whose line it was: from a traceback through generated code to the user's own file."""

from __future__ import annotations

import os
import traceback

from ..errors import ProcessingError, Site
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
