"""The command line: the log's commands, and `run APP.py`."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .app import App

_MODULE = "__millstream_app__"


class RunCommand:
    """`millstream run APP.py`: what `python APP.py` does."""

    name = "run"
    help = "run an app"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the file, and leave the rest to the app."""
        parser.add_argument(
            "app", metavar="APP.py", help="the file; APP.py:name picks one of several"
        )
        parser.add_argument("arguments", nargs=argparse.REMAINDER, help="--log, --until end, …")

    def run(self, args: argparse.Namespace) -> int:
        """Load the app and run it."""
        return load_app(args.app).main(args.arguments)


def load_app(target: str) -> App:
    """Return the app in a file; `file.py:name` where there are several."""
    from .app import App
    from .errors import TopologyError

    filename, _, name = target.partition(":")
    path = Path(filename)
    # Under a name of its own: a file called as another module is does not take its place.
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise TopologyError(f"{filename}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    sys.path.insert(0, str(path.resolve().parent))
    spec.loader.exec_module(module)
    apps = {key: value for key, value in vars(module).items() if isinstance(value, App)}
    if name:
        apps = {key: value for key, value in apps.items() if key == name}
    if len(apps) != 1:
        found = ", ".join(sorted(apps)) or "none"
        raise TopologyError(f"{filename}: one App is needed at the top of the file, found: {found}")
    return next(iter(apps.values()))


def main(argv: list[str] | None = None) -> int:
    """Run the `millstream` command."""
    from millstream_log.cli.main import main as log_main

    return log_main(argv, extra=(RunCommand(),))
