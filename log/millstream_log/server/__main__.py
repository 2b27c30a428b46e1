"""`python -m millstream_log.server`: what `millstream serve` does, without the other commands."""

from __future__ import annotations

import argparse
import sys

from ..errors import LogError
from .options import add_arguments
from .serve import serve


def main() -> int:
    """Serve until a signal comes; return the exit status."""
    parser = argparse.ArgumentParser(prog="millstream serve", description=__doc__)
    add_arguments(parser)
    try:
        return serve(parser.parse_args())
    except (LogError, OSError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
