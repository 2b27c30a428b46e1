"""A normal client's latency alone, beside hostile frames, and in a storm of bad connections.

The client is a process of its own. It appends a record (acks=all) and reads it back, one by one;
its turn alone comes right before each of the others, at the same broker. One JSON line a figure.

    python benchmarks/bench_broker_storm.py [--seconds N] [--connections N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from broker_load import storm_of_frames
from raw_client import RawClient, rss_bytes
from storm import Storm, can_hold, fill

from millstream_log.testing import RunningBroker, broker

TOPIC = "measured"
FRAMES = 1000
SEED = 7
AIM = 2.0  # times the latency alone


def measure(port: int, seconds: float) -> None:
    """Print what each append and each read of so many seconds took, in ms."""
    times: dict[str, list[float]] = {"produce": [], "fetch": []}
    clock = time.perf_counter
    with RawClient(port) as client:
        client.create(TOPIC)
        end = clock() + seconds
        while clock() < end:
            start = clock()
            offset = client.produce(TOPIC, [bytes(100)]).base_offset
            appended = clock()
            assert client.fetch(TOPIC, offset).records
            times["fetch"].append((clock() - appended) * 1000)
            times["produce"].append((appended - start) * 1000)
    print(json.dumps(times))


def measured(running: RunningBroker, seconds: float, beside: Callable[[float], None]) -> object:
    """Return the latencies of a client in its own process while `beside` goes on."""
    command = [sys.executable, __file__, "--client", str(running.port), "--seconds", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        beside(time.monotonic() + seconds)
        output, _ = client.communicate()
    return json.loads(output)


def wait(end: float) -> None:
    time.sleep(max(0.0, end - time.monotonic()))


def report(name: str, alone: dict[str, list[float]], beside: dict[str, list[float]]) -> None:
    for what, times in beside.items():
        for percent in (50, 99):
            value = statistics.quantiles(times, n=100)[percent - 1]
            peer_value = statistics.quantiles(alone[what], n=100)[percent - 1]
            ratio = value / peer_value
            line = {
                "bench": f"broker.{name}.{what}.p{percent}",
                "value": round(value, 3),
                "unit": "ms",
                "peer": "alone",
                "peer_value": round(peer_value, 3),
                "ratio": round(ratio, 2),
                "aim": f"ratio <= {AIM}",
                "met": ratio <= AIM,
            }
            print(json.dumps(line), flush=True)


def frames(running: RunningBroker) -> Callable[[float], None]:
    def send(end: float) -> None:
        seed = SEED
        while time.monotonic() < end:
            asyncio.run(storm_of_frames(running.port, seed, FRAMES))
            seed += 1

    return send


def bench(seconds: float, connections: int) -> None:
    with broker() as running:
        with RawClient(running.port) as client:
            fill(client)
        measured(running, 1.0, wait)
        alone = measured(running, seconds, wait)
        report("frames", alone, measured(running, seconds, frames(running)))
        alone = measured(running, seconds, wait)
        before = rss_bytes(running.pid)
        with Storm(running.port, connections):
            report("storm", alone, measured(running, seconds, wait))
            grown = rss_bytes(running.pid) - before
        line = {"bench": "broker.storm.rss_grown", "value": grown >> 20, "unit": "MiB"}
        print(json.dumps(line), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--client", type=int, metavar="PORT", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.client:
        measure(args.client, args.seconds)
        return
    if not can_hold(args.connections):
        sys.exit(f"this process may not have {args.connections} connections")
    bench(args.seconds, args.connections)


if __name__ == "__main__":
    main()
