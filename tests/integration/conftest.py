"""Foreign programs that the integration tests share."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from kafka_dump import ROOT, TOOL


@pytest.fixture(scope="session")
def kafka_dir() -> Path:
    """Return where the jars of Apache Kafka lie."""
    if not TOOL.exists():
        pytest.skip(f"no {TOOL}, which fetches Apache Kafka")
    where = Path(os.environ.get("MILLSTREAM_KAFKA_DIR", ROOT / ".cache" / "kafka"))
    where.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([TOOL, "jars", where], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"Apache Kafka cannot be fetched: {done.stderr.strip()[-200:]}")
    return where
