"""Grouped and windowed streams: the verbs after group_by, up to an aggregate.

stream.group_by(F.page) ─▶ Grouped ─▶ .window(tumbling("1m")) ─▶ Windowed ─▶ .agg(...) ─▶ Aggregated
                                   └▶ .agg(...) ───────────────────────────────────────────────▲
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import TopologyError
from ..operators.aggregate import Aggregator, count
from ..topology.node import AggregateNode, Node, Topic
from ..windows import Duration, Windows, duration_ms
from .site import caller_site

if TYPE_CHECKING:
    from .stream import Stream


class Grouped:
    """Events whose equal keys are together in one partition."""

    def __init__(self, node: Node, stream: Stream, columns: tuple[str | None, ...]) -> None:
        self._node = node
        self._stream = stream
        self._columns = columns
        self._windows: Windows | None = None
        self._grace_ms = 0
        self._late: Topic | None = None

    def window(self, windows: Windows, grace: Duration = 0) -> Windowed:
        """Aggregate by window; a window takes events until `grace` after its end."""
        grace_ms = duration_ms(grace)
        if grace_ms < 0:
            raise TopologyError(f"{caller_site()}: grace of {grace_ms} ms: it is at least 0")
        return Windowed(self, windows, grace_ms)

    def count(self, *, name: str | None = None) -> Aggregated:
        """Count the events of each key."""
        return self.agg(name=name, count=count())

    def agg(self, *, name: str | None = None, **aggregates: Aggregator) -> Aggregated:
        """Keep several aggregates in one pass; each is a field of the result's row.

        `name` names the store, so that its state is found again when the flow is changed
        around it; by default it is made of the function's name and the fields'.
        """
        site = caller_site()
        if not aggregates:
            raise TopologyError(f"{site}: agg needs at least one aggregate: agg(hits=ms.count())")
        for field, aggregator in aggregates.items():
            if not isinstance(aggregator, Aggregator):
                raise TopologyError(
                    f"{site}: {field}={aggregator!r} is no aggregate; use ms.count(), ms.sum(...)"
                )
        names = [*(["window_start_ms"] if self._windows else []), *filter(None, self._columns)]
        for field in (*names, *aggregates):
            if not field.isidentifier():
                raise TopologyError(
                    f"{site}: {field!r} is no name for a row's column; give it one: "
                    "group_by(name=F[...])"
                )
            if (*names, *aggregates).count(field) > 1:
                raise TopologyError(
                    f"{site}: a row would have two columns named {field!r}; give one of them "
                    "another name: group_by(name=F.x), agg(name=...)"
                )
        flow = self._stream._flow
        node = AggregateNode(
            (self._node,),
            site,
            flow,
            name or "-".join((flow, *aggregates)),
            self._columns,
            aggregates,
            self._windows,
            self._grace_ms,
            self._late,
        )
        return Aggregated(node, self._stream)


class Windowed(Grouped):
    """Grouped events by window."""

    def __init__(self, grouped: Grouped, windows: Windows, grace_ms: int) -> None:
        super().__init__(grouped._node, grouped._stream, grouped._columns)
        self._windows = windows
        self._grace_ms = grace_ms

    def late(self, topic: str | Topic) -> Windowed:
        """Send events that come when all their windows are closed to `topic`, once each.

        The header ``millstream-late`` says, as JSON, which windows an event has missed.
        """
        self._late = self._stream._topic_of(topic)
        return self


class Aggregated:
    """The results of an aggregate, a row for each key (and window): a table.

    `current()` and `final()` say when a row goes out; the verbs of a stream, called here
    directly, mean those of `current()`.
    """

    def __init__(self, node: AggregateNode, stream: Stream) -> None:
        self._node = node
        self._stream = stream
        self._is_used = False

    def current(self) -> Stream:
        """Emit rows as they change, at most once for each key and commit."""
        return self._emitted("current")

    def final(self) -> Stream:
        """Emit each window's row once, when the window has closed."""
        if self._node.windows is None:
            raise TopologyError(
                f"{caller_site()}: final() needs windows, since only a window ever closes; "
                "call .window(...) before agg, or .current()"
            )
        return self._emitted("final")

    def _emitted(self, emit: str) -> Stream:
        if self._node.emit != emit and self._is_used:
            raise TopologyError(
                f"{caller_site()}: the rows of this aggregate go out as {self._node.emit}() "
                f"already; for {emit}() too, make a second one with agg"
            )
        self._is_used = True
        self._node.emit = emit
        return self._stream._then(self._node, key_changed=False)

    def __getattr__(self, verb: str) -> Any:
        if verb.startswith("_"):
            raise AttributeError(verb)
        return getattr(self.current(), verb)
