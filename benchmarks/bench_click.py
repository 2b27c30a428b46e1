"""The click job on the embedded log, against a bare Python loop and against Bytewax.

Each line is one JSON object. `ratio` is ours divided by the peer's, both as records per second,
measured in turn in one run; the peer's name says what it is.

    python benchmarks/bench_click.py [--n 1000000] [--repeat 3] [--bytewax PYTHON]

`--bytewax` names a Python that has Bytewax installed; without it a virtual environment is made in
.cache/bytewax, and the comparison is left out, with a word, where that cannot be done.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT.parent / "shared" / "peers"
CACHE = ROOT / ".cache"

BARE = """
import sys, time, json, msgspec
class Click(msgspec.Struct, gc=False):
    page: str
    ts: int
    referrer: str
decode = msgspec.json.Decoder(Click).decode
lines = open(sys.argv[1], "rb")
begun = time.perf_counter()
counts = {}
n = 0
for line in lines:
    n += 1
    click = decode(line)
    if click.referrer != "bot":
        key = (click.page, click.ts - click.ts % 60000)
        counts[key] = counts.get(key, 0) + 1
print(json.dumps({"rate": n / (time.perf_counter() - begun), "keys": len(counts)}))
"""

OURS = """
import json, sys
sys.path.insert(0, "benchmarks")
from click_app import make_app
report = make_app(sys.argv[1]).run(until="end", show=False)
rate = report.records_in / report.seconds
status = open("/proc/self/status").read()  # its own peak: rusage would count its parent's too
rss = int(status.partition("VmHWM:")[2].split()[0]) * 1024
print(json.dumps({"rate": rate, "n": report.records_in, "rss_bytes": rss}))
"""


def run(*command: str) -> dict[str, float]:
    """Run a program; return the JSON object it printed last."""
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


async def load(log: Path, lines: list[bytes]) -> None:
    """Bring the clicks into the topic `clicks`, by page."""
    from millstream_log import Admin, NewTopic, Producer

    async with Admin(log=str(log)) as admin:
        topic = NewTopic("clicks", 1, 1, topic_configs={"retention.ms": "-1"})
        await admin.create_topics([topic])
    async with Producer(log=str(log)) as producer:
        for i in range(0, len(lines), 5_000):
            part = lines[i : i + 5_000]
            clicks = [json.loads(line) for line in part]
            times = [click["ts"] for click in clicks]
            keys = [click["page"].encode() for click in clicks]
            await producer.send_columns("clicks", 0, times, keys, part)
        await producer.flush()


def check(log: Path, data: Path) -> bool:
    """Tell whether the topic `counts` holds the truth."""
    from millstream_log import Consumer

    truth: dict[tuple[str, int], int] = {}
    for line in data.read_bytes().splitlines():
        click = json.loads(line)
        if click["referrer"] != "bot":
            key = (click["page"], click["ts"] - click["ts"] % 60_000)
            truth[key] = truth.get(key, 0) + 1

    async def read() -> dict[tuple[str, int], int]:
        found = {}
        async with Consumer(
            "counts", log=str(log), group_id=None, auto_offset_reset="earliest"
        ) as consumer:
            while batches := await consumer.getmany(timeout_ms=0, max_records=50_000):
                for records in batches.values():
                    for record in records:
                        row = json.loads(record.value)
                        found[row["page"], row["window_start_ms"]] = row["count"]
        return found

    return asyncio.run(read()) == truth


def bytewax_python(named: str | None) -> str | None:
    """Return a Python that has Bytewax, made when it is not there; None where it cannot be had."""
    if named:
        return named
    python = CACHE / "bytewax" / "bin" / "python"
    if not python.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
            command = [str(python), "-m", "pip", "install", "--quiet", "bytewax"]
            subprocess.run(command, check=True, capture_output=True)
        except subprocess.CalledProcessError:
            shutil.rmtree(python.parents[1], ignore_errors=True)
            return None
    return str(python)


def bytewax_rate(python: str, data: Path) -> float | None:
    """Return Bytewax's records a second on the same job from the file; None where it fails."""
    command = [python, str(PEERS / "job_bytewax.py"), "--source", "file", "--no-wake"]
    command += ["--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return json.loads(lines[-1][7:])["rate"] if lines else None


def put(name: str, **values: object) -> None:
    """Print one figure."""
    print(json.dumps({"name": name, **values}), flush=True)


def import_time() -> float:
    """Return how long `import millstream` takes beyond an empty Python, in seconds."""

    def once(code: str) -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
        return time.perf_counter() - begun

    runs = [(once("import millstream"), once("pass")) for _ in range(5)]
    return statistics.median(ours - empty for ours, empty in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1_000_000, help="clicks")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--bytewax", help="a Python that has Bytewax")
    args = parser.parse_args()
    put("import millstream", value=round(import_time(), 3), unit="s", aim=0.15)
    if not PEERS.exists():
        put("click job", skipped="the generator of clicks (shared/peers) is not here")
        return
    CACHE.mkdir(exist_ok=True)
    data, source, log = (CACHE / f"clicks-{args.n}{end}" for end in (".jsonl", ".log", ".run"))
    if not data.exists():
        generator = str(PEERS / "gen_clicks.py")
        command = [sys.executable, generator, "--n", str(args.n), "--out", str(data)]
        subprocess.run(command, check=True)
    shutil.rmtree(source, ignore_errors=True)
    asyncio.run(load(source, data.read_bytes().splitlines()))
    python = bytewax_python(args.bytewax)
    pairs, races = [], []
    for _ in range(args.repeat):
        shutil.rmtree(log, ignore_errors=True)
        shutil.copytree(source, log)
        bare = run(sys.executable, "-c", BARE, str(data))
        mine = run(sys.executable, "-c", OURS, str(log))
        pairs.append((mine, bare["rate"]))
        theirs = bytewax_rate(python, data) if python else None
        if theirs:
            races.append((mine["rate"], theirs))
    right = check(log, data)
    ours = statistics.median(mine["rate"] for mine, _ in pairs)
    put(
        "click job, rocksdb and changelog",
        value=round(ours),
        unit="records/s",
        peer="bare loop: msgspec decode, dict count",
        peer_value=round(statistics.median(bare for _, bare in pairs)),
        ratio=round(statistics.median(mine["rate"] / bare for mine, bare in pairs), 3),
        aim=0.4,
        correct=right,
    )
    rss = max(mine["rss_bytes"] for mine, _ in pairs)
    put("click job, peak RSS", value=round(rss / 1e6), unit="MB", aim=150)
    if not races:
        put("click job against Bytewax", skipped="Bytewax could not be installed or run")
    else:
        put(
            "click job against Bytewax",
            value=round(ours),
            unit="records/s",
            peer="Bytewax from the file",
            peer_value=statistics.median(theirs for _, theirs in races),
            ratio=round(statistics.median(mine / theirs for mine, theirs in races), 1),
            aim=10,
        )
    shutil.rmtree(log, ignore_errors=True)
    shutil.rmtree(source, ignore_errors=True)


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
