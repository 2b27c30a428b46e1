"""What commands print: tables for people, JSON lines for programs, notes on stderr.

    topic     partitions  records          drawn by rich in a terminal,
    flights            4   336776          aligned text everywhere else

Invariants: results go to stdout, all else to stderr; rich is imported for a terminal only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

Cell = str | int | None

_encode = msgspec.json.Encoder().encode


def print_json(value: Any) -> None:
    """Print one JSON object on a line of its own, in UTF-8 whatever the locale."""
    print_bytes(_encode(value) + b"\n")


def print_bytes(data: bytes) -> None:
    """Write UTF-8 text to stdout, whatever the locale."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # somebody has put a text stream of their own there
        sys.stdout.write(data.decode())
        return
    sys.stdout.flush()
    buffer.write(data)


def print_table(names: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print rows under their names; numbers stand to the right, None is a dash."""
    right = [all(isinstance(row[i], int | None) for row in rows) for i in range(len(names))]
    if sys.stdout.isatty():
        _draw(names, rows, right)
        return
    cells = [list(names), *([_plain(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    for row in cells:
        parts = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ]
        print("  ".join(parts).rstrip())


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun.

    >>> counted(1, "batch", "batches"), counted(2000, "record")
    ('1 batch', '2,000 records')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def note(text: str) -> None:
    """Tell the person something that is no result."""
    sys.stderr.write(f"millstream: {text}\n")
    sys.stderr.flush()


def drop_stdout() -> None:
    """Send what is still to be written nowhere: its reader has gone."""
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, sys.stdout.fileno())
    except (OSError, ValueError):
        pass  # a stream without a descriptor has nothing left to flush at exit
    finally:
        os.close(null)


def _plain(cell: Cell) -> str:
    return "-" if cell is None else str(cell)


def _draw(names: Sequence[str], rows: Sequence[Sequence[Cell]], right: Sequence[bool]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, is_right in zip(names, right, strict=True):
        table.add_column(name, justify="right" if is_right else "left", overflow="fold")
    for row in rows:
        cells = [f"{cell:,}" if isinstance(cell, int) else _plain(cell) for cell in row]
        table.add_row(*(Text(cell) for cell in cells))
    Console(highlight=False).print(table)
