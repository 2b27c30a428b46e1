"""Web access logs: hits by minute, status and page, from any common or combined log.

    python examples/clickstream.py ACCESS_LOG --log ./data [--hop 60s/10s] [--grace 10m]

A line that is neither format as a whole goes to the topic `malformed`.
"""

from __future__ import annotations

import argparse
import functools
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from load import Row, load

import millstream as ms
from millstream import F

LINE = re.compile(
    r'(\S+) \S+ \S+ \[([^\]]+)\] "[A-Z]+ (\S+) HTTP/\d(?:\.\d)?" (\d{3}) (\d+|-)'
    r'(?: "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*")?'
)


class Hit(ms.Record):
    """One request; `bytes` is the size of the answer, `path` has no query."""

    client: str
    ts: int  # ms
    path: str
    status: int
    bytes: int


@functools.lru_cache(maxsize=4096)
def time_ms(text: str) -> int:
    """Return ``17/May/2015:10:05:03 +0000`` in epoch ms."""
    return int(datetime.strptime(text, "%d/%b/%Y:%H:%M:%S %z").timestamp()) * 1000


def parse_line(line: bytes) -> Hit:
    """Return the hit that a line of an access log tells of. Raises ValueError."""
    match = LINE.fullmatch(line.decode("utf-8", "replace"))
    if match is None:
        raise ValueError("neither the common nor the combined log format")
    client, time, target, status, size = match.groups()
    path = target.partition("?")[0].partition("#")[0]
    return Hit(client, time_ms(time), path, int(status), 0 if size == "-" else int(size))


def top_rows(key: ms.Windowed, row) -> Iterator[tuple[tuple[int, int], dict]]:
    """Yield one row for each rank of a window's top pages."""
    for rank, (path, hits) in enumerate(row.top, 1):
        value = {"window_start_ms": key.start, "rank": rank, "path": path, "hits": hits}
        yield (key.start, rank), value


def make_app(log: str, *, partitions: int = 4, hop: str = "60s/10s", grace: str = "10m") -> ms.App:
    """Return the app; its topics are created with `partitions`."""
    app = ms.App("clickstream", log=log, partitions=partitions, codec="json")
    lines = app.topic(
        "access-log",
        value=Hit,
        decode=parse_line,
        timestamp="ts",
        on_decode_error=ms.dead_letter("malformed"),
    )
    size, _, every = hop.partition("/")

    @app.stream(lines)
    def hits(hits):
        all_hits = hits.group_all()
        traffic = {"hits": ms.count(), "bytes": ms.sum(F.bytes)}
        all_hits.window(ms.tumbling("1m"), grace).agg(**traffic).to("hits-per-minute")
        (
            all_hits.window(ms.hopping(size, every or size), grace)
            .agg(hits=ms.count(), distinct_clients=ms.count_distinct(F.client))
            .to("hits-hopping")
        )
        by_status = hits.group_by(F.status)
        by_status.window(ms.tumbling("5m"), grace).agg(name="status", **traffic).to("status-per-5m")
        by_status.agg(name="status-total", **traffic).to("bytes-per-status")
        (
            all_hits.window(ms.tumbling("1h"), grace)
            .agg(top=ms.top_k(F.path, 5))
            .flat_map(top_rows)
            .to("top-pages-per-hour")
        )

    return app


def line_rows(path: Path) -> Iterator[Row]:
    """Yield the lines of an access log by client; the event time is read from the line later."""
    with path.open("rb") as file:
        for line in file:
            line = line.rstrip(b"\r\n")
            yield 0, line.partition(b" ")[0], line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("access_log", type=Path)
    parser.add_argument("--log", default="./data", help="the log's directory or URL")
    parser.add_argument("--hop", default="60s/10s", help="size/advance of the hopping window")
    parser.add_argument("--grace", default="10m", help="how late a line may come")
    parser.add_argument("--partitions", type=int, default=4)
    args = parser.parse_args()
    total = sum(1 for _ in line_rows(args.access_log))
    load(args.log, "access-log", line_rows(args.access_log), total, args.partitions)
    app = make_app(args.log, partitions=args.partitions, hop=args.hop, grace=args.grace)
    app.main(["--until", "end"])


if __name__ == "__main__":
    main()
