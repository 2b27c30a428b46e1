"""The documentation tells the truth: every Python block in it runs.

The blocks of a page run in order, in one namespace, in a fresh process whose working directory
is empty. Line numbers in a traceback are those of the page. A fence marked `no-run` is left out
(write `{.python .no-run}`, which the site renders too), and so is one in another language.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^`]*)$")
PAGE_SECONDS_MAX = 120


def script_of(page: str) -> str:
    """Return the page with everything blank but its Python blocks, line for line.

    Raises ValueError for a fence that is never closed.
    """
    lines: list[str] = []
    fence: re.Match[str] | None = None
    for line in page.splitlines():
        mark = FENCE.match(line)
        kept = ""
        if fence is None:
            fence = mark
        elif mark and mark["ticks"] == fence["ticks"] and not mark["info"].strip():
            fence = None
        elif is_run(fence["info"]):
            kept = line.removeprefix(fence["indent"])
        lines.append(kept)
    if fence is not None:
        raise ValueError(f"fence never closed: {fence[0].strip()}")
    return "\n".join(lines) + "\n"


def is_run(info: str) -> bool:
    """Tell whether the words behind a fence's ticks ask for it to be run."""
    words = info.replace("{", " ").replace("}", " ").replace(".", " ").split()
    return words[:1] == ["python"] and "no-run" not in words


def pages() -> list[str]:
    """Return every page that holds a block to run, by its path from the root."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        str(path.relative_to(ROOT)) for path in paths if script_of(path.read_text("utf-8")).strip()
    ]


@pytest.mark.slow
@pytest.mark.parametrize("page", pages())
def test_blocks_run(page: str, tmp_path: Path) -> None:
    """Every Python block of a page runs, in order, in one namespace."""
    script = tmp_path / Path(page).with_suffix(".py").name
    script.write_text(script_of((ROOT / page).read_text("utf-8")), "utf-8")
    folder = tmp_path / "work"
    folder.mkdir()
    run = subprocess.run(
        [sys.executable, script],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PAGE_SECONDS_MAX,
        check=False,
    )
    assert run.returncode == 0, f"{page}\n{run.stdout}{run.stderr}"


def test_lines_keep_their_numbers() -> None:
    """A script has the blocks of its page on the lines where they stand there."""
    page = "Text.\n```python\na = 1\n```\n  ```python\n  c = a\n  ```\n"
    assert script_of(page) == "\n\na = 1\n\n\nc = a\n\n"


@pytest.mark.parametrize("info", ["python no-run", "{.python .no-run}", "console", ""])
def test_other_blocks_are_left_out(info: str) -> None:
    """A block marked `no-run`, or in another language, is not run."""
    assert not script_of(f"```{info}\na = 1\n```\n").strip()


def test_a_fence_must_be_closed() -> None:
    """A page whose last fence is left open is refused, for it would hide all that follows."""
    with pytest.raises(ValueError, match="never closed"):
        script_of("```python\na = 1\n")
