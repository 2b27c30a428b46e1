"""The machine's memory, made equal for all before each run; Linux, from /proc."""

from __future__ import annotations

import mmap
import re
from pathlib import Path


def touch_memory(gigabytes: float) -> None:
    """Use that much memory once, two thirds of what is available at most, and give it back.

    A virtual machine may get a page from its host when it is touched, and lose it again some time
    after it was freed. A GB of page cache then costs its writer seconds of processor in place of
    0.2, and whichever broker happens to come first to a page pays them.
    """
    available = int(re.findall(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())[0])
    size = min(int(gigabytes * 1e9), available * 1024 * 2 // 3)
    zeros = bytes(1 << 20)
    with mmap.mmap(-1, size + len(zeros)) as memory:
        for at in range(0, size, len(zeros)):
            memory[at : at + len(zeros)] = zeros
