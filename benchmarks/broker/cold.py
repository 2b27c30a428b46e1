"""What is measured on brokers as they start."""

from __future__ import annotations

import time

from bench import Bench, columns, produce, topic_on
from bodies import Body
from clients import Load
from process import rss_megabytes
from wire_client import WireClient

IDLE_SECONDS = 1.0
KILL_LOAD = Load(1000, partitions=20)


def starts(bench: Bench) -> None:
    """Compare how long empty brokers take to their first answer, and their memory then."""

    def measure(body: Body) -> tuple[float, ...]:
        body.wipe()
        try:
            seconds = body.start()
            time.sleep(IDLE_SECONDS)
            return seconds, rss_megabytes(body.pid)
        finally:
            body.stop()

    ours, peer = map(columns, bench.in_turns(bench.sizes.runs, measure))
    bench.report.add("start to first answer", "s", ours[0], peer[0], "ratio <= 0.25")
    bench.report.add("RSS idle", "MB", ours[1], peer[1], "ours <= 60")


def after_a_kill(bench: Bench) -> None:
    """Show how long our broker takes from a start after SIGKILL to its first answer."""
    gigabytes, body = bench.sizes.kill_gigabytes, bench.ours
    count = round(gigabytes * 1e9 / KILL_LOAD.size)
    body.wipe()
    try:
        body.start()
        with topic_on(body, KILL_LOAD.partitions) as topic:
            produce(body, bench.librdkafka, KILL_LOAD, topic, count)
            body.kill()
            seconds = body.start()
            with WireClient(body.port) as client:
                there = client.records_in(topic, KILL_LOAD.partitions)
            assert there == count, f"{there} of {count} acknowledged records are there"
    finally:
        body.stop()
    name = f"ready after SIGKILL, {gigabytes:g} GB in {KILL_LOAD.partitions} partitions"
    bench.report.add(name, "s", [seconds], None, "ours <= 1")
