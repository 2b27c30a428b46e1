"""What every request has in common: the type of its answer.

Invariants: nothing here knows a version or a byte; the codec fills these same values.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

R_co = TypeVar("R_co", covariant=True)


class Request(msgspec.Struct, Generic[R_co], kw_only=True, gc=False):
    """A request whose answer is an `R_co`."""
