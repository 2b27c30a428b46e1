"""What a broker's process takes of the machine, its children counted in; Linux, from /proc."""

from __future__ import annotations

import os
import re
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# Fields of /proc/PID/stat, counted from the one after the name.
PARENT, USER_TICKS, REAPED_CHILDREN_SYSTEM_TICKS = 1, 11, 14


def stat_of(pid: int) -> list[int]:
    """Return the numbers of a process after its name and state; nothing where it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    return [0, *map(int, text.rpartition(")")[2].split()[1:])]


def tree(root: int) -> list[int]:
    """Return a process and all that descends from it."""
    parents = {int(path.name): stat_of(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
    found = [root]
    for parent in found:  # it grows as it is walked
        found += [pid for pid, stat in parents.items() if stat and stat[PARENT] == parent]
    return found


def cpu_seconds(root: int) -> float:
    """Return user and system time of the whole tree, and of the children it has reaped."""
    ticks = (stat_of(pid)[USER_TICKS : REAPED_CHILDREN_SYSTEM_TICKS + 1] for pid in tree(root))
    return sum(map(sum, ticks)) / TICKS_PER_SECOND


def rss_megabytes(root: int) -> float:
    """Return the resident memory of the whole tree, pages of mapped files included."""
    total = 0
    for pid in tree(root):
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        total += int(found[1]) if found else 0
    return total * 1024 / 1e6
