"""The project's own files, read once for all house tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("log", "streams", "tests", "examples", "benchmarks")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder that holds pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def trees() -> dict[Path, ast.Module]:
    """Return every Python file of the project, by its path from the root, parsed."""
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT): ast.parse(path.read_bytes(), str(path)) for path in paths}


@pytest.fixture(scope="session")
def imports(trees: dict[Path, ast.Module]) -> dict[Path, list[tuple[int, str, str]]]:
    """Return the imports of every file: line, module (made absolute), name ("" for all of it)."""
    return {path: list(imports_of(path.parts[1:-1], tree)) for path, tree in trees.items()}


def imports_of(package: tuple[str, ...], tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Yield the imports of a file that stands in the given package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, source, alias.name) for alias in node.names)
