from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import millstream as ms
from millstream import F, L, R
from millstream_log.client.admin import Admin, NewTopic


class Click(ms.Record):
    page: str
    user: str = ""


def views(log: str = "memory://views", **options: Any) -> ms.App:
    """Return an app with a join, a group, a window and a branch."""
    app = ms.App("shop", log=log, **options)
    users = app.table("users")

    @app.stream(app.topic("clicks", value=Click))
    def page_views(clicks: Any) -> None:
        seen = clicks.filter(F.page != "/health")
        joined = seen.join(users, on=F.user, into=ms.row(page=L.page, country=R.country))
        per_page = joined.group_by(F.page).window(ms.tumbling("1m"), grace="10s")
        per_page.agg(views=ms.count(), countries=ms.count_distinct(F.country)).final().to("views")
        seen.to("seen")

    return app


def test_describe_shows_the_graph_as_it_was_written() -> None:
    """The description has each subtopology with its operators, in the words of the app."""
    assert views().describe() == (
        "app shop\n"
        "  subtopology clicks (1 task)\n"
        "    table users\n"
        "      join inner users\n"
        "        repartition by page\n"
        "          aggregate views, countries over tumbling 60000 ms, grace 10000 ms, final\n"
        "            sink views\n"
        "    source clicks\n"
        "      filter (F.page != '/health')\n"
        "        repartition by F.user\n"
        "          join inner users\n"
        "            repartition by page\n"
        "              aggregate views, countries over tumbling 60000 ms, grace 10000 ms, final\n"
        "                sink views\n"
        "        sink seen"
    )


def test_describe_shows_what_goes_through_topics() -> None:
    """With several partitions the description is cut where events cross a topic."""
    text = views(partitions=4).describe()
    assert "  subtopology clicks (4 tasks)\n    source clicks\n" in text
    assert "repartition by F.user through shop-page-views-users-repartition\n" in text
    assert "    source shop-page-views-page-repartition\n" in text
    assert text.count("sink views") == 1


def test_describe_code_shows_the_loops() -> None:
    """`describe(code=True)` adds the generated functions, which are Python that compiles."""
    text = views().describe(code=True)
    assert text.startswith(views().describe())
    assert "# shop clicks\ndef process(events):\n" in text
    assert "if (v.page != '/health'):" in text
    for part in text.split("\n\n# ")[1:]:
        compile(part.partition("\n")[2], "shown", "exec")


def test_describe_as_mermaid() -> None:
    """The Mermaid chart has a node for each operator and an arrow for each way."""
    text = views().describe(as_mermaid=True)
    lines = text.splitlines()
    assert lines[0] == "flowchart LR"
    assert sum("-->" in line for line in lines) == 8
    assert '["source clicks"]' in text
    assert lines.count("  end") == sum("subgraph" in line for line in lines) == 1


def test_describing_a_running_app_changes_nothing() -> None:
    """An app may be described while it runs, also for other partition counts than it runs on."""
    app = ms.App("shop", log="memory://shop")

    @app.stream(app.topic("clicks", value=Click, partitions=4))
    def flow(clicks: Any) -> None:
        clicks.group_by(F.page).count().to("views")

    with app.test() as driver:
        driver.send("clicks", Click("/"))
        app.plan({"clicks": 1})
        driver.send("clicks", Click("/"))
        app.describe(code=True)
        driver.send("clicks", Click("/"))
        assert driver.read("views")[-1] == {"page": "/", "count": 3}


def test_an_app_without_anything_to_run_says_so() -> None:
    """An app with neither flow nor agent is refused with how to declare one."""
    app = ms.App("shop", log="memory://none")
    with pytest.raises(ms.TopologyError, match=r"'shop' has nothing to run.*@app.stream"):
        app.run(until="end")


@pytest.mark.parametrize("name", ["", "my app", "ä", "a/b", "x" * 201])
def test_a_name_that_no_topic_could_have_is_refused(name: str) -> None:
    """The app's name is part of topic names, so it is checked when it is given."""
    with pytest.raises(ms.TopologyError, match="app name"):
        ms.App(name)


def test_flows_have_names_of_their_own() -> None:
    """A second flow of one name is refused by line."""
    app = ms.App("shop", log="memory://shop")

    def flow(events: Any) -> None:
        events.to("out")

    app.stream("a")(flow)
    with pytest.raises(ms.TopologyError, match=r"test_app.py:\d+: a flow named 'flow'"):
        app.stream("b")(flow)


def test_a_decorator_without_its_topic_is_refused() -> None:
    """`@app.stream` without parentheses would never run, so it is refused by line."""
    app = ms.App("shop", log="memory://shop")

    def flow(events: Any) -> None:
        events.to("out")

    wrongs: list[Any] = [
        lambda: app.stream(flow),  # type: ignore[arg-type]
        lambda: app.stream(),
        lambda: app.agent(flow),  # type: ignore[arg-type]
    ]
    for wrong in wrongs:
        with pytest.raises(ms.TopologyError, match=r"test_app.py:\d+: @app\.\w+ takes the topic"):
            wrong()


def test_a_function_may_have_any_name() -> None:
    """A flow whose name no topic could have runs on several partitions all the same."""
    app = ms.App("shop", log="memory://shop", partitions=2)

    @app.stream("in")
    def größe(events: Any) -> None:
        events.group_by(schlüssel=F["a key"]).count().to("out")

    with app.test() as driver:
        driver.send("in", {"a key": "x"})
        assert [(e.key, e.value["count"]) for e in driver.records("out")] == [("x", 1)]


