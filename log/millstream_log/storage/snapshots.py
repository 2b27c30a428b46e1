"""The producer snapshots in a partition's directory.

Invariants:
    A snapshot is whole or fails its CRC; one that fails is passed over, an older one taken.
    The newest two stay, and those at the base offset of a segment; but none from before a
    marker that compaction has dropped.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator

from ..errors import CorruptRecordError
from .files import Files, replace_file
from .producers import Producers
from .segment import SNAPSHOT, file_name

logger = logging.getLogger(__name__)

_DIGITS = 20
_NEWEST_KEPT = 2


def offsets_of(names: Iterable[str], suffix: str) -> list[int]:
    """Return the offsets that files of one kind are named after, rising."""
    return sorted(
        int(name[:_DIGITS])
        for name in names
        if name[_DIGITS:] == suffix and name[:_DIGITS].isdecimal()
    )


def path_of(directory: str, offset: int) -> str:
    """Return the path of the snapshot that holds the state before `offset`."""
    return os.path.join(directory, file_name(offset, SNAPSHOT))


def save(
    files: Files,
    directory: str,
    offset: int,
    producers: Producers,
    *,
    bases: Iterable[int],
    sync: bool,
) -> None:
    """Write the state before `offset`; remove older snapshots that no segment begins at."""
    replace_file(files, path_of(directory, offset), producers.encode(), sync=sync)
    kept = set(bases)
    for older in offsets_of(files.list(directory), SNAPSHOT)[:-_NEWEST_KEPT]:
        if older not in kept:
            files.remove(path_of(directory, older))


def cut(files: Files, directory: str, end_offset: int) -> None:
    """Remove the snapshots beyond `end_offset`, on the disk too."""
    beyond = [at for at in offsets_of(files.list(directory), SNAPSHOT) if at > end_offset]
    for offset in beyond:
        files.remove(path_of(directory, offset))
    if beyond:
        # One that came back would tell of batches that others have taken the place of.
        files.sync_dir(directory)


def cut_start(files: Files, directory: str, offset: int) -> None:
    """Remove the snapshots below `offset`."""
    for older in offsets_of(files.list(directory), SNAPSHOT):
        if older < offset:
            files.remove(path_of(directory, older))


def newest(files: Files, directory: str, end_offset: int) -> Iterator[tuple[int, Producers]]:
    """Yield (offset, state) of the snapshots up to `end_offset` that can be read, newest first."""
    for offset in reversed(offsets_of(files.list(directory), SNAPSHOT)):
        if offset > end_offset:
            continue
        path = path_of(directory, offset)
        try:
            yield offset, Producers.decode(files.read(path), path)
        except (CorruptRecordError, FileNotFoundError) as error:
            logger.info("snapshot left out, headers are read instead: %s", error)
