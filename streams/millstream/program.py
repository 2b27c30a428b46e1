"""An app as a program: the options of its command line, and the line it ends with."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import App
    from .runtime.worker import Report


def run_app(app: App, argv: list[str]) -> int:
    """Run an app under the options of its command line; return the exit status."""
    parser = argparse.ArgumentParser(prog=app.name, description=f"Run the app {app.name}.")
    parser.add_argument("--log", metavar="URL", help=f"the log (default: {app.log})")
    parser.add_argument("--until", choices=["end"], help="stop when all input is processed")
    parser.add_argument("--describe", action="store_true", help="show the plan and do not run")
    parser.add_argument("--code", action="store_true", help="with --describe: the fused loops too")
    args = parser.parse_args(argv)
    if args.log:
        app.log = args.log
    if args.describe or args.code:
        sys.stdout.write(app.describe(code=args.code) + "\n")
        return 0
    print_report(app.run(until=args.until))
    return 0


def print_report(report: Report) -> None:
    """Print what a run did, in one line."""
    seconds = max(report.seconds, 1e-9)
    parts = [
        f"{report.records_in:,} records in",
        f"{report.records_out:,} out",
        f"{report.seconds:.2f} s",
        f"{report.records_in / seconds:,.0f}/s",
    ]
    for count, word in (
        (report.late, "late"),
        (report.skipped_null, "null"),
        (report.failed, "failed"),
    ):
        if count:
            parts.append(f"{count:,} {word}")
    sys.stderr.write(", ".join(parts) + "\n")
