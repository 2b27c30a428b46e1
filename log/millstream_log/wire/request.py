"""What every request has in common: the type of its answer, its version, and who asks.

Invariants: handlers know a version as a number and never see a byte; a request that a client of
this process makes is of the newest version.
"""

from __future__ import annotations

from typing import ClassVar, Generic, NamedTuple, TypeVar

import msgspec

from .schema import VERSION_MAX, Api

R_co = TypeVar("R_co", covariant=True)


class Peer(NamedTuple):
    """Who asks, and the address of ours that it has reached."""

    client_id: str = ""
    client_host: str = ""
    broker_host: str = ""  # empty within this process
    broker_port: int = 0


LOCAL = Peer()


class Request(msgspec.Struct, Generic[R_co], kw_only=True, gc=False):
    """A request whose answer is an `R_co`."""

    api: ClassVar[Api]

    version: int = VERSION_MAX  # not on the wire: its header tells
    peer: Peer = LOCAL  # not on the wire
