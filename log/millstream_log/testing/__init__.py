"""What tests may use, ours and those of users: a broker, files that fail, a clock set by hand.

with broker() as b:  b.bootstrap          a real broker in a process of its own
MemoryFiles(seed)    ManualClock(now_ms)  the seams of the log, in memory
"""

from .broker import RunningBroker, broker
from .memory import ManualClock, MemoryFiles

__all__ = ["ManualClock", "MemoryFiles", "RunningBroker", "broker"]