def created(disk: Any) -> dict[str, tuple[int, dict[str, str]]]:
    """Return partitions and configs of the log's topics."""

    async def scenario(transport: Any) -> Any:
        async with Admin(log=transport) as admin:
            names = [name for name in await admin.list_topics() if not name.startswith("__")]
            return {t.name: (t.partitions, t.configs) for t in await admin.describe_topics(names)}

    found: dict[str, tuple[int, dict[str, str]]] = disk.run(scenario)
    return found


def test_topics_are_created_as_the_app_says(disk: Any) -> None:
    """Topics that are missing are created: partitions and configs of the topic, or of the app."""
    app = ms.App("shop", log=disk.url, partitions=3, on_error=ms.dead_letter("dead"))
    app.topic("out", partitions=1, configs={"retention.ms": "1000"})
    app.stream("in")(lambda events: events.to("out") and None)
    app.table("rows")
    app.run(until="end", show=False)
    topics = created(disk)
    assert {name: count for name, (count, _) in topics.items()} == {
        "in": 3, "out": 1, "dead": 3, "rows": 3, "shop-rows-changelog": 3,
    }  # fmt: skip
    assert topics["out"][1]["retention.ms"] == "1000"
    assert topics["in"][1]["retention.ms"] == "-1"
    assert topics["rows"][1]["cleanup.policy"] == "compact"


def test_an_existing_topic_is_never_altered(disk: Any) -> None:
    """A topic that is there keeps its partitions and configs, whatever the app says."""

    async def make(transport: Any) -> None:
        async with Admin(log=transport) as admin:
            await admin.create_topics([NewTopic("in", 2, 1, topic_configs={"retention.ms": "5"})])

    disk.run(make)
    app = ms.App("shop", log=disk.url, partitions=7)
    app.topic("in", partitions=7, configs={"retention.ms": "9"})
    app.stream("in")(lambda events: events.foreach(print))
    app.run(until="end", show=False)
    assert created(disk)["in"] == (2, {"retention.ms": "5"})


def test_run_reports_what_it_did(disk: Any) -> None:
    """The report counts records in and out, what was late, null or failed, and the time."""
    app = ms.App("shop", log=disk.url, on_error=ms.skip())

    @app.stream("in")
    def flow(events: Any) -> None:
        events.map_values(10 // F.n).to("out")
        windows = events.group_by_key().window(ms.tumbling(10))
        windows.agg(n=ms.count()).final().to("windows")

    app.run(until="end", show=False)
    disk.write("in", ("k", {"n": 5}, 100), ("k", {"n": 0}, 0), (None, {"n": 2}, 101))
    report = app.run(until="end", show=False)
    assert (report.records_in, report.late, report.skipped_null, report.failed) == (3, 1, 1, 1)
    assert report.records_out == 2 + 1
    assert report.seconds > 0
    assert set(report.by_task) == {"in/0"}


def test_an_app_runs_inside_a_loop_and_in_a_thread(disk: Any) -> None:
    """`serve` runs in a loop that runs already, and `run` in a thread that gets no signals."""
    app = ms.App("shop", log=disk.url)
    app.stream("in")(lambda events: events.to("out") and None)
    report = asyncio.run(app.serve(until="end", show=False))
    assert report.records_in == 0
    disk.write("in", ("k", 10, 1))
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(app.run(until="end", show=False)))
    thread.start()
    thread.join(30)
    assert found[0].records_in == 1


def test_the_flush_policy_goes_to_the_log(tmp_path: Path) -> None:
    """`flush=` is the log's, and one that it does not know is refused."""
    for flush in ("ack", "os", "interval"):
        app = ms.App("shop", log=tmp_path / "log", flush=flush)
        app.stream("in")(lambda events: events.foreach(print))
        app.run(until="end", show=False)
    app = ms.App("shop", log=tmp_path / "log", flush="never")  # type: ignore[arg-type]
    app.stream("in")(lambda events: events.foreach(print))
    with pytest.raises(Exception, match="never"):
        app.run(until="end", show=False)


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_values_are_written_as_the_app_says(disk: Any, codec: Any) -> None:
    """The app's codec writes values; a topic's own goes before it, and text is text."""
    app = ms.App("shop", log=disk.url, codec=codec)
    app.topic("own", codec="json")
    app.topic("text", value=str)

    @app.stream("in")
    def flow(events: Any) -> None:
        events.to("out").to("own").map_values(F.s).to("text")

    app.run(until="end", show=False)
    disk.write("in", ("k", {"s": "é"}, 1))
    app.run(until="end", show=False)

    async def raw(transport: Any) -> list[bytes]:
        from millstream.runtime.reader import read_range
        from millstream_log.model import TopicPartition

        return [
            columns.values[0]
            for topic in ("out", "own", "text")
            async for columns in read_range(transport, TopicPartition(topic, 0), 0)
        ]

    as_json, as_msgpack = b'{"s":"\xc3\xa9"}', b"\x81\xa1s\xa2\xc3\xa9"
    assert disk.run(raw) == [as_json if codec == "json" else as_msgpack, as_json, b"\xc3\xa9"]


def test_a_topic_may_have_a_decoder_of_its_own() -> None:
    """`decode=` reads a value's bytes in the user's way, on one partition and through several."""
    for partitions in (1, 3):
        app = ms.App("shop", log="memory://shop", partitions=partitions)

        @app.stream(app.topic("lines", decode=lambda raw: raw.decode().split(",")))
        def flow(lines: Any) -> None:
            lines.group_by(F[0]).agg(total=ms.sum(lambda v: int(v[1]))).to("out")

        with app.test() as driver:
            for line in (b"a,1", b"b,2", b"a,5"):
                driver.send("lines", line)
            rows = {event.key: event.value["total"] for event in driver.records("out")}
        assert rows == {"a": 6, "b": 2}
