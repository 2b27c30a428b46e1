"""The plan: the graph cut into subtopologies, checked, with its internal topics named.

    sources ─▶ … ─▶ Repartition ══ internal topic ══▶ … ─▶ Aggregate ─▶ Sink
    └───── subtopology "clicks" ─────┘          └── subtopology "views-page" ──┘

A subtopology has one task for each partition. A repartition costs nothing where there is one
partition on both sides: the key is changed in place and both halves are one subtopology.

Invariants: every node is in one subtopology; what is joined has equal partition counts; a
plan depends on the graph and on partition counts alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import TopologyError
from ..serde import msgpack
from .node import (
    AggregateNode,
    JoinNode,
    Node,
    RepartitionNode,
    SourceNode,
    TableNode,
    Topic,
    source_topic,
)
from .shape import Shapes, raw_origin

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")

PartitionsOf = Callable[[str], int]
"""Asks for the partition count of a topic by name."""


@dataclass
class Subtopology:
    """Nodes that run together; one task for each partition."""

    name: str
    nodes: list[Node] = field(default_factory=list)
    inlets: list[Node] = field(default_factory=list)  # repartitions of others whose topic is read
    partitions: int = 0
    # The topics that are read, with the nodes that take their events.
    topics: dict[str, list[Node]] = field(default_factory=dict)
    # The repartitions through which events leave.
    outlets: list[RepartitionNode] = field(default_factory=list)

    @property
    def sources(self) -> list[Node]:
        """Return the nodes at which events come in: sources, and repartitions of others."""
        return [n for n in self.nodes if isinstance(n, SourceNode)] + self.inlets

    @property
    def aggregates(self) -> list[AggregateNode]:
        """Return the aggregates, those upstream first."""
        return [node for node in self.nodes if isinstance(node, AggregateNode)]

    @property
    def has_stores(self) -> bool:
        """Whether the tasks keep aggregates or tables."""
        return any(isinstance(node, AggregateNode | TableNode) for node in self.nodes)

    @property
    def has_state(self) -> bool:
        """Whether the tasks keep something that must outlive them: a checkpoint at the least."""
        return self.has_stores or bool(self.outlets)


@dataclass
class Plan:
    """All subtopologies, upstream first, and the internal topics between them."""

    app: str
    subtopologies: list[Subtopology]
    internal: dict[str, int]  # topic name -> partitions

    def changelog(self, subtopology: Subtopology) -> str:
        """Return the name of a subtopology's changelog topic."""
        return f"{self.app}-{subtopology.name}-changelog"


def make_plan(app: str, nodes: list[Node], partitions_of: PartitionsOf) -> Plan:
    """Cut the graph of `nodes` (parents before children) into subtopologies.

    Raises TopologyError, naming file and line, for a stream that nobody consumes and for
    inputs of a join that are not copartitioned.
    """
    _check_ends(nodes)
    counts = _count_partitions(app, nodes, partitions_of)
    subtopologies = list(_cut(app, nodes, counts))
    _check_stores(subtopologies)
    internal = {
        node.topic.name: counts[node]
        for node in nodes
        if isinstance(node, RepartitionNode) and node.topic is not None
    }
    return Plan(app, _upstream_first(subtopologies), internal)


def _check_ends(nodes: Iterable[Node]) -> None:
    for node in nodes:
        if not node.children and not node.is_end:
            raise TopologyError(
                f"{node.site}: nobody consumes this stream ({node.operator} {node.detail}); "
                "end it with .to(topic), .foreach(function) or an aggregate"
            )


def _count_partitions(app: str, nodes: list[Node], partitions_of: PartitionsOf) -> dict[Node, int]:
    """Return each node's partition count, and name the topics of real repartitions."""
    counts: dict[Node, int] = {}
    names: set[str] = set()
    shapes = Shapes()
    for node in nodes:
        if isinstance(node, SourceNode):
            counts[node] = partitions_of(node.topic.name)
        elif isinstance(node, RepartitionNode):
            upstream = max(counts[parent] for parent in node.parents)
            target = counts[node.beside] if node.beside else upstream
            counts[node] = target
            node.topic = None
            if upstream > 1 or target > 1:
                node.topic = _repartition_topic(app, node, names, shapes)
        elif isinstance(node, JoinNode):
            counts[node] = _joined_count(node, counts)
        else:
            counts[node] = max(counts[parent] for parent in node.parents)
    return counts


