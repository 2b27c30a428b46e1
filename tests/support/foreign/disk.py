"""What the broker has really written, whatever its clients say."""

from __future__ import annotations

from pathlib import Path

from millstream_log.record.batch import BatchHeader, iter_batches
from millstream_log.testing import RunningBroker


def batches(served: RunningBroker, topic: str, partition: int = 0) -> list[BatchHeader]:
    """Return the headers of the batches in the first segment of a partition."""
    data = Path(served.path, f"{topic}-{partition}", "0" * 20 + ".log").read_bytes()
    return [header for _, header in iter_batches(data)]
