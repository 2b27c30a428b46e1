"""The app: topics, tables, flows and agents under one name, and how they are run.

    app = ms.App("clicks", log="./data")        topics, tables ─▶ @app.stream / @app.agent
    app.run(until="end")                        plan ─▶ topics made ─▶ tasks restored ─▶ loop

Invariants: a flow is built once, when it is decorated; an existing topic is never altered.
"""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from . import serde
from .dsl.site import caller_site
from .dsl.stream import Stream, Table
from .errors import Site, TopologyError
from .event import Event
from .expressions import F
from .serde import Codec
from .topology.describe import describe, mermaid
from .topology.node import FAIL, Node, Policy, SourceNode, TableNode, Topic, reachable
from .topology.plan import Plan, make_plan
from .windows import Duration, duration_ms

if TYPE_CHECKING:
    from .runtime.worker import Report
    from .testing import TestDriver

FlowFunction = TypeVar("FlowFunction", bound=Callable[..., Any])
AgentFunction = Callable[[AsyncIterator[Event]], Awaitable[None]]


class AgentSpec(NamedTuple):
    """An agent as it was declared."""

    name: str
    topic: Topic
    function: AgentFunction


class App:
    """An app by name; its name is also its consumer group and the stem of its own topics.

    Args:
        name: letters, digits, ``.``, ``_`` and ``-``.
        log: a directory, ``memory://name``, or another URL that a log face knows.
        flush: ``"ack"``, ``"interval"`` or ``"os"``; the log's own default when None.
        partitions: how many partitions a topic gets that the app creates.
        commit_interval: how often outputs, state and positions are committed.
        idle_timeout: how long a silent partition holds stream time back (wall clock).
        state: ``"rocksdb"`` (on disk) or ``"memory"``; what is truth is in the changelog topic.
        state_dir: where RocksDB keeps its files; by default below the log's directory, and for a
            log that is elsewhere (`kafka://`) below ./data/.state.
        codec: how values are written where a topic does not say: ``"msgpack"`` or ``"json"``.
        on_error: what happens to an event at which an operator fails, and to a result that cannot
            be encoded.
        on_decode_error: what happens to a record whose bytes are not its topic's type.
        topic_configs: configs of the topics that the app creates, below those of the topic itself.
            They keep everything unless one of the two says otherwise, since results carry event
            times, which may be long past.
        cached_max: how many accumulators and rows a task keeps in memory beside its store.
    """

    def __init__(
        self,
        name: str,
        log: str | Path = "./data",
        *,
        flush: Literal["ack", "interval", "os"] | None = None,
        partitions: int = 1,
        commit_interval: Duration = "500ms",
        idle_timeout: Duration = "5s",
        state: Literal["rocksdb", "memory"] = "rocksdb",
        state_dir: str | Path | None = None,
        codec: Literal["msgpack", "json"] = "msgpack",
        on_error: Policy = FAIL,
        on_decode_error: Policy = FAIL,
        topic_configs: dict[str, str] | None = None,
        cached_max: int = 100_000,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", name):
            raise TopologyError(
                f"app name {name!r}: it is part of topic names, so it has 1 to 200 letters, "
                "digits, '.', '_' and '-'"
            )
        self.name = name
        self.log = str(log)
        self.flush = flush
        self.partitions = partitions
        self.codec: Codec = serde.CODECS[codec]
        self.commit_interval_ms = duration_ms(commit_interval)
        self.idle_timeout_ms = duration_ms(idle_timeout)
        self.state = state
        self.state_dir = state_dir
        self.topic_configs = {"retention.ms": "-1", **(topic_configs or {})}
        self.on_error = on_error
        self.on_decode_error = on_decode_error
        self.cached_max = cached_max
        self.topics: dict[str, Topic] = {}
        self.sources: list[Node] = []
        self.agents: list[AgentSpec] = []
        self._flows: set[str] = set()

    # Building -----------------------------------------------------------------------------

    def topic(
        self,
        name: str,
        *,
        key: Any = str,
        value: Any = Any,
        codec: Literal["json", "msgpack", "text", "bytes"] | Codec | None = None,
        decode: Callable[[bytes], Any] | None = None,
        timestamp: Any = None,
        partitions: int | None = None,
        configs: dict[str, str] | None = None,
        on_decode_error: Policy | None = None,
    ) -> Topic:
        """Name a topic and say what is in it; created when the app starts and it is not there.

        `timestamp` is the event time in ms: the name of a field, an expression, or a callable of
        the value; by default the record's own time. `decode` reads a value's bytes in a way of
        your own; without it and `codec`, JSON and msgpack are both read.
        """
        if isinstance(timestamp, str):
            timestamp = F[timestamp]
        if isinstance(codec, str):
            codec = serde.CODECS[codec]
        elif codec is None and value in (str, bytes):
            codec = serde.text if value is str else serde.raw
        if decode is not None:
            read = decode
            codec = Codec(serde.CUSTOM, (codec or self.codec).encode, lambda kind: read)
        topic = Topic(
            name, key, value, codec, timestamp, partitions, configs or {}, on_decode_error
        )
        self.topics[name] = topic
        return topic

    def table(self, topic: str | Topic, *, key: Any = str, value: Any = Any) -> Table:
        """Read a topic as a table: the last value of each key; a null value deletes."""
        if not isinstance(topic, Topic):
            topic = self.topic(topic, key=key, value=value, configs={"cleanup.policy": "compact"})
        node = TableNode((), caller_site(), "table", topic)
        self.sources.append(node)
        return Table(node)

    def topic_of(self, topic: str | Topic) -> Topic:
        """Return the app's topic of a name, declared now if it was not yet."""
        if isinstance(topic, Topic):
            return topic
        return self.topics.get(topic) or self.topic(topic)

    def stream(self, *topics: str | Topic) -> Callable[[FlowFunction], FlowFunction]:
        """Declare a flow: the function gets a stream for each topic and builds on them.

        It runs once, now. Its name is the flow's, part of the names of stores and topics.
        """
        site = caller_site()
        self._check_topics(site, "stream", topics)

        def build(function: FlowFunction) -> FlowFunction:
            name = function.__name__.replace("_", "-")
            if name in self._flows:
                raise TopologyError(f"{site}: a flow named {name!r} is declared already")
            self._flows.add(name)
            streams = []
            for topic in topics:
                node = SourceNode((), site, name, self.topic_of(topic))
                self.sources.append(node)
                streams.append(Stream(node, name, self.topic_of))
            function(*streams)
            return function

        return build

    def agent(self, topic: str | Topic) -> Callable[[AgentFunction], AgentFunction]:
        """Declare an agent: an async function over the events of a topic.

        An event is committed when the agent asks for the next one.
        """
        site = caller_site()
        self._check_topics(site, "agent", (topic,))

        def register(function: AgentFunction) -> AgentFunction:
            name = getattr(function, "__name__", "agent").replace("_", "-")
            if any(agent.name == name for agent in self.agents):
                raise TopologyError(f"{site}: an agent named {name!r} is declared already")
            self.agents.append(AgentSpec(name, self.topic_of(topic), function))
            return function

        return register

    def _check_topics(self, site: Site, verb: str, topics: tuple[Any, ...]) -> None:
        if not topics or not all(isinstance(topic, str | Topic) for topic in topics):
            raise TopologyError(
                f"{site}: @app.{verb} takes the topic that is read: @app.{verb}('clicks')"
            )

    # Planning -----------------------------------------------------------------------------

    def plan(self, counts: dict[str, int] | None = None) -> Plan:
        """Return the checked plan for these partition counts; the default where one is missing."""
        known = counts or {}

        def partitions_of(topic: str) -> int:
            declared = self.topics[topic].partitions if topic in self.topics else None
            return known.get(topic) or declared or self.partitions

        if not self.sources and not self.agents:
            raise TopologyError(
                f"the app {self.name!r} has nothing to run; declare a flow with @app.stream(topic)"
            )
        return make_plan(self.name, reachable(self.sources), partitions_of)

    def describe(self, *, code: bool = False, as_mermaid: bool = False) -> str:
        """Return the app's plan as text, as Mermaid, or with the code of its fused loops."""
        plan = self.plan()
        if as_mermaid:
            return mermaid(plan)
        text = describe(plan)
        if code:
            from .runtime.launch import dry_tasks

            loops = [fused for task in dry_tasks(self, plan) for fused in task.fused]
            text += "".join(f"\n\n# {fused.name}\n{fused.source}" for fused in loops)
        return text

    # Running. What it needs is imported here, so that `import millstream` is quick ------------

    def run(self, *, until: Literal["end"] | None = None, show: bool = True) -> Report:
        """Run until Ctrl-C, or until all input that is there now is processed.

        Returns what was done. Raises the first error that no policy took.
        """
        import asyncio

        from .runtime.launch import fewer_collections

        with fewer_collections():
            return asyncio.run(self.serve(until=until, show=show))

    async def serve(self, *, until: Literal["end"] | None = None, show: bool = True) -> Report:
        """Run as `run` does, inside a loop that runs already."""
        from .runtime.launch import serve

        return await serve(self, until_end=until == "end", show=show)

    def test(self) -> TestDriver:
        """Return a driver that runs this app on a memory log and a manual clock."""
        from .testing import TestDriver

        return TestDriver(self)

    def main(self, argv: list[str] | None = None) -> int:
        """Run as a program: `--log URL`, `--until end`, `--describe`, `--code`."""
        from .program import run_app

        return run_app(self, sys.argv[1:] if argv is None else argv)

    def __repr__(self) -> str:
        return f"<App {self.name} on {self.log}>"
