"""The checkpoint: what a task must know to go on as if it had never stopped.

It is one record in the task's changelog partition, written as the last of each commit's batch,
so state and positions are one append: there whole, or not there.

    changelog batch:  change, change, …, checkpoint (key ff 'checkpoint', value msgpack)

Invariants: `positions` are offsets of the next record to read; the stores hold exactly the
effect of what lies below them; `outlets` are ends of repartition partitions at that moment.
"""

from __future__ import annotations

import msgspec

from ..errors import StateStoreError

CHECKPOINT_KEY = b"\xffcheckpoint"
MARK_KEY = b"\xffsource"
"""Key of the records that end a batch in a repartition topic: who sent it, and how far it had read.

No key of an event begins with ff: it is neither UTF-8 nor more than one byte of msgpack.
"""


class StoreRecord(msgspec.Struct):
    """What is remembered of one store."""

    store_id: int  # first byte of its keys
    schema: str
    open: list[int] = []  # starts of windows that hold something
    closed_before: int = -(1 << 63)  # windows that start below take nothing more


class Checkpoint(msgspec.Struct):
    """What one commit says of its task."""

    positions: dict[str, int] = {}  # "topic/partition" -> next offset to read
    times: dict[str, int] = {}  # "topic/partition" -> largest event time seen
    stores: dict[str, StoreRecord] = {}  # by name
    outlets: dict[str, int] = {}  # repartition "topic/partition" -> log end

    def store(self, name: str, schema: str) -> StoreRecord:
        """Return the record of a store, made when it is new.

        Raises StateStoreError when the store under this name holds another schema.
        """
        known = self.stores.get(name)
        if known is None:
            used = {record.store_id for record in self.stores.values()}
            free = next(i for i in range(255) if i not in used)
            known = self.stores[name] = StoreRecord(free, schema)
        if known.schema != schema:
            raise StateStoreError(
                f"the store {name!r} was written as [{known.schema}] and the app now says "
                f"[{schema}]. Give the aggregate a new name with agg(name=...), or start over "
                "under another app name"
            )
        return known


class SourceMark(msgspec.Struct, array_like=True):
    """Which task sent a batch to a repartition partition, and how far it had come."""

    task: str
    positions: dict[str, int]  # "topic/partition" -> next offset to read
    closed: dict[str, int]  # aggregate -> windows that start below have sent their final rows


encode_checkpoint = msgspec.msgpack.Encoder().encode
decode_checkpoint = msgspec.msgpack.Decoder(Checkpoint).decode
encode_mark = msgspec.msgpack.Encoder().encode
decode_mark = msgspec.msgpack.Decoder(SourceMark).decode
