"""The shape of every coordinator: a pure machine that decides, and a shell that acts.

    handle(request, ticket, now_ms) -> Outcome     nothing durable has changed yet
    shell:  append records as one batch -> replay each -> (flush) -> send the replies
    tick(now_ms) -> Outcome                        what time alone brings about
    deadline_ms() -> int | None                    when tick has something to do next

Invariants: what must outlive a crash changes in `replay` alone, live and on reload alike; what
dies with the process (who is a member just now, who waits) may change while handling; time and
chance are arguments; a request that cannot be answered yet is named by its ticket, and the
outcome of a later call holds its reply.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .errors import ErrorCode

Ticket = int
"""What the shell calls a request that waits; the machine hands it back with the reply."""

LogRecord = tuple[bytes, bytes | None]
"""Key and value of a record to append; a None value is a tombstone."""


class Outcome(msgspec.Struct, kw_only=True):
    """What is to be done, in this order: append, replay, reply."""

    records: list[LogRecord] = msgspec.field(default_factory=list)  # one batch, in this order
    producer: tuple[int, int] | None = None  # id and epoch whose transaction the batch is part of
    replies: list[tuple[Ticket, Any]] = msgspec.field(default_factory=list)
    on_failure: Callable[[ErrorCode], Outcome] | None = None  # in place of replies: append failed
