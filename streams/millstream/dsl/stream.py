"""Streams: the verbs on a sequence of events.

Every verb returns a new stream and leaves the old one as it was. Wherever a callable is taken,
a field expression is taken too.

Invariants: a verb makes nodes and nothing else; a stream whose key was changed goes through a
repartition before anything that needs equal keys together.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from ..errors import TopologyError
from ..expressions import Expr, Field, path_of
from ..topology.node import (
    Column,
    FilterNode,
    FlatMapNode,
    FlatMapValuesNode,
    Function,
    JoinNode,
    MapNode,
    MapValuesNode,
    MergeNode,
    Node,
    PeekNode,
    RepartitionNode,
    SelectKeyNode,
    SinkNode,
    TableNode,
    Topic,
    describe_function,
)
from .grouped import Grouped
from .site import caller_site

TopicOf = Callable[[str | Topic], Topic]
"""How a flow finds the topic of a name: the app's own."""


class Stream:
    """An immutable stream of events: key, value, event time, headers."""

    def __init__(
        self, node: Node, flow: str, topic_of: TopicOf, *, key_changed: bool = False
    ) -> None:
        self._node = node
        self._flow = flow
        self._topic_of = topic_of
        self._key_changed = key_changed

    def _then(self, node: Node, *, key_changed: bool | None = None) -> Stream:
        changed = self._key_changed if key_changed is None else key_changed
        return Stream(node, self._flow, self._topic_of, key_changed=changed)

    @property
    def _at(self) -> tuple[tuple[Node, ...], Any, str]:
        return (self._node,), caller_site(), self._flow

    # Each event by itself --------------------------------------------------------------------

    def filter(self, predicate: Function) -> Stream:
        """Keep the events for whose value `predicate` holds."""
        return self._then(FilterNode(*self._at, predicate))

    def filter_not(self, predicate: Function) -> Stream:
        """Drop the events for whose value `predicate` holds."""
        return self.filter(_negate(predicate))

    def map_values(self, function: Function, *, returns: Any = None) -> Stream:
        """Replace each value by `function(value)`, or by a `row(...)`; the key stays.

        `returns` is the new value's type; by default the function's return annotation. A type
        lets the value cross a repartition topic and be read back as what it was.
        """
        node = MapValuesNode(*self._at, function, returns or return_type(function))
        return self._then(node)

    def map(
        self, function: Callable[[Any, Any], tuple[Any, Any]], *, returns: Any = None
    ) -> Stream:
        """Replace key and value by the pair `function(key, value)`."""
        return self._then(MapNode(*self._at, function, returns), key_changed=True)

    def flat_map(self, function: Callable[[Any, Any], Any], *, returns: Any = None) -> Stream:
        """Replace each event by the (key, value) pairs of `function(key, value)`."""
        return self._then(FlatMapNode(*self._at, function, returns), key_changed=True)

    def flat_map_values(self, function: Callable[[Any], Any], *, returns: Any = None) -> Stream:
        """Replace each event by one for each value of `function(value)`; the key stays."""
        return self._then(FlatMapValuesNode(*self._at, function, returns))

    def select_key(self, key: Function) -> Stream:
        """Give each event the key `key(value)`."""
        return self._then(SelectKeyNode(*self._at, key), key_changed=True)

    def peek(self, function: Callable[[Any], Any]) -> Stream:
        """Call `function(value)` for its effect and pass the event on."""
        return self._then(PeekNode(*self._at, function))

    def foreach(self, function: Callable[[Any], Any]) -> None:
        """Call `function(value)` for its effect and end here."""
        self.peek(function)

    # Several streams -------------------------------------------------------------------------

    def branch(self, **predicates: Function | bool) -> dict[str, Stream]:
        """Split by the first predicate that holds; `_=True` at the end takes the rest.

        An event for which none holds is dropped. Returns the branches under their names.
        """
        branches: dict[str, Stream] = {}
        rest = self
        for name, predicate in predicates.items():
            if isinstance(predicate, bool):
                branches[name] = rest
                break
            branches[name] = rest.filter(predicate)
            if name != next(reversed(predicates)):
                rest = rest.filter_not(predicate)
        return branches

    def merge(self, *others: Stream) -> Stream:
        """Take the events of this stream and of the others together."""
        parents = (self._node, *(other._node for other in others))
        changed = self._key_changed or any(other._key_changed for other in others)
        return self._then(MergeNode(parents, caller_site(), self._flow), key_changed=changed)

    def join(
        self, table: Table, *, on: Function | None = None, into: Function | None = None
    ) -> Stream:
        """Join each event with the table's value under its key; drop it where there is none.

        `on` is the key to look up when it is not the stream's own: the stream then goes to the
        partitions of that key. `into(left, right)`, or `row(...)` of L and R fields, makes the
        new value; by default the pair (left, right).
        """
        return self._join(table, "inner", on, into)

    def left_join(
        self, table: Table, *, on: Function | None = None, into: Function | None = None
    ) -> Stream:
        """Join as `join` does, with None as the right value where the table has none."""
        return self._join(table, "left", on, into)

    def _join(self, table: Table, how: str, on: Function | None, into: Function | None) -> Stream:
        if not isinstance(table, Table):
            raise TopologyError(
                f"{caller_site()}: join takes a table (app.table), not {type(table).__name__}"
            )
        parents, site, flow = self._at
        changed = self._key_changed
        if on is not None or changed:
            columns = () if on is None else (Column(None, on),)
            parents = (RepartitionNode(parents, site, flow, columns, table.node),)
        node = JoinNode((*parents, table.node), site, flow, table.node, how, into)
        return self._then(node, key_changed=False)

    # Together by key -------------------------------------------------------------------------

    def group_by(self, *columns: Function, **named: Function) -> Grouped:
        """Group by one or more columns of the value; named columns stand in the result's rows.

        A field expression has the name of its field. Events travel to the partition of their
        new key through an internal topic when there are several partitions.
        """
        if not columns and not named:
            raise TopologyError(f"{caller_site()}: group_by needs a column; or call group_all()")
        key = tuple(Column(_field_name(column), column) for column in columns)
        key += tuple(Column(name, column) for name, column in named.items())
        return Grouped(RepartitionNode(*self._at, key), self, tuple(c.name for c in key))

    def group_by_key(self) -> Grouped:
        """Group by the key the events have."""
        if self._key_changed:
            return Grouped(RepartitionNode(*self._at, ()), self, (None,))
        return Grouped(self._node, self, (None,))

    def group_all(self) -> Grouped:
        """Put all events into one group, in one partition."""
        column = Column(None, _all_key)
        return Grouped(RepartitionNode(*self._at, (column,)), self, ())

    # Out -------------------------------------------------------------------------------------

    def to(self, topic: str | Topic) -> Stream:
        """Write each event to a topic; returns this stream, to go on from."""
        SinkNode(*self._at, self._topic_of(topic))
        return self

    def __repr__(self) -> str:
        return f"<Stream {self._flow}: {self._node.operator} {self._node.detail}>"


class Table:
    """A topic read as a table: the last value of each key, in the partition of that key."""

    def __init__(self, node: TableNode) -> None:
        self.node = node

    def __repr__(self) -> str:
        return f"<Table {self.node.topic.name}>"


def _all_key(value: Any) -> str:
    return ""


def _field_name(column: Function) -> str | None:
    path = path_of(column) if isinstance(column, Field) else ()
    return path[-1] if path and isinstance(path[-1], str) else None


def _negate(predicate: Function) -> Function:
    if isinstance(predicate, Expr):
        return ~predicate

    def negated(value: Any) -> bool:
        return not predicate(value)

    negated.__name__ = f"not {describe_function(predicate)}"
    return negated


def return_type(function: Any) -> Any:
    """Return a function's annotated return type, or None where there is no usable one."""
    if isinstance(function, type):
        return function
    if not inspect.isfunction(function):
        return None
    try:
        return typing.get_type_hints(function).get("return")
    except (NameError, TypeError):
        return None
