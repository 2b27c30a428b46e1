"""The command `millstream`: its words, and how each of them may end.

    0 done · 1 cannot be done, one line says why · 2 wrong words · 130 Ctrl-C · 141 reader gone

Invariants: no traceback reaches a person unless MILLSTREAM_DEBUG=1 asks for it; commands
import what is heavy when they run.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from ..errors import LockedError, LogError
from .command import LOG_DEFAULT, Command, CommandError, add_log, add_words
from .configs import configs_family
from .dump import DumpCommand
from .groups import groups_family
from .importer import ImportCommand
from .output import drop_stdout, note
from .read import read_word
from .serve import ServeCommand
from .topics import topics_family
from .write import write_word

DONE, FAILED, INTERRUPTED, READER_GONE = 0, 1, 130, 141


def main(argv: Sequence[str] | None = None, *, extra: Sequence[Command] = ()) -> int:
    """Run one command; return the exit status. `extra` are words of other packages.

    Raises SystemExit(2) for words it does not know, as argparse does.
    """
    args = _parse(argv, extra)
    command: Command | None = args.command
    try:
        if command is None:
            args.parser.print_help()
            return 2
        status = command.run(args)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        drop_stdout()
        return READER_GONE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("MILLSTREAM_DEBUG") == "1":
            traceback.print_exc()
        note(explain(error))
        return FAILED


def explain(error: Exception) -> str:
    """Return what went wrong, in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, LockedError):
        return f"{text}; only one process at a time may write: stop that one first"
    if isinstance(error, OSError) and error.strerror:
        path = f"{error.filename}: " if error.filename else ""
        return f"{path}{error.strerror}"
    if isinstance(error, CommandError | LogError) or _is_ours(error):
        return text or type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{place}; MILLSTREAM_DEBUG=1 shows the traceback"


def _is_ours(error: Exception) -> bool:
    """Tell whether an error was raised on purpose, by the package of an extra word too."""
    return type(error).__module__.partition(".")[0] in ("millstream", "millstream_log")


def _parse(argv: Sequence[str] | None, extra: Sequence[Command]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="millstream",
        description="Look into a log, write to it, and run apps on it.",
    )
    parser.add_argument("--version", action=_ShowVersion, nargs=0, help="show it and exit")
    add_log(parser, dest="log_first")
    parser.set_defaults(log=None, log_first=None, json=False, command=None, parser=parser)
    own: list[Command] = [
        topics_family(),
        read_word(),
        write_word(),
        ImportCommand(),
        groups_family(),
        configs_family(),
        ServeCommand(),
        DumpCommand(),
    ]
    add_words(parser, [*own, *extra], metavar="COMMAND")
    args = parser.parse_args(argv)
    if args.log_first is not None and args.command in extra:
        parser.error(f"--log goes behind the words of `{args.command.name}`")
    args.log = args.log or args.log_first or LOG_DEFAULT
    return args


class _ShowVersion(argparse.Action):
    """Prints the version, which is looked up no sooner."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        import importlib.metadata

        print(f"millstream {importlib.metadata.version('millstream')}")
        parser.exit()