def _joined_count(node: JoinNode, counts: dict[Node, int]) -> int:
    left, right = counts[node.parents[0]], counts[node.table]
    if left != right:
        raise TopologyError(
            f"{node.site}: the stream {_origin(node.parents[0])} has {left} partitions and the "
            f"table {node.table.topic.name} has {right}; equal keys would not meet. "
            "Name the key with on=, so that the stream is repartitioned to the table's"
        )
    return left


def _origin(node: Node) -> str:
    while node.parents:
        node = node.parents[0]
    return node.detail


def _repartition_topic(app: str, node: RepartitionNode, names: set[str], shapes: Shapes) -> Topic:
    columns = "-".join(c.name or "key" for c in node.columns) or "key"
    if node.beside:
        columns = node.beside.topic.name
    # A function or a field may be called what a topic may not.
    stem = _NOT_IN_NAMES.sub("-", f"{node.flow}-{columns}").strip("-")
    name, n = stem, 2
    while name in names:
        name, n = f"{stem}-{n}", n + 1
    names.add(name)
    origin = raw_origin(node.parents[0])
    return Topic(
        f"{app}-{name}-repartition",
        key=node.beside.topic.key if node.beside else Any,
        value=origin.value if origin else shapes.of(node).kind,
        codec=origin.codec if origin else msgpack,
        internal=True,
    )


def _is_cut(node: Node) -> bool:
    return isinstance(node, RepartitionNode) and node.topic is not None


def _cut(app: str, nodes: list[Node], counts: dict[Node, int]) -> Iterator[Subtopology]:
    """Yield the components that remain when real repartitions are cut.

    A repartition node stays with its upstream, which writes the topic; its children belong to
    the component that reads it. Nodes that read one topic belong together.
    """
    leader: dict[object, object] = {}

    def find(item: object) -> object:
        while leader.setdefault(item, item) is not item:
            item = leader[item]
        return item

    for node in nodes:
        if isinstance(node, SourceNode):
            leader[find(node)] = find(("topic", node.topic.name))
        for parent in node.parents:
            origin = ("inlet", parent) if _is_cut(parent) else parent
            leader[find(node)] = find(origin)
    groups: dict[object, Subtopology] = {}
    for node in nodes:
        group = groups.setdefault(find(node), Subtopology(""))
        group.nodes.append(node)
    for node in nodes:
        if isinstance(node, RepartitionNode) and node.topic is not None and node.children:
            groups[find(("inlet", node))].inlets.append(node)
    for group in groups.values():
        group.partitions = max(counts[node] for node in group.sources)
        group.name = _name(app, group)
        # Asked of the nodes now: another plan of the same graph may decide otherwise.
        group.outlets = [n for n in group.nodes if isinstance(n, RepartitionNode) and n.topic]
        for source in group.sources:
            group.topics.setdefault(source_topic(source).name, []).append(source)
        yield group


def _name(app: str, group: Subtopology) -> str:
    streams = [n for n in group.sources if not isinstance(n, TableNode)] or group.sources
    name = source_topic(streams[0]).name
    return name.removeprefix(f"{app}-").removesuffix("-repartition")


def _check_stores(subtopologies: Iterable[Subtopology]) -> None:
    seen: dict[str, AggregateNode] = {}
    for subtopology in subtopologies:
        for node in subtopology.aggregates:
            if node.name in seen:
                raise TopologyError(
                    f"{node.site}: the store name {node.name!r} is taken by the aggregate at "
                    f"{seen[node.name].site}; give one of them agg(name=...)"
                )
            seen[node.name] = node


def _upstream_first(subtopologies: list[Subtopology]) -> list[Subtopology]:
    """Sort so that whoever writes an internal topic comes before whoever reads it."""
    writers = {n.topic.name: s for s in subtopologies for n in s.outlets if n.topic is not None}
    ordered: list[Subtopology] = []
    seen: set[int] = set()

    def visit(subtopology: Subtopology) -> None:
        if id(subtopology) in seen:
            return
        seen.add(id(subtopology))
        for topic in subtopology.topics:
            if topic in writers:
                visit(writers[topic])
        ordered.append(subtopology)

    for subtopology in subtopologies:
        visit(subtopology)
    return ordered
