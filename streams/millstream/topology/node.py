"""The graph as values: one class for each thing a node can do.

    Source ──▶ Filter ──▶ Repartition ══▶ Aggregate ──▶ Sink
                 (══▶ may run through an internal topic and end a subtopology)

Invariants: a node's parents are fixed when it is made, so the graph has no circle; `children`
is filled by its children alone; a node knows the line of the user's file that made it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..errors import Site
from ..expressions import Expr
from ..operators.aggregate import Aggregator
from ..serde import Codec
from ..windows import Windows

Function = Callable[..., Any] | Expr


@dataclass(frozen=True)
class Policy:
    """What happens to a record that fails: stop, leave it out, or set it aside in a topic."""

    action: str  # "fail", "skip" or "dead_letter"
    topic: str = ""


FAIL = Policy("fail")
SKIP = Policy("skip")


def fail() -> Policy:
    """Stop the app at the first record that fails; its offset is not committed."""
    return FAIL


def skip() -> Policy:
    """Leave a record that fails out, and count it.

    It is left out from the operator on at which it failed; other flows and branches have it.
    """
    return SKIP


def dead_letter(topic: str) -> Policy:
    """Put a record that fails into `topic`, with headers that say where and why.

    The record is as it came: bytes, time, headers. A result that cannot be written is set aside
    as its text, and a row at which an operator fails as its accumulator, under the row's key.
    """
    return Policy("dead_letter", topic)


@dataclass(eq=False)
class Topic:
    """A topic as the app sees it: its types, codec, event time, and what to do with bad bytes."""

    name: str
    key: Any = str
    value: Any = Any
    codec: Codec | None = None  # None: read JSON or msgpack, write the app's default
    timestamp: Function | None = None  # event time in ms from the value; None: the record's own
    partitions: int | None = None  # when created; None: the app's default
    configs: dict[str, str] = field(default_factory=dict)
    on_decode_error: Policy | None = None
    internal: bool = False
    owner: Any = None  # the app that makes tables and reads of it


@dataclass(eq=False)
class Node:
    """The base of nodes."""

    parents: tuple[Node, ...]
    site: Site
    flow: str  # the name of the stream function the node belongs to
    children: list[Node] = field(default_factory=list, init=False)
    order: int = field(default_factory=itertools.count().__next__, init=False)

    def __post_init__(self) -> None:
        for parent in self.parents:
            parent.children.append(self)

    @property
    def operator(self) -> str:
        """Return the verb that made the node."""
        name = type(self).__name__.removesuffix("Node")
        return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")

    @property
    def detail(self) -> str:
        """Return what a description shows beside the verb."""
        return ""

    @property
    def is_end(self) -> bool:
        """Whether a flow may stop here: the node has an effect of its own."""
        return False


@dataclass(eq=False)
class SourceNode(Node):
    """Events of a topic."""

    topic: Topic

    @property
    def detail(self) -> str:
        """Name the topic."""
        return self.topic.name


@dataclass(eq=False)
class TableNode(SourceNode):
    """A topic read as a table: the last value of each key; a null value deletes."""

    @property
    def is_end(self) -> bool:
        """A table may stand for itself."""
        return True


@dataclass(eq=False)
class FilterNode(Node):
    """Only events for which the predicate holds."""

    predicate: Function

    @property
    def detail(self) -> str:
        """Show the predicate."""
        return describe_function(self.predicate)


@dataclass(eq=False)
class MapValuesNode(Node):
    """Another value for each event."""

    function: Function
    returns: Any = None

    @property
    def detail(self) -> str:
        """Show the function."""
        return describe_function(self.function)


@dataclass(eq=False)
class MapNode(MapValuesNode):
    """Another key and value: function(key, value) -> (key, value)."""


@dataclass(eq=False)
class FlatMapNode(MapValuesNode):
    """Any number of pairs: function(key, value) -> iterable of (key, value)."""


@dataclass(eq=False)
class FlatMapValuesNode(MapValuesNode):
    """Any number of values: function(value) -> iterable of values."""


@dataclass(eq=False)
class SelectKeyNode(Node):
    """Another key for each event, from its value."""

    function: Function

    @property
    def detail(self) -> str:
        """Show the function."""
        return describe_function(self.function)


@dataclass(eq=False)
class PeekNode(Node):
    """Call a function with each value and pass the event on."""

    function: Function

    @property
    def is_end(self) -> bool:
        """A call is an effect."""
        return True


@dataclass(eq=False)
class MergeNode(Node):
    """Events of several streams."""


@dataclass(eq=False)
class SinkNode(Node):
    """Write each event to a topic."""

    topic: Topic

    @property
    def detail(self) -> str:
        """Name the topic."""
        return self.topic.name

    @property
    def is_end(self) -> bool:
        """A sink is an end."""
        return True


@dataclass(frozen=True)
class Column:
    """One column of a group's key; `name` is None where the expression has none."""

    name: str | None
    function: Function


