"""What `millstream serve` does: a broker, a listener, the ready line, a clean end.

    stdout, once it is ready:
    {"ready": true, "host": "127.0.0.1", "port": 9092, "bootstrap": "127.0.0.1:9092", ...}

Invariants: SIGTERM and Ctrl-C end it cleanly, with clients connected too.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import json
import logging
import os
import signal
import sys

from ..broker.broker import Broker
from ..record.checksum import crc32c
from .listener import Listener
from .options import Options, options_of
from .properties import address_text

_SWITCH_SECONDS = 0.0005
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_KEPT_BYTES = 64 << 20


def serve(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; return the exit status.

    Raises:
        LogError: the log cannot be opened, or an option is wrong.
        OSError: the address cannot be listened on.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    options = options_of(args)
    # Flushing and cleaning run in threads: they must not keep the loop waiting for its turn.
    sys.setswitchinterval(_SWITCH_SECONDS)
    _keep_memory()
    asyncio.run(_serve(options))
    return 0


async def _serve(options: Options) -> None:
    loop = asyncio.get_running_loop()
    asked_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_end.set)
    broker = await Broker.open(
        options.data,
        flush=options.flush,
        flush_interval_ms=options.flush_interval_ms,
        configs=options.configs,
    )
    try:
        listener = await Listener.open(
            broker, options.host, options.port, advertised=options.advertised
        )
        host, port = listener.address
        broker.host.config.note("listeners", f"PLAINTEXT://{address_text(host, port)}")
        try:
            gc.freeze()  # what is there now stays: no collection need look at it again
            sys.stdout.write(_ready_line(listener, options) + "\n")
            sys.stdout.flush()
            crc32c(b"")  # loads slowly: not while the first producer waits
            await asked_to_end.wait()
        finally:
            await listener.close()
    finally:
        await broker.close()


def _ready_line(listener: Listener, options: Options) -> str:
    host, port = listener.address
    image = listener.broker.host.image
    return json.dumps(
        {
            "ready": True,
            "host": host,
            "port": port,
            "bootstrap": address_text(host, port),
            "data": os.path.realpath(options.data),
            "node_id": image.node_id,
            "cluster_id": image.cluster_id,
            "pid": os.getpid(),
        }
    )


def _keep_memory() -> None:
    """Let the allocator keep large blocks: a fresh one costs a page fault for every 4 KiB."""
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, 4 * _KEPT_BYTES)
    except (OSError, AttributeError, TypeError):
        pass  # another C library: it has ways of its own
