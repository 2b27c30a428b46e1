"""Which leader epoch began at which offset.

Invariants:
    Epochs and their start offsets both rise strictly.
Source: KIP-101 and KIP-279 (truncation by epoch); the file is Kafka's leader-epoch-checkpoint.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from ..errors import CorruptRecordError
from .checkpoint import decode_rows, encode_rows


class LeaderEpochs:
    """The epochs of one log, oldest first."""

    __slots__ = ("_epochs", "_starts")

    def __init__(self) -> None:
        self._epochs: list[int] = []
        self._starts: list[int] = []

    def __len__(self) -> int:
        return len(self._epochs)

    @property
    def latest(self) -> int:
        """Return the newest epoch, -1 when there is none."""
        return self._epochs[-1] if self._epochs else -1

    def entries(self) -> list[tuple[int, int]]:
        """Return (epoch, start offset), oldest first."""
        return list(zip(self._epochs, self._starts, strict=True))

    def assign(self, epoch: int, start_offset: int) -> bool:
        """Note that batches of `epoch` begin at `start_offset`; tell whether that is new.

        What contradicts it, a later start or a higher epoch, goes.
        """
        if epoch < 0 or (self._epochs and self._epochs[-1] == epoch):
            return False
        keep = min(bisect_left(self._epochs, epoch), bisect_left(self._starts, start_offset))
        del self._epochs[keep:], self._starts[keep:]
        self._epochs.append(epoch)
        self._starts.append(start_offset)
        return True

    def end_of(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """Return (largest epoch <= `epoch`, offset where it ends); (-1, -1) when unknown."""
        if epoch < 0 or not self._epochs or epoch > self._epochs[-1]:
            return (-1, -1)
        if epoch == self._epochs[-1]:
            return (epoch, log_end_offset)
        higher = bisect_right(self._epochs, epoch)
        if higher == 0:
            return (epoch, self._starts[0])
        return (self._epochs[higher - 1], self._starts[higher])

    def at(self, offset: int) -> int:
        """Return the epoch of the record at `offset`, -1 when unknown."""
        index = bisect_right(self._starts, offset)
        return self._epochs[index - 1] if index else -1

    def cut_end(self, offset: int) -> bool:
        """Forget epochs that begin at `offset` or later; tell whether any did."""
        keep = bisect_left(self._starts, offset)
        changed = keep < len(self._starts)
        del self._epochs[keep:], self._starts[keep:]
        return changed

    def cut_start(self, offset: int) -> bool:
        """Let the epochs begin at `offset`; tell whether that changes anything."""
        before = bisect_right(self._starts, offset)
        if not before or (before == 1 and self._starts[0] == offset):
            return False
        del self._epochs[: before - 1], self._starts[: before - 1]
        self._starts[0] = offset
        return True

    def encode(self) -> bytes:
        """Write leader-epoch-checkpoint."""
        return encode_rows(self.entries())

    @classmethod
    def decode(cls, data: bytes, path: str) -> LeaderEpochs:
        """Read leader-epoch-checkpoint. Raises CorruptRecordError."""
        made = cls()
        try:
            for epoch, start in decode_rows(data, 2, path):
                made.assign(int(epoch), int(start))
        except ValueError as error:
            raise CorruptRecordError(f"{path}: {error}") from error
        return made
