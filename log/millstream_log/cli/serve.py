"""`millstream serve`: this log as a broker that any Kafka client takes for Apache Kafka."""

from __future__ import annotations

import argparse


class ServeCommand:
    """`millstream serve`."""

    name = "serve"
    help = "serve the log to Kafka clients over TCP"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the options of the server."""
        from ..server.options import add_arguments

        add_arguments(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Serve until SIGTERM or Ctrl-C."""
        from ..server.serve import serve

        return serve(args)
