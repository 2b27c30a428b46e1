"""An app opened again on the same log: it goes on from its checkpoint, whatever happened to it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

import millstream as ms
from millstream import F
from millstream_log.client.admin import Admin
from millstream_log.model import OffsetAndMetadata, TopicPartition


class Click(ms.Record):
    page: str
    user: str = ""


class User(ms.Record):
    name: str


def counting(url: str, state: str = "memory", **options: Any) -> ms.App:
    """Return an app that counts clicks by page, all told and by window."""
    app = ms.App("restart", log=url, state=state, **options)  # type: ignore[arg-type]

    @app.stream(app.topic("clicks", value=Click))
    def flow(clicks: Any) -> None:
        pages = clicks.group_by(F.page)
        pages.agg(n=ms.count(), users=ms.count_distinct(F.user)).to("totals")
        pages.window(ms.tumbling(100)).agg(m=ms.count()).current().to("windows")

    return app


def click(page: str, user: str = "u", time: int = 0) -> tuple[str, Any, int]:
    return user, {"page": page, "user": user}, time


def last(disk: Any, topic: str, partitions: int = 1) -> dict[str, Any]:
    """Return the last value of each key."""
    return {k: v for partition in range(partitions) for k, v in disk.read(topic, partition)}


STATES = pytest.mark.parametrize("state", ["memory", "rocksdb"])


@STATES
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_restart_goes_on_from_the_checkpoint(disk: Any, state: Any, partitions: int) -> None:
    """The second run takes only what is new, and adds it to what the first has counted."""
    app = counting(disk.url, state, partitions=partitions)
    app.run(until="end", show=False)
    disk.write("clicks", click("/a", "x", 10), click("/b", "y", 20), click("/a", "y", 30))
    first = counting(disk.url, state, partitions=partitions).run(until="end", show=False)
    again = counting(disk.url, state, partitions=partitions).run(until="end", show=False)
    disk.write("clicks", click("/a", "x", 40), click("/a", "z", 150))
    third = counting(disk.url, state, partitions=partitions).run(until="end", show=False)
    sources = 1 if partitions == 1 else 2  # each event crosses the repartition topic
    assert [r.records_in for r in (first, again, third)] == [3 * sources, 0, 2 * sources]
    assert last(disk, "totals", partitions) == {
        "/a": {"page": "/a", "n": 4, "users": 3}, "/b": {"page": "/b", "n": 1, "users": 1},
    }  # fmt: skip
    assert {k: v["m"] for k, v in last(disk, "windows", partitions).items()} == {
        '["/a",0]': 3, '["/b",0]': 1, '["/a",100]': 1,
    }  # fmt: skip


@STATES
def test_stream_time_survives_a_restart(disk: Any, state: Any) -> None:
    """What was late before a restart is late after it, and a closed window stays closed."""

    def app_of() -> ms.App:
        app = ms.App("restart", log=disk.url, state=state)

        @app.stream(app.topic("clicks", value=Click))
        def flow(clicks: Any) -> None:
            windows = clicks.group_by(F.page).window(ms.tumbling(100)).late("late")
            windows.agg(m=ms.count()).final().to("windows")

        return app

    app_of().run(until="end", show=False)
    disk.write("clicks", click("/a", time=10), click("/a", time=150))
    app_of().run(until="end", show=False)
    disk.write("clicks", click("/a", time=20), click("/a", time=160), click("/a", time=210))
    report = app_of().run(until="end", show=False)
    assert report.late == 2, "the window of 20 was closed by 150, that of 160 by the end of input"
    assert [(k, v["m"]) for k, v in disk.read("windows")] == [
        ('["/a",0]', 1), ('["/a",100]', 1), ('["/a",200]', 1),
    ]  # fmt: skip
    assert [value["page"] for _, value in disk.read("late")] == ["/a", "/a"]


@STATES
@pytest.mark.parametrize("partitions", [1, 3])
def test_a_table_is_there_after_a_restart(disk: Any, state: Any, partitions: int) -> None:
    """Rows and deletions of a table that were read before are known to the next run."""

    def run_once() -> None:
        app = ms.App("restart", log=disk.url, state=state, partitions=partitions)
        users = app.table("users", value=User)

        @app.stream(app.topic("clicks", value=Click))
        def flow(clicks: Any) -> None:
            clicks.left_join(users, on=F.user, into=lambda c, u: u and u.name).to("names")

        app.run(until="end", show=False)

    def names() -> list[Any]:
        return [value for p in range(partitions) for _, value in disk.read("names", p)]

    run_once()
    from millstream_log.client.partitioner import partition_for_key

    at = partition_for_key(b"u", partitions)
    disk.write("users", ("u", {"name": "Ann"}, 0), partition=at)
    run_once()
    disk.write("clicks", click("/a", "u", 10))
    run_once()
    disk.write("users", ("u", None, 20), partition=at)
    run_once()
    disk.write("clicks", click("/a", "u", 30))
    run_once()
    assert names() == ["Ann", None]


def store_folders(disk: Any) -> list[Path]:
    """Return the folders of the stores on disk."""
    return sorted((Path(disk.url.partition("?")[0]) / ".state" / "restart").iterdir())


def test_a_store_that_is_lost_is_rebuilt(disk: Any) -> None:
    """The changelog is the truth: without its store the app answers as before."""
    counting(disk.url, "rocksdb").run(until="end", show=False)
    disk.write("clicks", click("/a"), click("/b"))
    counting(disk.url, "rocksdb").run(until="end", show=False)
    for folder in store_folders(disk):
        shutil.rmtree(folder)
    disk.write("clicks", click("/a"))
    counting(disk.url, "rocksdb").run(until="end", show=False)
    assert last(disk, "totals")["/a"]["n"] == 2


def test_a_store_that_is_behind_is_brought_forward(disk: Any, tmp_path: Path) -> None:
    """A store from an earlier day takes from the changelog what it lacks."""
    counting(disk.url, "rocksdb").run(until="end", show=False)
    disk.write("clicks", click("/a"))
    counting(disk.url, "rocksdb").run(until="end", show=False)
    (folder,) = store_folders(disk)
    shutil.copytree(folder, tmp_path / "old")
    disk.write("clicks", click("/a"), click("/b"))
    counting(disk.url, "rocksdb").run(until="end", show=False)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "old", folder)
    disk.write("clicks", click("/b"))
    counting(disk.url, "rocksdb").run(until="end", show=False)
    assert {k: v["n"] for k, v in last(disk, "totals").items()} == {"/a": 2, "/b": 2}


def test_a_store_ahead_of_its_changelog_is_rebuilt(disk: Any, tmp_path: Path, caplog: Any) -> None:
    """A store that knows more than its changelog is wiped and told of, not believed."""
    counting(disk.url, "rocksdb").run(until="end", show=False)
    disk.write("clicks", click("/a"))
    counting(disk.url, "rocksdb").run(until="end", show=False)
    log = Path(disk.url.partition("?")[0])
    shutil.copytree(log, tmp_path / "old")
    disk.write("clicks", click("/a"), click("/gone"))
    counting(disk.url, "rocksdb").run(until="end", show=False)
    # The log as it was, the store as it is: what the changelog does not have, has not been.
    (folder,) = store_folders(disk)
    shutil.copytree(folder, tmp_path / "ahead")
    shutil.rmtree(log)
    shutil.copytree(tmp_path / "old", log)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "ahead", folder)
    disk.write("clicks", click("/b"))
    with caplog.at_level(logging.WARNING, "millstream"):
        counting(disk.url, "rocksdb").run(until="end", show=False)
    assert "rebuilding the store" in caplog.text
    assert {k: v["n"] for k, v in last(disk, "totals").items()} == {"/a": 1, "/b": 1}


@STATES
def test_a_changed_aggregate_is_refused_with_what_to_do(disk: Any, state: Any) -> None:
    """An aggregate that is not the one that wrote the store is refused; a new name starts anew."""

    def app_of(column: Any, name: str | None = None, **aggregates: Any) -> ms.App:
        app = ms.App("restart", log=disk.url, state=state)

        @app.stream(app.topic("clicks", value=Click))
        def flow(clicks: Any) -> None:
            clicks.group_by(column).agg(name=name, **aggregates).to("out")

        return app

    app_of(F.page, n=ms.count()).run(until="end", show=False)
    disk.write("clicks", click("/a"))
    app_of(F.page, n=ms.count()).run(until="end", show=False)
    for other in (app_of(F.page, n=ms.count_distinct(F.user)), app_of(F.user, n=ms.count())):
        with pytest.raises(ms.StateStoreError, match=r"agg\(name=\.\.\.\)"):
            other.run(until="end", show=False)
    app_of(F.page, "users", n=ms.count_distinct(F.user)).run(until="end", show=False)
    app_of(F.page, n=ms.count()).run(until="end", show=False)
    disk.write("clicks", click("/a"))
    app_of(F.page, n=ms.count()).run(until="end", show=False)
    assert disk.read("out")[-1][1] == {"page": "/a", "n": 2}


def test_other_partition_counts_than_before_are_refused(disk: Any) -> None:
    """State that was written for another number of partitions is refused, both counts named."""
    counting(disk.url).run(until="end", show=False)

    async def grow(transport: Any) -> None:
        async with Admin(log=transport) as admin:
            await admin.create_partitions({"clicks": 3})

    disk.run(grow)
    with pytest.raises(ms.TopologyError) as error:
        counting(disk.url).run(until="end", show=False)
    for words in ("restart-clicks-changelog", "1 partition", "3", "another app name"):
        assert words in str(error.value)


@pytest.mark.parametrize("stateful", [True, False])
def test_a_reset_of_the_group_is_honoured(disk: Any, stateful: bool) -> None:
    """Offsets set by a person hold at the next start, once, for flows with state and without."""

    def app_of() -> ms.App:
        app = ms.App("restart", log=disk.url)

        @app.stream(app.topic("clicks", value=Click))
        def flow(clicks: Any) -> None:
            if stateful:
                clicks.group_by(F.page).agg(n=ms.count())
            clicks.map_values(F.page).to("out")

        return app

    def pages() -> list[Any]:
        return [value for _, value in disk.read("out")]

    def reset(offset: int) -> None:
        async def scenario(transport: Any) -> None:
            async with Admin(log=transport) as admin:
                at = {TopicPartition("clicks", 0): OffsetAndMetadata(offset)}
                await admin.alter_consumer_group_offsets("restart", at)

        disk.run(scenario)

    app_of().run(until="end", show=False)
    disk.write("clicks", click("/0"), click("/1"), click("/2"))
    app_of().run(until="end", show=False)
    reset(1)
    for _ in range(2):
        app_of().run(until="end", show=False)
    assert pages() == ["/0", "/1", "/2", "/1", "/2"]
    disk.write("clicks", click("/3"), click("/4"))
    reset(4)
    for _ in range(2):
        app_of().run(until="end", show=False)
    assert pages()[5:] == ["/4"]


def test_a_group_set_before_the_first_start_is_honoured(disk: Any) -> None:
    """An app that has never run begins where a person has set its group to."""
    counting(disk.url).run(until="end", show=False)
    disk.write("clicks", click("/0"), click("/1"))

    async def scenario(transport: Any) -> None:
        async with Admin(log=transport) as admin:
            at = {TopicPartition("clicks", 0): OffsetAndMetadata(1)}
            await admin.alter_consumer_group_offsets("fresh", at)

    disk.run(scenario)
    app = ms.App("fresh", log=disk.url)
    app.stream("clicks")(lambda clicks: clicks.map_values(F.page).to("fresh-out") and None)
    app.run(until="end", show=False)
    assert [value for _, value in disk.read("fresh-out")] == ["/1"]


def test_a_failed_record_is_tried_again(disk: Any) -> None:
    """After an error the app begins again at the record that failed, state as before it."""

    def app_of(limit: int) -> ms.App:
        app = ms.App("restart", log=disk.url)

        @app.stream(app.topic("clicks", value=Click))
        def flow(clicks: Any) -> None:
            checked = clicks.filter(lambda c: 10 // (limit - len(c.page)) != 0)
            checked.group_by(F.user).agg(n=ms.count()).to("totals")

        return app

    app_of(9).run(until="end", show=False)
    disk.write("clicks", click("/"), click("/x"), click("/abc"), click("/y"))
    for _ in range(2):
        with pytest.raises(ms.ProcessingError, match="offset 2"):
            app_of(4).run(until="end", show=False)
    app_of(9).run(until="end", show=False)
    assert last(disk, "totals")["u"]["n"] == 4


def test_rows_of_the_last_commit_reach_the_windows_over_them(disk: Any) -> None:
    """At the end of input, updates go out before the windows that take them are closed."""
    app = ms.App("restart", log=disk.url, commit_interval="1h")

    @app.stream(app.topic("clicks", value=Click))
    def flow(clicks: Any) -> None:
        totals = clicks.group_by(F.page).agg(n=ms.count()).current()
        totals.group_all().window(ms.tumbling(100)).agg(pages=ms.count()).final().to("out")

    app.run(until="end", show=False)
    disk.write("clicks", click("/a"), click("/b"), click("/a"))
    app.run(until="end", show=False)
    assert [value["pages"] for _, value in disk.read("out")] == [2]
