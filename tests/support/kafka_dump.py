"""Apache Kafka's own DumpLogSegments, and what it must not say.

The jars are fetched once into MILLSTREAM_KAFKA_DIR, or .cache/kafka of the project.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT.parent / "shared" / "peers" / "real-kafka"
DUMP = "org.apache.kafka.tools.DumpLogSegments"
FAULTS = (
    "Mismatches",
    "Found ",
    "not found",
    "out of order",
    "ERROR",
    "xception",
    "isvalid: false",
)


def run(kafka_dir: Path, paths: list[Path], *options: str) -> str:
    """Return what DumpLogSegments prints."""
    files = ",".join(map(str, paths))
    command = [str(TOOL), "tool", str(kafka_dir), DUMP, "--files", files, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-2000:]
    return said


def dump(kafka_dir: Path, paths: list[Path], *options: str) -> str:
    """Return what DumpLogSegments prints, after looking that it names no fault."""
    said = run(kafka_dir, paths, *options)
    assert not faults_in(said)
    return said


def faults_in(said: str) -> list[str]:
    """Return the lines that name a fault."""
    return [line for line in said.splitlines() if any(fault in line for fault in FAULTS)]
