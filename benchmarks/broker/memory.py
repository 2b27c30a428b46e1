"""The machine's memory, made equal for all before anything is measured; Linux, from /proc."""

from __future__ import annotations

import mmap
import re
from pathlib import Path


def touch_memory(gigabytes: float) -> None:
    """Use that much memory once, two thirds of what is available at most, and give it back.

    A virtual machine may get a page from its host only when it is touched for the first time, which
    costs ten times the writing: whichever broker came first to a page would pay for both.
    """
    available = int(re.findall(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())[0])
    size = min(int(gigabytes * 1e9), available * 1024 * 2 // 3)
    zeros = bytes(1 << 20)
    with mmap.mmap(-1, size + len(zeros)) as memory:
        for at in range(0, size, len(zeros)):
            memory[at : at + len(zeros)] = zeros
