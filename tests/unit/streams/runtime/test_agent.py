from __future__ import annotations

import asyncio
from typing import Any

import pytest

import millstream as ms


class Click(ms.Record):
    page: str


def app_on(url: str, **options: Any) -> ms.App:
    """Return an app with a topic of clicks and no flow."""
    app = ms.App("agents", log=url, **options)
    app.topic("clicks", value=Click)
    return app


def click(page: str, time: int = 0) -> tuple[str, Any, int]:
    return "k", {"page": page}, time


def test_an_agent_sees_every_event() -> None:
    """An agent gets key, value, time, headers and place of each event."""
    app = ms.App("agents", log="memory://agents", partitions=2)
    seen: list[ms.Event] = []

    @app.agent(app.topic("clicks", value=Click))
    async def watch(events: Any) -> None:
        async for event in events:
            seen.append(event)

    with app.test() as driver:
        driver.send("clicks", Click("/"), key="a", timestamp=5, headers=[("h", b"1")])
        assert [(e.key, e.value, e.timestamp, e.headers) for e in seen] == [
            ("a", Click("/"), 5, (("h", b"1"),)),
        ]  # fmt: skip
        assert (seen[0].topic, seen[0].offset) == ("clicks", 0)
        driver.send("clicks", Click("/2"), key="b")
        assert seen[1].value == Click("/2")


def test_an_agent_stands_beside_flows() -> None:
    """Flows and agents read the same topic, each for itself."""
    app = ms.App("agents", log="memory://agents")
    seen = []

    @app.stream("clicks")
    def flow(clicks: Any) -> None:
        clicks.to("out")

    @app.agent("out")
    async def watch(events: Any) -> None:
        async for event in events:
            seen.append(event.value)

    with app.test() as driver:
        driver.send("clicks", {"n": 10})
        assert seen == [{"n": 10}]


def test_an_agent_that_dies_takes_the_app_with_it(disk: Any) -> None:
    """What an agent raises ends the app and is raised by `run`, also beside a flow without end."""
    app = app_on(disk.url)
    app.stream("clicks")(lambda clicks: clicks.to("out") and None)

    @app.agent("clicks")
    async def dies(events: Any) -> None:
        async for event in events:
            raise ValueError(event.value.page)

    app.run(until="end", show=False)
    disk.write("clicks", click("/boom"))
    with pytest.raises(ValueError, match="/boom"):
        app.run(show=False)


def test_what_the_agent_asked_beyond_is_committed(disk: Any) -> None:
    """An event that was being worked on comes again, those done before it do not."""
    seen: list[list[str]] = []

    def run_once(fail_at: str) -> None:
        app = app_on(disk.url)
        seen.append([])

        @app.agent("clicks")
        async def watch(events: Any) -> None:
            async for event in events:
                seen[-1].append(event.value.page)
                if event.value.page == fail_at:
                    raise ValueError(fail_at)

        app.run(until="end", show=False)

    run_once("")
    disk.write("clicks", click("/1"), click("/2"), click("/3"))
    with pytest.raises(ValueError, match="/2"):
        run_once("/2")
    run_once("")
    run_once("")
    assert seen == [[], ["/1", "/2"], ["/2", "/3"], []]


def test_what_the_agent_never_asked_for_is_not_lost(disk: Any) -> None:
    """An agent that returns early has done what it asked beyond, and the rest comes next time."""
    seen: list[str] = []

    def run_once() -> None:
        app = app_on(disk.url)

        @app.agent("clicks")
        async def takes_one(events: Any) -> None:
            async for event in events:
                if seen and event.value.page not in seen:
                    seen.append(event.value.page)
                    return
                seen.append(event.value.page)

        app.run(until="end", show=False)

    run_once()
    disk.write("clicks", *(click(f"/{i}") for i in range(4)))
    for _ in range(3):
        run_once()
    assert seen == ["/0", "/1", "/1", "/2", "/2", "/3"]


