"""The directions of import: the contracts of .importlinter, and what they cannot say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

Imports = dict[Path, list[tuple[int, str, str]]]


def test_contracts_hold(root: Path) -> None:
    """Every contract in .importlinter is kept."""
    lint_imports = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run(
        [lint_imports, "--no-cache"], cwd=root, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_no_room_imports_a_face(imports: Imports) -> None:
    """Inside the packages a name is imported from the room that defines it, not from a face."""
    rooms = {module_of(path): path for path in imports if path.parts[0] in ("log", "streams")}
    found = [
        f"{path}:{line}: `{name}` is taken from the face of `{source}`"
        for path in rooms.values()
        for line, source, name in imports[path]
        if is_face(source, rooms) and f"{source}.{name}" not in rooms
    ]
    assert not found, "\n".join(found)


def module_of(path: Path) -> str:
    """Return the dotted name of a file in log/ or streams/."""
    parts = path.with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_face(module: str, rooms: dict[str, Path]) -> bool:
    """Tell whether a dotted name is a package of ours, so that its names come from __init__."""
    return module in rooms and rooms[module].name == "__init__.py"
