"""The URLs that clients can open; what opens one is imported when it is first asked for."""

from __future__ import annotations

from .client.transport import Transport, register_scheme


async def _open_file(url: str) -> Transport:
    from .embedded import open_file

    return await open_file(url)


async def _open_memory(url: str) -> Transport:
    from .embedded import open_memory

    return await open_memory(url)


async def _open_kafka(url: str) -> Transport:
    from .remote.transport import open_kafka

    return await open_kafka(url)


register_scheme("file", _open_file)
register_scheme("memory", _open_memory)
register_scheme("kafka", _open_kafka)
