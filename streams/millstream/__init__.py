"""Millstream: stream processing for Python with its log built in.

>>> import millstream as ms
>>> app = ms.App("demo", log="memory://demo")
"""

from .app import App
from .errors import (
    DeserializationError,
    ProcessingError,
    ProductionError,
    StateStoreError,
    StreamsError,
    TopologyError,
)
from .event import Event, Record, Windowed
from .expressions import KEY, F, L, R, apply, is_in, is_null, row
from .operators.aggregate import (
    aggregate,
    count,
    count_distinct,
    first,
    last,
    max,
    mean,
    min,
    sum,
    top_k,
)
from .topology.node import dead_letter, fail, skip
from .windows import hopping, tumbling

__all__ = [
    "App", "Record", "Event", "Windowed",
    "F", "KEY", "L", "R", "row", "is_null", "is_in", "apply",
    "count", "sum", "min", "max", "mean", "first", "last", "count_distinct", "top_k", "aggregate",
    "tumbling", "hopping",
    "fail", "skip", "dead_letter",
    "StreamsError", "TopologyError", "DeserializationError", "ProcessingError",
    "ProductionError", "StateStoreError",
]  # fmt: skip
