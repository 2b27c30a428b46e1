"""Which operations are allowed on what: without an authorizer, all that there are.

A set of operations travels as bits, `1 << code`:

    3 READ   4 WRITE   5 CREATE   6 DELETE   7 ALTER   8 DESCRIBE   9 CLUSTER_ACTION
    10 DESCRIBE_CONFIGS   11 ALTER_CONFIGS   12 IDEMPOTENT_WRITE

Source: KIP-430.
"""

from __future__ import annotations

TOPIC_OPERATIONS = sum(1 << code for code in (3, 4, 5, 6, 7, 8, 10, 11))
CLUSTER_OPERATIONS = sum(1 << code for code in (5, 7, 8, 9, 10, 11, 12))
GROUP_OPERATIONS = sum(1 << code for code in (3, 6, 8))
