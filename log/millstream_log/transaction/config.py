"""The numbers a transaction coordinator goes by, under Kafka's names and with its defaults.

Kafka looks for transactions to abort, and for ids to forget, at intervals; here each has its exact
deadline, and the interval is how long a step waits that could not be written.
"""

from __future__ import annotations

import msgspec


class TransactionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator decides about transactions."""

    timeout_max_ms: int = 900_000  # transaction.max.timeout.ms
    id_expiration_ms: int = 604_800_000  # transactional.id.expiration.ms
    retry_ms: int = 10_000  # transaction.abort.timed.out.transaction.cleanup.interval.ms
    ids_max: int = 100_000  # transactional.ids.max; Kafka has no bound
    partitions_max: int = 10_000  # transaction.partitions.max, of one transaction; nor here