def test_an_agent_follows_the_decode_policy(disk: Any) -> None:
    """Bytes that cannot be read stop the app, are skipped, or are set aside with headers."""
    seen: list[str] = []

    def make(policy: Any) -> ms.App:
        app = ms.App("agents", log=disk.url, on_decode_error=policy)
        seen.clear()

        @app.agent(app.topic("clicks", value=Click))
        async def watch(events: Any) -> None:
            async for event in events:
                seen.append(event.value.page)

        return app

    make(ms.fail()).run(until="end", show=False)
    disk.write("clicks", click("/1"), ("bad", b"{", 7), click("/2"))
    with pytest.raises(ms.DeserializationError, match="offset 1 of clicks-0") as error:
        make(ms.fail()).run(until="end", show=False)
    assert (error.value.partition, error.value.offset) == (0, 1)
    assert seen == ["/1"]
    report = make(ms.dead_letter("dead")).run(until="end", show=False)
    assert seen == ["/2"]
    assert (report.records_in, report.failed) == (2, 1)

    async def scenario(transport: Any) -> Any:
        from millstream.runtime.reader import read_range
        from millstream_log.model import TopicPartition

        dead = TopicPartition("dead", 0)
        return [columns async for columns in read_range(transport, dead, 0)]

    (columns,) = disk.run(scenario)
    assert (columns.keys, columns.values, columns.timestamps) == ([b"bad"], [b"{"], [7])
    headers = dict(columns.headers[0])
    assert headers["millstream-topic"] == b"clicks"
    assert headers["millstream-offset"] == b"1"


def test_a_stop_waits_for_the_event_at_hand_and_no_more(disk: Any) -> None:
    """Asked to stop in the middle of a batch, an agent ends after the event at hand."""
    from millstream.runtime.agent import Agent
    from millstream.runtime.launch import settings_of

    app = app_on(disk.url)
    seen: list[str] = []
    agent: Any = None

    async def watch(events: Any) -> None:
        async for event in events:
            seen.append(event.value.page)
            if len(seen) % 2 == 0:
                agent.stop()

    app.agent("clicks")(watch)
    app.run(until="end", show=False)
    disk.write("clicks", *(click(f"/{i}") for i in range(5)))

    async def scenario(transport: Any) -> None:
        nonlocal agent  # the one that `watch` stops
        agent = Agent("watch", app.topics["clicks"], watch, settings_of(app))
        await agent.run("agents", transport, until_end=False)

    for _ in range(2):
        disk.run(scenario)
        assert seen[-1] in ("/1", "/3")
    assert seen == ["/0", "/1", "/2", "/3"]


def test_an_agent_that_hangs_is_cancelled(disk: Any, monkeypatch: Any) -> None:
    """An agent that goes on with its event after it was asked to stop is cancelled, not awaited."""
    from millstream.runtime import agent as agents
    from millstream.runtime.launch import settings_of

    monkeypatch.setattr(agents, "STOP_PATIENCE_S", 0.0)
    app = app_on(disk.url)
    started: list[str] = []

    async def hangs(events: Any) -> None:
        async for event in events:
            started.append(event.value.page)
            agent.stop()
            await asyncio.Event().wait()

    app.agent("clicks")(hangs)
    agent: Any = None

    async def scenario(transport: Any) -> None:
        nonlocal agent
        agent = agents.Agent("hangs", app.topics["clicks"], hangs, settings_of(app))
        await agent.run("agents", transport, until_end=False)

    app.run(until="end", show=False)
    disk.write("clicks", click("/1"), click("/2"))
    disk.run(scenario)
    disk.run(scenario)
    assert started == ["/1", "/1"], "what was not finished comes again"


def test_two_agents_of_one_name_are_refused() -> None:
    """Two agents of one name would share one group, so the second is refused by line."""
    app = ms.App("agents", log="memory://agents")

    async def watch(events: Any) -> None:
        async for _ in events:
            pass

    app.agent("a")(watch)
    with pytest.raises(ms.TopologyError, match=r"test_agent.py:\d+: an agent named 'watch'"):
        app.agent("b")(watch)
