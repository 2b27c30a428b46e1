from __future__ import annotations

from collections.abc import Callable

import pytest

from millstream_log.record.compress import Codec
from millstream_log.storage.partition_log import PartitionLog

Batch = Callable[..., bytearray]
TIMES = [[50, 10, 30], [20, 90], [40, 90, 60], [15], [95, 5]]


@pytest.fixture(params=[Codec.NONE, Codec.LZ4], ids=lambda codec: codec.name)
def log(
    request: pytest.FixtureRequest, make_log: Callable[..., PartitionLog], batch: Batch
) -> PartitionLog:
    """Return a log of batches whose times run to and fro."""
    made = make_log(segment_bytes=250, index_interval_bytes=0)
    for times in TIMES:
        made.append(batch(*["x"] * len(times), times=times, codec=request.param), now_ms=100)
    made.high_watermark = made.log_end_offset
    return made


def test_a_time_is_found_to_the_record(log: PartitionLog) -> None:
    """For every time the first record at or after it is found, inside compressed batches too."""
    flat = list(enumerate(time for times in TIMES for time in times))
    for start in range(len(flat)):
        log.delete_records(start)
        for wanted in range(100):
            expected = next(((o, t) for o, t in flat if t >= wanted and o >= start), None)
            assert log.offset_for_time(wanted) == expected
        top = max(t for o, t in flat if o >= start)
        first = next((o, t) for o, t in flat if t == top and o >= start)
        assert log.offset_of_max_timestamp() == first


def test_an_empty_log_has_no_times(make_log: Callable[..., PartitionLog]) -> None:
    """There is no record to name."""
    log = make_log()
    assert log.offset_for_time(0) is None
    assert log.offset_of_max_timestamp() is None
