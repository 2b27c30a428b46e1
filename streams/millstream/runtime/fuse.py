"""The fused loop: everything between two points of a subtopology as one Python function.

    for k, v, t in events:                      one loop over a micro-batch
        if v.page != '/health':                 filter: the expression written out
            w = t - t % 60000                   window: arithmetic
            if w != w1: d1 = s1[w]; w1 = w      the window's dict, kept while it stays the same
            a = d1[k]                           the key's accumulator
            a.s0 += 1                           the aggregate

Each function comes twice: `fast`, for a batch in which nothing can be late or null, and
`strict`, which looks at each event. A lambda is called, an expression is written out.

Invariants: both give the same answer on a batch that `fast` may take; line n of the source
belongs to node `origins[n]`, so an error is told by the user's own line.
"""

from __future__ import annotations

import functools
import keyword
import linecache
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import TopologyError
from ..event import Windowed
from ..expressions import KEY_ROOT, LEFT, RIGHT, VALUE, Expr, Step, read_field
from ..serde import json, msgpack_serializer
from ..topology.node import (
    AggregateNode,
    FilterNode,
    FlatMapNode,
    FlatMapValuesNode,
    JoinNode,
    MapNode,
    MapValuesNode,
    MergeNode,
    Node,
    PeekNode,
    RepartitionNode,
    SelectKeyNode,
    SinkNode,
)
from ..topology.shape import UNKNOWN, Shape, Shapes, raw_origin, row_columns, shape_of_type

COLUMNS = ("k", "v", "t", "h", "r")
"""Key, value, event time, headers, raw value: what a loop may ask for of each event."""

NEVER = -(1 << 62)
"""The stream time before any record, and the event time of an accumulator that has none."""

Bindings = dict[Node, Any]
"""What a node works on at run time: an output's append, an aggregate's or a table's store."""


@dataclass(frozen=True)
class Env:
    """The names that hold the event at one place of the loop."""

    key: str
    value: str
    shape: Shape
    from_topic: bool = False  # the value is the topic's own, so null where the record's is
    is_raw: bool = False  # and its bytes may be passed on as they came
    left: str = ""
    right: str = ""
    right_shape: Shape = UNKNOWN


@dataclass
class Fused:
    """A generated function in its two bodies, and where its lines come from."""

    name: str
    columns: tuple[str, ...]
    source: str
    strict_source: str
    fast: Callable[..., None]
    strict: Callable[..., None]
    origins: dict[str, list[Node | None]] = field(default_factory=dict)  # by file name


