"""Broker configs that bound what clients may take over the network.

Names are Kafka's where Kafka has the bound; the others, which it lacks, are said to be ours.
"""

from __future__ import annotations

from ..wire.enums import ConfigType
from .config_def import I32_MAX, I64_MAX, ConfigDef

_INT, _LONG = ConfigType.INT, ConfigType.LONG

CONNECTION_CONFIGS = [
    ConfigDef(
        "max.connections", _INT, I32_MAX, low=1, high=I32_MAX,
        doc="Connections at one time; at most what the system's descriptors allow.",
    ),
    ConfigDef(
        "max.connections.per.ip", _INT, I32_MAX, low=0, high=I32_MAX,
        doc="Connections of one address at one time.",
    ),
    ConfigDef(
        "connections.max.idle.ms", _LONG, 600_000, low=1, high=I64_MAX,
        doc="Silence after which a connection is closed.",
    ),
    ConfigDef(
        "connection.stalled.max.ms", _LONG, 30_000, low=1, high=I64_MAX,
        doc="Silence after which a connection is closed that has begun a request, not read its"
        " answers, or never asked anything. Ours.",
    ),
    ConfigDef(
        "connection.requests.max", _INT, 128, low=1, high=I32_MAX,
        doc="Requests of one connection that wait for an answer before it is read on. Ours.",
    ),
    ConfigDef(
        "connection.unsent.bytes.max", _INT, 1 << 20, low=1, high=I32_MAX,
        doc="Bytes of answers that one connection may leave unread before it is muted. Ours.",
    ),
    ConfigDef(
        "queued.max.request.bytes", _LONG, 256 << 20, low=1, high=I64_MAX,
        doc="Bytes of unfinished requests of all connections.",
    ),
    ConfigDef(
        "queued.max.response.bytes", _LONG, 256 << 20, low=1, high=I64_MAX,
        doc="Bytes of unread answers of all connections; fetches get less as it fills. Ours.",
    ),
    ConfigDef(
        "socket.request.items.max", _INT, 250_000, low=1, high=I32_MAX,
        doc="Items of all arrays, and tagged fields, in one request. Ours.",
    ),
    ConfigDef(
        "socket.request.max.bytes", _INT, 100 << 20, low=1, high=I32_MAX,
        doc="Largest request.",
    ),
    ConfigDef(
        "socket.request.plain.max.bytes", _INT, 4 << 20, low=1, high=I32_MAX,
        doc="Largest request of an API that carries neither records nor assignments. Ours.",
    ),
]  # fmt: skip