@dataclass(eq=False)
class RepartitionNode(Node):
    """Events under a new key, in the partition where that key lives.

    Runs through an internal topic when there is more than one partition on either side.
    """

    columns: tuple[Column, ...]  # empty: the key the event has
    beside: TableNode | None = None  # the table it must be copartitioned with
    topic: Topic | None = None  # set by the plan when it really runs through one

    @property
    def keeps_null_keys(self) -> bool:
        """Whether an event without a key goes on: a left join finds nothing for it."""
        return any(isinstance(child, JoinNode) and child.how == "left" for child in self.children)

    @property
    def detail(self) -> str:
        """Show the key."""
        key = ", ".join(c.name or describe_function(c.function) for c in self.columns)
        through = f" through {self.topic.name}" if self.topic else ""
        return f"by {key or 'key'}{through}"


@dataclass(eq=False)
class JoinNode(Node):
    """Each event with the table's value under the event's key."""

    table: TableNode
    how: str  # "inner" or "left"
    into: Function | None

    @property
    def detail(self) -> str:
        """Name the table."""
        return f"{self.how} {self.table.topic.name}"


@dataclass(eq=False)
class AggregateNode(Node):
    """Aggregates for each key, and for each window when it has windows."""

    name: str  # of the store, unique in the app
    columns: tuple[str | None, ...]  # names of the key's columns, for the row
    aggregates: dict[str, Aggregator]
    windows: Windows | None = None
    grace_ms: int = 0
    late: Topic | None = None
    emit: str = "current"  # or "final"

    @property
    def detail(self) -> str:
        """Show aggregates and windows."""
        names = ", ".join(self.aggregates)
        over = f" over {self.windows}, grace {self.grace_ms} ms" if self.windows else ""
        return f"{names}{over}, {self.emit}"

    @property
    def is_end(self) -> bool:
        """An aggregate keeps its answer in a store."""
        return True

    @property
    def schema(self) -> str:
        """Return the text by which a store knows that it is this aggregate's."""
        kinds = ",".join(f"{name}:{agg.name}" for name, agg in self.aggregates.items())
        key = ",".join(name or "key" for name in self.columns)
        return f"{kinds}|by {key}|{self.windows or 'no windows'}|{self.emit}"


def source_topic(node: Node) -> Topic:
    """Return the topic a node at the start of a subtopology reads."""
    if isinstance(node, SourceNode):
        return node.topic
    if isinstance(node, RepartitionNode) and node.topic is not None:
        return node.topic
    raise AssertionError(f"{node.operator} reads no topic")


def describe_function(function: Any) -> str:
    """Return an expression as it was written, or a callable's name."""
    if isinstance(function, Expr):
        return repr(function)
    return getattr(function, "__name__", type(function).__name__)


def reachable(sources: Iterable[Node]) -> list[Node]:
    """Return the sources and all nodes downstream of them, parents before children."""
    found: set[Node] = set()
    waiting = list(sources)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.children
    return sorted(found, key=lambda node: node.order)