class Fuser:
    """Writes the loop for one entry of a subtopology: a topic, or an aggregate's rows."""

    def __init__(
        self,
        name: str,
        shapes: Shapes,
        bindings: Bindings,
        stats: Any,
        take_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        """Take `take_failure` where an event that fails is left out: the loop then goes on."""
        self.name = name
        self._shapes = shapes
        self._bindings = bindings
        self._goes_on = take_failure is not None
        self._names: dict[str, Any] = {
            "_stats": stats, "_get": read_field, "Windowed": Windowed, "_failed": take_failure,
        }  # fmt: skip
        self._by_id: dict[int, str] = {}
        self._strict = False
        self._used: set[str] = set()
        self._lines: list[tuple[str, Node | None]] = []
        self._prologue: list[tuple[str, Node | None]] = []
        self._count = 0
        self._at: Node | None = None

    # Making the function -------------------------------------------------------------------

    def topic(self, entries: Sequence[Node]) -> Fused:
        """Return the loop over events of a topic; `entries` are the nodes that take them."""

        def body() -> None:
            for entry in entries:
                is_raw = raw_origin(entry) is not None
                env = Env("k", "v", self._shapes.of(entry), from_topic=True, is_raw=is_raw)
                self._children(entry, env, 2, apart=len(entries) > 1)

        return self._make(body, "events", lambda used: f"for {_tuple(used)} in events:")

    def rows(self, node: AggregateNode) -> Fused:
        """Return the loop over (key, accumulator) pairs of the aggregate's window at `w0`."""

        def body() -> None:
            self._write(2, f"v = {self._row(node)}", node)
            self._write(2, "t = a.at", node)
            key = "g"
            if node.windows:
                self._write(2, f"k = Windowed(g, w0, w0 + {node.windows.size_ms})", node)
                key = "k"
            self._write(2, "h = ()", node)
            self._children(node, Env(key, "v", self._shapes.of(node)), 2)

        return self._make(body, "items, w0", lambda used: "for g, a in items:")

    def _make(
        self, body: Callable[[], None], parameters: str, loop: Callable[[tuple[str, ...]], str]
    ) -> Fused:
        texts: dict[bool, str] = {}
        functions: dict[bool, Callable[..., None]] = {}
        origins: dict[str, list[Node | None]] = {}
        # The strict body asks for all the columns that the fast one does, so it is written first.
        self._used = {"t"}
        for self._strict in (True, False):
            self._lines, self._prologue, self._count = [], [], 0
            body()
            columns = tuple(c for c in COLUMNS if c in self._used)
            filename = f"<millstream {self.name}{' strict' if self._strict else ''}>"
            extra = ", own, others" if self._strict else ""
            lines = [(f"def process({parameters}{extra}):", None), *self._prologue]
            if self._strict:
                lines.append(("    T = own if own < others else others", None))
            lines.append((f"    {loop(columns)}", None))
            if self._strict and parameters == "events":
                lines.append(("        if t > own:", None))
                lines.append(("            own = t; T = own if own < others else others", None))
            lines += self._lines or [("        pass", None)]
            texts[self._strict] = "\n".join(line for line, _ in lines) + "\n"
            origins[filename] = [None, *(node for _, node in lines)]
            functions[self._strict] = self._compile(texts[self._strict], filename)
        return Fused(
            self.name,
            columns,
            texts[False],
            texts[True],
            functions[False],
            functions[True],
            origins,
        )

    def _compile(self, text: str, filename: str) -> Callable[..., None]:
        scope = dict(self._names)
        exec(compile(text, filename, "exec"), scope)
        linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
        function: Callable[..., None] = scope["process"]
        return function

    # Names ----------------------------------------------------------------------------------

    def _write(self, depth: int, line: str, node: Node | None) -> None:
        self._lines.append(("    " * depth + line, node))

    def _bind(self, line: str, node: Node) -> None:
        self._prologue.append(("    " + line, node))

    def _fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def _use(self, name: str) -> str:
        """Return a column's name and note that the loop needs it."""
        if name in COLUMNS:
            self._used.add(name)
        return name

    def name_for(self, thing: Any, stem: str = "f") -> str:
        """Return the global name under which the loop reaches an object."""
        known = self._by_id.get(id(thing))
        if known is None:
            known = f"{stem}_{len(self._by_id)}"
            self._by_id[id(thing)] = known
            self._names[known] = thing
        return known

    def constant(self, value: Any) -> str:
        """Return a literal where Python has one, else a name."""
        if value is None or type(value) in (bool, int, str, bytes):  # no enum: its repr is none
            return repr(value)
        return self.name_for(value, "c")

    def row(self, columns: tuple[str, ...]) -> str:
        """Return the name of a row class."""
        return self.name_for(self._shapes.row("Row", columns), "Row")

    # Expressions ----------------------------------------------------------------------------

    def _compiled(self, function: Any, env: Env, arguments: str = "") -> str:
        """Return Python for an expression, or for a call of anything else on the value."""
        if isinstance(function, Expr):
            return function.__source__(_Scope(self, env))
        self._use(env.value)
        return f"{self.name_for(function)}({arguments or env.value})"

    def read(self, env: Env, root: str, path: tuple[Step, ...]) -> str:
        """Return Python that reads a field; checks it against the class where that is known."""
        name, shape = {
            VALUE: (env.value, env.shape),
            KEY_ROOT: (env.key, UNKNOWN),
            LEFT: (env.left, env.shape),
            RIGHT: (env.right, env.right_shape),
        }[root]
        self._use(name)
        for step in path:
            names = shape.names
            if names is not None and step not in names:
                site = self._at.site if self._at else "?"
                raise TopologyError(
                    f"{site}: {shape.kind.__name__} has no field {step!r}; "
                    f"it has {', '.join(names)}"
                )
            name = _field_source(name, shape, step)
            shape = _field_shape(shape, step)
        return name

    # Nodes ----------------------------------------------------------------------------------

    def _children(self, node: Node, env: Env, depth: int, *, apart: bool = False) -> None:
        """Write what takes a node's events; `apart` when other events come after this one.

        Where an event that fails is left out, it fails in one branch and goes on in the others.
        """
        # A table's own events go to its store, not through the join.
        children = [c for c in node.children if not (isinstance(c, JoinNode) and c.table is node)]
        apart = self._goes_on and (apart or len(children) > 1)
        for child in children:
            self._at = child
            if apart:
                self._write(depth, "try:", child)
            self._node(child, env, depth + apart)
            if apart:
                self._write(depth, "except Exception as e: _failed(e)", child)

    def _node(self, node: Node, env: Env, depth: int) -> None:
        if isinstance(node, FilterNode):
            self._write(depth, f"if {self._compiled(node.predicate, env)}:", node)
            self._children_or_pass(node, env, depth + 1)
        elif isinstance(node, MapNode | FlatMapNode | FlatMapValuesNode | MapValuesNode):
            self._map(node, env, depth)
        elif isinstance(node, SelectKeyNode):
            key = self._fresh("k")
            self._write(depth, f"{key} = {self._compiled(node.function, env)}", node)
            self._children(node, replace(env, key=key), depth)
        elif isinstance(node, PeekNode):
            self._write(depth, self._compiled(node.function, env), node)
            self._children(node, env, depth)
        elif isinstance(node, MergeNode):
            self._children(node, replace(env, shape=self._shapes.of(node), is_raw=False), depth)
        elif isinstance(node, SinkNode):
            self._out(node, env.key, self._use(env.value), depth)
        elif isinstance(node, RepartitionNode):
            self._repartition(node, env, depth)
        elif isinstance(node, JoinNode):
            self._join(node, env, depth)
        elif isinstance(node, AggregateNode):
            self._aggregate(node, env, depth)
        else:
            raise AssertionError(f"no way to fuse {node.operator}")

    def _children_or_pass(self, node: Node, env: Env, depth: int, *, apart: bool = False) -> None:
        before = len(self._lines)
        self._children(node, env, depth, apart=apart)
        if len(self._lines) == before:
            self._write(depth, "pass", node)

    def _map(self, node: MapValuesNode, env: Env, depth: int) -> None:
        value = self._fresh("v")
        after = Env(env.key, value, self._shapes.of(node))
        pair = f"{self._use(env.key)}, {env.value}"
        if isinstance(node, MapNode | FlatMapNode):
            after = replace(after, key=self._fresh("k"))
            call = self._compiled(node.function, env, pair)
            words = ("for ", " in ", ":") if isinstance(node, FlatMapNode) else ("", " = ", "")
            self._write(depth, f"{words[0]}{after.key}, {value}{words[1]}{call}{words[2]}", node)
        elif isinstance(node, FlatMapValuesNode):
            self._write(depth, f"for {value} in {self._compiled(node.function, env)}:", node)
        else:
            self._write(depth, f"{value} = {self._compiled(node.function, env)}", node)
        if isinstance(node, FlatMapNode | FlatMapValuesNode):
            self._children_or_pass(node, after, depth + 1, apart=True)
        else:
            self._children(node, after, depth)

    def _out(self, node: Node, key: str, value: str, depth: int) -> None:
        out = self.name_for(self._bindings[node], "out")
        local = self._fresh("o")
        self._bind(f"{local} = {out}.append", node)
        for name in (key, "t", "h"):
            self._use(name)
        self._write(depth, f"{local}(({key}, {value}, t, h))", node)

    def _skip_null(self, name: str, node: Node, depth: int) -> None:
        """Begin the branch of events for which `name` is not None; the others are counted."""
        self._write(depth, f"if {self._use(name)} is None: _stats.skipped_null += 1", node)
        self._write(depth, "else:", node)

    def _skip_null_value(self, node: Node, env: Env, depth: int) -> int:
        """Skip null values where there can be any; return the depth to go on at.

        The fast body gets no null from a topic, and a row is never null.
        """
        if env.from_topic and not self._strict:
            return depth
        if not env.from_topic and env.shape.access == "struct":
            return depth
        self._skip_null(env.value, node, depth)
        return depth + 1

    def _repartition(self, node: RepartitionNode, env: Env, depth: int) -> None:
        key = env.key
        if node.columns:
            depth = self._skip_null_value(node, env, depth)
            parts = [self._compiled(column.function, env) for column in node.columns]
            key = self._fresh("k")
            value = parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
            self._write(depth, f"{key} = {value}", node)
        if node.topic is None:
            self._children(node, replace(env, key=key), depth)
            return
        if not node.keeps_null_keys:
            self._skip_null(key, node, depth)
            depth += 1
        packed = f"{self.name_for(msgpack_serializer, 'pack')}({self._use(env.value)})"
        self._out(node, key, self._use("r") if env.is_raw else packed, depth)

    def _join(self, node: JoinNode, env: Env, depth: int) -> None:
        table = self.name_for(self._bindings[node.table], "table")
        local, right = self._fresh("b"), self._fresh("p")
        self._bind(f"{local} = {table}.rows", node)
        key = self._use(env.key)
        depth = self._skip_null_value(node, env, depth)
        if node.how == "inner":
            self._skip_null(key, node, depth)
            depth += 1
        # The table has no row under None, so a left join finds none there.
        self._write(depth, f"{right} = {local}[{key}]", node)
        if node.how == "inner":
            self._write(depth, f"if {right} is not None:", node)
            depth += 1
        value = self._fresh("v")
        self._at = node
        sides = replace(
            env,
            left=env.value,
            right=right,
            right_shape=shape_of_type(node.table.topic.value),
        )
        pair = f"{self._use(env.value)}, {right}"
        made = f"({pair})" if node.into is None else self._compiled(node.into, sides, pair)
        self._write(depth, f"{value} = {made}", node)
        self._children(node, Env(env.key, value, self._shapes.of(node)), depth)

    # Aggregates -----------------------------------------------------------------------------

    def _aggregate(self, node: AggregateNode, env: Env, depth: int) -> None:
        store = self.name_for(self._bindings[node], "store")
        dirty = self._fresh("s")
        self._bind(f"{dirty} = {store}.dirty", node)
        self._use("t")
        self._skip_null(env.key, node, depth)
        depth = self._skip_null_value(node, env, depth + 1)
        if node.windows is None:
            local = self._fresh("d")
            self._bind(f"{local} = {dirty}[0]", node)
            self._add(node, env, f"{local}[{env.key}]", depth)
        elif node.windows.is_tumbling:
            self._tumbling(node, env, store, dirty, depth)
        else:
            self._hopping(node, env, store, dirty, depth)

    def _bound(self, node: AggregateNode, store: str, depth: int) -> None:
        assert node.windows is not None
        width = node.grace_ms + node.windows.size_ms - 1
        self._write(depth, f"c = T - {width}", node)
        self._write(depth, f"if c < {store}.closed_before: c = {store}.closed_before", node)

    def _late(self, node: AggregateNode, env: Env, store: str, depth: int) -> None:
        assert node.windows is not None
        self._write(depth, "_stats.late += 1", node)
        if node.late is None:
            return
        self._use("h")
        self._use(env.value)
        missed = self.name_for(functools.partial(late_header, node), "missed")
        event = f"{env.key}, {env.value}, t, (*h, {missed}(t, c))"
        self._write(depth, f"{store}.late_events.append(({event}))", node)

    def _tumbling(self, node: AggregateNode, env: Env, store: str, dirty: str, depth: int) -> None:
        assert node.windows is not None
        window, slots, at = self._fresh("w"), self._fresh("d"), "w"
        self._bind(f"{window} = None", node)
        self._write(depth, f"{at} = t - t % {node.windows.size_ms}", node)
        if self._strict:
            self._bound(node, store, depth)
            self._write(depth, f"if {at} < c:", node)
            self._late(node, env, store, depth + 1)
            self._write(depth, "else:", node)
            depth += 1
        line = f"if {at} != {window}: {slots} = {dirty}[{at}]; {window} = {at}"
        self._write(depth, line, node)
        self._add(node, env, f"{slots}[{env.key}]", depth)

    def _hopping(self, node: AggregateNode, env: Env, store: str, dirty: str, depth: int) -> None:
        windows = node.windows
        assert windows is not None
        latest = f"t - t % {windows.advance_ms}"
        if self._strict:
            self._bound(node, store, depth)
            self._write(depth, f"if {latest} < c:", node)
            self._late(node, env, store, depth + 1)
        steps = f"range({latest}, t - {windows.size_ms}, -{windows.advance_ms})"
        self._write(depth, f"for w in {steps}:", node)
        if self._strict:
            self._write(depth + 1, "if w < c: break", node)
        self._add(node, env, f"{dirty}[w][{env.key}]", depth + 1)

    def _add(self, node: AggregateNode, env: Env, accumulator: str, depth: int) -> None:
        updates: list[tuple[bool, list[str]]] = []
        for names, aggregator in slot_names(node):
            arguments = [self._compiled(x, env) for x in aggregator.arguments]
            if self._goes_on:  # whatever fails, fails before anything is touched
                for i, argument in enumerate(arguments):
                    arguments[i] = self._fresh("x")
                    self._write(depth, f"{arguments[i]} = {argument}", node)
            self._names.update(aggregator.constants())
            lines = aggregator.update([f"a.{n}" for n in names], arguments, "t")
            updates.append((aggregator.never_fails, lines))
        self._write(depth, f"a = {accumulator}", node)
        if self._goes_on:
            updates.sort(key=operator.itemgetter(0))  # and an update that fails, before the others
            self._write(depth, "try:", node)
        for _, lines in updates:
            for line in lines:
                self._write(depth + self._goes_on, line, node)
        if self._goes_on:
            self._write(depth, "except Exception:", node)
            self._write(depth + 1, f"if a.at == {NEVER}: del {accumulator}", node)
            self._write(depth + 1, "raise", node)
        self._write(depth, "if t > a.at: a.at = t", node)

    def _row(self, node: AggregateNode) -> str:
        values = ["w0"] if node.windows else []
        single = len(node.columns) == 1
        values += ["g" if single else f"g[{i}]" for i, name in enumerate(node.columns) if name]
        for names, aggregator in slot_names(node):
            self._names.update(aggregator.constants())
            values.append(aggregator.result([f"a.{n}" for n in names]))
        return f"{self.row(row_columns(node))}({', '.join(values)})"


def late_header(node: AggregateNode, time: int, closed_before: int) -> tuple[str, bytes]:
    """Return the header of a late event that says which windows it has missed, and by how much."""
    windows = node.windows
    assert windows is not None
    missed = {
        "aggregate": node.name,
        "windows": [[start, start + windows.size_ms] for start in sorted(windows.starts(time))],
        "grace_ms": node.grace_ms,
        "stream_time": closed_before + node.grace_ms + windows.size_ms - 1,
    }
    return "millstream-late", json.encode(missed)


class _Scope:
    """An expression's view of one place in the loop."""

    def __init__(self, fuser: Fuser, env: Env) -> None:
        self._fuser = fuser
        self._env = env

    def field(self, root: str, path: tuple[Step, ...]) -> str:
        """Return Python that reads a field."""
        return self._fuser.read(self._env, root, path)

    def constant(self, value: Any) -> str:
        """Return Python that stands for a constant."""
        return self._fuser.constant(value)

    def row(self, columns: tuple[str, ...]) -> str:
        """Return the name of a row class."""
        return self._fuser.row(columns)


def slot_names(node: AggregateNode) -> Iterable[tuple[list[str], Any]]:
    """Yield each aggregate with its fields of the accumulator: s0, s1 and so on."""
    n = 0
    for aggregator in node.aggregates.values():
        width = len(aggregator.slots())
        yield [f"s{i}" for i in range(n, n + width)], aggregator
        n += width


def _field_source(name: str, shape: Shape, step: Step) -> str:
    if isinstance(step, int):
        return f"{name}[{step}]"
    if shape.access == "struct":
        return f"getattr({name}, {step!r})" if keyword.iskeyword(step) else f"{name}.{step}"
    if shape.access == "mapping":
        return f"{name}[{step!r}]"
    return f"_get({name}, {step!r})"


def _field_shape(shape: Shape, step: Step) -> Shape:
    if shape.access == "mapping" or isinstance(step, int):
        return UNKNOWN
    annotations = getattr(shape.kind, "__annotations__", {})
    kind = annotations.get(step)
    return shape_of_type(kind) if isinstance(kind, type) else UNKNOWN


def _tuple(names: tuple[str, ...]) -> str:
    return f"({', '.join(names)},)" if len(names) == 1 else ", ".join(names)
