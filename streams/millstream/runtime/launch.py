"""Launching an app: its topics made, its plan checked, its tasks restored, its loops run.

    missing topics created ─▶ plan for the partition counts there are ─▶ internal topics
    ─▶ worker with its tasks ─▶ loops, until the end or until asked to stop

Invariants: an existing topic is never altered; whatever ends the loops, clients and stores are
closed.
"""

from __future__ import annotations

import asyncio
import gc
import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from millstream_log.client.admin import Admin, NewTopic
from millstream_log.client.transport import Transport, directory_of, open_transport, scheme_of
from millstream_log.clock import Clock, SystemClock

from ..errors import TopologyError
from ..state.memory import MemoryStore
from ..state.store import Store
from ..topology.node import Policy, Topic
from ..topology.plan import Plan, Subtopology
from .agent import Agent
from .checkpoint import Checkpoint
from .task import Settings, Task
from .worker import COMMIT_BYTES_MAX, Report, StoreMaker, Worker, WorkerOptions

if TYPE_CHECKING:
    from ..app import App

INTERNAL_SEGMENT_BYTES = 64 << 20
"""Segments of internal topics are small, so that what is done with goes soon."""


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Let the collector of cycles look seldom: events come in thousands and hold no cycles.

    Looking at every 700th new object costs a job a sixth of its time.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def serve(app: App, *, until_end: bool, show: bool) -> Report:
    """Run an app on its own log; return what it did."""
    transport = await open_transport(_url(app))
    try:
        worker = await start(app, transport, SystemClock(), store_maker(app), show=show)
        try:
            await _run_all(app, worker, transport, until_end=until_end)
        finally:
            await worker.close()
    finally:
        await transport.close()
    return worker.report


async def start(
    app: App, transport: Transport, clock: Clock, make_store: StoreMaker, *, show: bool
) -> Worker:
    """Create what is missing, plan, and restore; return the worker, ready to run."""
    async with Admin(log=transport) as admin:
        plan, counts = await _prepare(app, admin)
    options = WorkerOptions(
        app.name, settings_of(app), app.commit_interval_ms, app.idle_timeout_ms, show
    )
    worker = Worker(plan, counts, transport, make_store, clock, options)
    try:
        await worker.start()
    except BaseException:
        await worker.close()
        raise
    return worker


def settings_of(app: App) -> Settings:
    """Return what the app's tasks take from it."""
    return Settings(app.on_error, app.on_decode_error, app.cached_max, app.codec)


def agents_of(app: App) -> list[Agent]:
    """Return the app's agents, ready to run."""
    return [Agent(*spec, settings_of(app)) for spec in app.agents]


def dry_tasks(app: App, plan: Plan) -> Iterable[Task]:
    """Yield a task of each subtopology that is connected to nothing, for a description."""
    for subtopology in plan.subtopologies:
        yield Task(plan, subtopology, 0, MemoryStore(), Checkpoint(), settings_of(app))


def memory_store(subtopology: Subtopology, partition: int) -> Store:
    """Return a store that is gone with the process."""
    return MemoryStore()


def store_maker(app: App) -> StoreMaker:
    """Return what opens the stores of the app's tasks."""
    if app.state == "memory" or scheme_of(app.log) == "memory":
        return memory_store
    base = Path(app.state_dir or _state_dir(app.log)) / app.name

    def on_disk(subtopology: Subtopology, partition: int) -> Store:
        if not subtopology.has_stores:
            return MemoryStore()
        from ..state.rocks import RocksStore  # a compiled library, for those who use it

        return RocksStore(str(base / f"{subtopology.name}-{partition}"))

    return on_disk


def _state_dir(log: str) -> Path:
    """Return where the stores of a log lie: with it, or in ./data for one that is elsewhere."""
    if scheme_of(log) == "file":
        return Path(directory_of(log)) / ".state"
    address = log.partition("://")[2].partition("?")[0]
    return Path("data") / ".state" / re.sub(r"[^\w.-]", "_", address)


def _url(app: App) -> str:
    if app.flush is None:
        return app.log
    return f"{app.log}{'&' if '?' in app.log else '?'}flush={app.flush}"


# Topics -------------------------------------------------------------------------------------


async def _prepare(app: App, admin: Admin) -> tuple[Plan, dict[str, int]]:
    """Create the topics that are missing; return the plan and all partition counts."""
    policies = [
        app.on_error,
        app.on_decode_error,
        *(t.on_decode_error for t in app.topics.values()),
    ]
    named = {**app.topics, **_dead_letters(policies)}
    wanted = [
        NewTopic(
            name,
            topic.partitions or app.partitions,
            1,
            topic_configs={**app.topic_configs, **topic.configs},
        )
        for name, topic in named.items()
    ]
    counts = await _create_missing(admin, wanted)
    plan = app.plan(counts)
    internal = _internal_topics(plan)
    found = await _create_missing(admin, internal)
    for topic in internal:
        if found[topic.name] != topic.num_partitions:
            raise TopologyError(
                f"{topic.name} has {found[topic.name]} partition(s) and the app now needs "
                f"{topic.num_partitions}, since a topic it reads has other partitions than before. "
                "What is in it cannot be taken over: start over under another app name"
            )
    return plan, counts | found


def _dead_letters(policies: Iterable[Policy | None]) -> dict[str, Topic]:
    names = [p.topic for p in policies if p is not None and p.action == "dead_letter"]
    return {name: Topic(name) for name in names}


def _internal_topics(plan: Plan) -> list[NewTopic]:
    """Return the app's own topics: repartition topics and changelogs."""
    common = {
        "segment.bytes": str(INTERNAL_SEGMENT_BYTES),
        "max.message.bytes": str(COMMIT_BYTES_MAX + (1 << 20)),
    }
    topics = [
        NewTopic(name, count, 1, topic_configs={"retention.ms": "-1", **common})
        for name, count in plan.internal.items()
    ]
    for subtopology in plan.subtopologies:
        if subtopology.has_state:
            name = plan.changelog(subtopology)
            count = subtopology.partitions
            topics.append(
                NewTopic(name, count, 1, topic_configs={"cleanup.policy": "compact", **common})
            )
    return topics


async def _create_missing(admin: Admin, topics: list[NewTopic]) -> dict[str, int]:
    """Create those of `topics` that are not there; return the partition counts of all."""
    known = set(await admin.list_topics())
    missing = [topic for topic in topics if topic.name not in known]
    if missing:
        await admin.create_topics(missing)
    present = [topic.name for topic in topics if topic.name in known]
    described = await admin.describe_topics(present) if present else []
    counts = {topic.name: topic.num_partitions for topic in missing}
    return counts | {topic.name: topic.partitions for topic in described}


# Loops --------------------------------------------------------------------------------------


async def _run_all(app: App, worker: Worker, transport: Transport, *, until_end: bool) -> None:
    """Run the worker and the agents together; the first that fails ends all."""
    loop = asyncio.get_running_loop()
    agents = agents_of(app)

    def stop() -> None:
        worker.stop()
        for agent in agents:
            agent.stop()

    handled = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not the main thread, or Windows: KeyboardInterrupt ends it there.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop)
            handled.append(number)
    try:
        async with asyncio.TaskGroup() as group:
            if app.sources:
                group.create_task(worker.run(until_end=until_end))
            for agent in agents:
                group.create_task(agent.run(app.name, transport, until_end=until_end))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
        for agent in agents:
            worker.report.records_in += agent.records_in
            worker.report.failed += agent.failed
