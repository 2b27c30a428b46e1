"""What is known of a value before it is there: how to read its fields, and which are read.

    struct   a class with fields: v.page        (a Record, a row of an aggregate)
    mapping  a dict: v["page"]                  (a topic without a value type)
    unknown  whatever a lambda returned: asked when it comes

Invariants: `fields_used` names every field of a source's value that anything downstream reads,
or ALL; so a decoder may leave out the rest and nothing can tell.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from ..event import row_type
from ..expressions import ALL, LEFT, VALUE, Expr, RowExpr
from ..serde import CUSTOM
from .node import (
    AggregateNode,
    FilterNode,
    JoinNode,
    MapNode,
    MapValuesNode,
    MergeNode,
    Node,
    PeekNode,
    RepartitionNode,
    SelectKeyNode,
    SourceNode,
    Topic,
    source_topic,
)


class Shape(NamedTuple):
    """How a value's fields are read, and the type it is decoded to when it crosses a topic."""

    access: str  # "struct", "mapping" or "unknown"
    kind: Any = Any

    @property
    def names(self) -> tuple[str, ...] | None:
        """Return the fields a struct has; None where they are not known."""
        return self.kind.__struct_fields__ if self.access == "struct" else None


UNKNOWN = Shape("unknown")


def shape_of_type(kind: Any) -> Shape:
    """Return the shape of values of a declared type."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return Shape("struct", kind)
    if kind is Any or typing.get_origin(kind) is dict or kind is dict:
        return Shape("mapping", kind)
    return Shape("unknown", kind)


class Shapes:
    """The shape of every node's value, worked out once for each node."""

    def __init__(self) -> None:
        self._known: dict[Node, Shape] = {}
        self._rows: dict[tuple[str, tuple[str, ...]], type[msgspec.Struct]] = {}

    def row(self, name: str, columns: tuple[str, ...]) -> type[msgspec.Struct]:
        """Return the one row class of this name and these columns."""
        key = (name, columns)
        if key not in self._rows:
            self._rows[key] = row_type(name, columns)
        return self._rows[key]

    def of(self, node: Node) -> Shape:
        """Return the shape of the values that leave `node`."""
        if node not in self._known:
            self._known[node] = self._find(node)
        return self._known[node]

    def _find(self, node: Node) -> Shape:
        if isinstance(node, SourceNode):
            return shape_of_type(node.topic.value)
        if isinstance(node, AggregateNode):
            return Shape("struct", self.row("Row", row_columns(node)))
        if isinstance(node, JoinNode):
            return self._made(node.into, None)
        if isinstance(node, MapValuesNode):
            return self._made(node.function, node.returns)
        if isinstance(node, MergeNode):
            shapes = {self.of(parent) for parent in node.parents}
            return shapes.pop() if len(shapes) == 1 else UNKNOWN
        return self.of(node.parents[0])

    def _made(self, function: Any, returns: Any) -> Shape:
        if isinstance(function, RowExpr):
            return Shape("struct", self.row("Row", tuple(function.columns)))
        return UNKNOWN if returns is None else shape_of_type(returns)


def row_columns(node: AggregateNode) -> tuple[str, ...]:
    """Return the columns of an aggregate's rows: window start, named key columns, results."""
    window = ("window_start_ms",) if node.windows else ()
    return (*window, *(name for name in node.columns if name), *node.aggregates)


def raw_origin(node: Node) -> Topic | None:
    """Return the topic whose bytes an event still is when it leaves `node`, or None.

    A repartition that takes such an event passes its bytes on without writing them anew; not
    those of a user's own `decode`, which may be slow and is not asked twice.
    """
    while isinstance(node, FilterNode | SelectKeyNode | PeekNode | RepartitionNode):
        if isinstance(node, RepartitionNode) and node.topic is not None:
            break
        node = node.parents[0]
    if not isinstance(node, SourceNode | RepartitionNode):
        return None
    topic = source_topic(node)
    return None if topic.codec is not None and topic.codec.name == CUSTOM else topic


def fields_of(function: Any, root: str = VALUE) -> frozenset[str] | None:
    """Return the fields of `root` that an expression reads; ALL for any other callable."""
    return function.__fields__(root) if isinstance(function, Expr) else ALL


def union(parts: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    """Return all names together, or ALL when one of the parts is."""
    names: frozenset[str] = frozenset()
    for part in parts:
        if part is ALL:
            return ALL
        names |= part
    return names


def fields_used(node: Node) -> frozenset[str] | None:
    """Return the fields of the value leaving `node` that its children and theirs read."""
    return union(_used_by(child) for child in node.children)


def _used_by(node: Node) -> frozenset[str] | None:
    if isinstance(node, FilterNode):
        return union((fields_of(node.predicate), fields_used(node)))
    if isinstance(node, SelectKeyNode):
        return union((fields_of(node.function), fields_used(node)))
    if isinstance(node, MergeNode):
        return fields_used(node)
    if isinstance(node, RepartitionNode):
        keys = union(fields_of(column.function) for column in node.columns)
        if node.topic is None:
            return union((keys, fields_used(node)))
        # A topic takes the bytes as they came: nothing more of the value is looked at here.
        return keys if raw_origin(node.parents[0]) else ALL
    if isinstance(node, AggregateNode):
        if node.late is not None:
            return ALL
        return union(fields_of(x) for agg in node.aggregates.values() for x in agg.arguments)
    if isinstance(node, JoinNode):
        return fields_of(node.into, LEFT) if node.into is not None else ALL
    if isinstance(node, MapValuesNode) and not isinstance(node, MapNode):
        return fields_of(node.function)
    return ALL
