"""What one client, and all of them together, may take of the broker; and what is taken now.

Invariants: nothing here grows with what a peer announces, only with what it did; a bound that is
met closes or mutes the connection that met it, and no other.
"""

from __future__ import annotations

import resource
from collections import Counter

import msgspec

from ..broker.config import BrokerConfig

DESCRIPTORS_KEPT = 128
"""Descriptors that connections leave to listening sockets, pipes, and files that are no log's."""

_ALLOWED_SHARE = 4


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a listener; the comment names the broker config."""

    connections_max: int  # max.connections
    connections_per_address_max: int  # max.connections.per.ip
    frame_bytes_max: int  # socket.request.max.bytes
    plain_frame_bytes_max: int  # socket.request.plain.max.bytes
    frame_items_max: int  # socket.request.items.max
    requests_in_flight_max: int  # connection.requests.max
    unsent_bytes_max: int  # connection.unsent.bytes.max
    unsent_bytes_total_max: int  # queued.max.response.bytes
    received_bytes_total_max: int  # queued.max.request.bytes
    idle_seconds_max: float  # connections.max.idle.ms
    stalled_seconds_max: float  # connection.stalled.max.ms

    @property
    def small_frame_bytes_max(self) -> int:
        """Return the size up to which no frame can meet a bound of its contents."""
        return min(self.plain_frame_bytes_max, self.frame_items_max)

    @classmethod
    def of(cls, config: BrokerConfig) -> Limits:
        """Return the bounds that a broker's configs set."""
        number = config.get_int
        return cls(
            connections_max=number("max.connections"),
            connections_per_address_max=number("max.connections.per.ip"),
            frame_bytes_max=number("socket.request.max.bytes"),
            plain_frame_bytes_max=number("socket.request.plain.max.bytes"),
            frame_items_max=number("socket.request.items.max"),
            requests_in_flight_max=number("connection.requests.max"),
            unsent_bytes_max=number("connection.unsent.bytes.max"),
            unsent_bytes_total_max=number("queued.max.response.bytes"),
            received_bytes_total_max=number("queued.max.request.bytes"),
            idle_seconds_max=number("connections.max.idle.ms") / 1000,
            stalled_seconds_max=number("connection.stalled.max.ms") / 1000,
        )


class Usage:
    """What the connections of one listener hold."""

    def __init__(self, limits: Limits) -> None:
        self.by_address: Counter[str] = Counter()
        self.unsent_bytes = 0
        self.received_bytes = 0  # of unfinished frames
        self._unsent_bytes_max = limits.unsent_bytes_total_max

    def answer_bytes_allowed(self) -> int:
        """Return how large an answer may be now: a share of what is left, so it never runs out."""
        return max(0, self._unsent_bytes_max - self.unsent_bytes) // _ALLOWED_SHARE


def raise_descriptor_limit() -> int:
    """Let this process open as many descriptors as the system allows; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError):
            pass  # the system says no: what we have has to do
    return soft
