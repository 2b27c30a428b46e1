"""How soon a broker is ready again after SIGKILL: 1 GB in 20 partitions, all of it just written.

Ready is when the ready line is out; the first answer to a new client is a line of its own. What
was written is in the page cache, so this is what a restart costs, not what the disk does.

    python benchmarks/bench_broker_restart.py [--megabytes N] [--partitions N] [--turns N]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from raw_client import RawClient

from millstream_log.testing import RunningBroker, broker

TOPIC = "t"
VALUE_BYTES = 1000
BATCH_BYTES = 500_000
AIM_SECONDS = 1.0


def load(running: RunningBroker, megabytes: int, partitions: int) -> None:
    """Write so many megabytes, the partitions in turn."""
    values = [os.urandom(VALUE_BYTES)] * (BATCH_BYTES // VALUE_BYTES)
    with RawClient(running.port) as client:
        client.create(TOPIC)
        for number in range(megabytes * 1_000_000 // BATCH_BYTES):
            written = client.produce(TOPIC, values, number % partitions)
            assert not written.error_code, written


def restart(running: RunningBroker, megabytes: int, partitions: int) -> tuple[float, float]:
    """Kill and start; return the seconds until ready, and until the first answer."""
    running.kill()
    start = time.perf_counter()
    running.start()
    ready = time.perf_counter() - start
    each = megabytes * 1_000_000 // BATCH_BYTES // partitions * (BATCH_BYTES // VALUE_BYTES)
    with RawClient(running.port) as client:
        end = client.fetch(TOPIC, 0).high_watermark
        answered = time.perf_counter() - start
        assert end >= each, f"{end} records, {each} were written"
    return ready, answered


def restart_empty(running: RunningBroker) -> float:
    """Return what a start costs without a log."""
    running.kill()
    start = time.perf_counter()
    running.start()
    return time.perf_counter() - start


def report(name: str, seconds: list[float]) -> None:
    value = statistics.median(seconds)
    line = {
        "bench": f"broker.restart.{name}",
        "value": round(value, 3),
        "unit": "s",
        "worst": round(max(seconds), 3),
        "aim": f"value <= {AIM_SECONDS}",
        "met": value <= AIM_SECONDS,
    }
    print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--partitions", type=int, default=20)
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    with broker(configs={"num.partitions": str(args.partitions)}) as running:
        empty = [restart_empty(running) for _ in range(args.turns)]
        load(running, args.megabytes, args.partitions)
        turns = [restart(running, args.megabytes, args.partitions) for _ in range(args.turns)]
    report("empty_ready", empty)
    report("ready", [ready for ready, _ in turns])
    report("answered", [answered for _, answered in turns])


if __name__ == "__main__":
    main()
