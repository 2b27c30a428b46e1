"""Our broker against a real Apache Kafka 4.3.1: same machine, same clients, same settings.

Both are measured in turns, one under load while the other is idle, with acks=all. A JSON line is
printed for each figure when it is known, and a table at the end; values are medians of the runs.

    python benchmarks/broker/run.py [--full | --smoke] [--only SECTION ...] [--dir DIR]

The figures of --smoke mean nothing: it shows that everything runs. Apache Kafka's jars lie in
MILLSTREAM_KAFKA_DIR, or .cache/kafka of the project, and are fetched when they are not there.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cold
import warm
from bench import FULL, QUICK, SMOKE, Bench, Sizes
from bodies import Kafka, Millstream, jars
from clients import Java, Librdkafka
from figures import Report

Section = Callable[[Bench], None]

COLD: dict[str, Section] = {"start": cold.starts, "kill": cold.after_a_kill}
WARM: dict[str, Section] = {
    "cpu": warm.cpu_and_memory,
    "lone": warm.lone_acks,
    "throughput": warm.throughput,
    "connections": warm.connections,
    "partitions": warm.partitions,
}


def measure(folder: Path, sizes: Sizes, only: list[str], report: Report) -> None:
    """Run the sections asked for."""
    peer = Kafka(folder, jars())
    bench = Bench(
        ours=Millstream(folder),
        peer=peer,
        librdkafka=Librdkafka(folder),
        java=Java(folder, peer.path),
        sizes=sizes,
        report=report,
    )
    for name, section in COLD.items():
        if name in only:
            section(bench)
    sections = [section for name, section in WARM.items() if name in only]
    if sections:
        with warm.running(bench):
            for section in sections:
                section(bench)


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    names = [*COLD, *WARM]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    mode = parser.add_mutually_exclusive_group()
    quick, full, smoke = "some six minutes (default)", "an hour", "seconds, to see it run"
    parser.set_defaults(sizes=QUICK)
    for name, sizes, words in (
        ("--quick", QUICK, quick),
        ("--full", FULL, full),
        ("--smoke", SMOKE, smoke),
    ):
        mode.add_argument(name, dest="sizes", action="store_const", const=sizes, help=words)
    add("--only", nargs="+", choices=names, default=names, metavar="SECTION", help=", ".join(names))
    add("--dir", help="where the brokers write; a directory of the file system to measure")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit("stopped"))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the brokers inherit it
    folder = Path(tempfile.mkdtemp(prefix="millstream-bench-", dir=options.dir))
    report = Report()
    try:
        measure(folder, options.sizes, options.only, report)
    except RuntimeError as error:
        sys.exit(str(error))
    finally:
        print(report.table(), flush=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
