"""Sizes that may not grow, words that may not stay, and files that may not be forgotten."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

Trees = dict[Path, ast.Module]
Imports = dict[Path, list[tuple[int, str, str]]]
Function = ast.FunctionDef | ast.AsyncFunctionDef

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 600

CODES = r"[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*"
NOQA = re.compile(rf"#\s*(?:ruff:\s*)?noqa(?P<codes>:\s*{CODES})?(?P<reason>.*)")
REASON = re.compile(r"\w+\W+\w+")  # two words at the least
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E)\b")
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yml", ".yaml", ".txt", ".cfg", ".ini", ""}


def test_functions_are_short(trees: Trees) -> None:
    """A function has at most 60 lines, unless its docstring says `Length:` and why."""
    found = [
        f"{path}:{function.lineno}: {function.name} has {length} lines"
        for path, function in functions(trees)
        if (length := lines_of(function)) > FUNCTION_LINES_MAX
        if "Length:" not in (ast.get_docstring(function) or "")
    ]
    assert not found, "\n".join(found)


def test_files_are_short(trees: Trees, root: Path) -> None:
    """A file has at most 600 lines."""
    lengths = {path: len((root / path).read_bytes().splitlines()) for path in trees}
    found = [
        f"{path} has {length} lines" for path, length in lengths.items() if length > FILE_LINES_MAX
    ]
    assert not found, "\n".join(found)


def test_every_test_says_what_must_be_true(trees: Trees) -> None:
    """Every test has a docstring, and it is a sentence."""
    found = [
        f"{path}:{function.lineno}: {function.name} does not say what must be true"
        for path, function in functions(trees)
        if path.name.startswith("test_") and function.name.startswith("test_")
        if len((ast.get_docstring(function) or "").split()) < 3
    ]
    assert not found, "\n".join(found)


def test_no_test_waits_for_the_clock(trees: Trees) -> None:
    """Unit and property tests never sleep; `sleep(0)`, which only lets others run, is allowed."""
    found = [
        f"{path}:{call.lineno}: sleeps"
        for path, tree in trees.items()
        if path.parts[:2] in {("tests", "unit"), ("tests", "property")}
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and name_of(call.func) == "sleep"
        if not (len(call.args) == 1 and ast.unparse(call.args[0]) == "0")
    ]
    assert not found, "\n".join(found)


def test_nothing_is_left_unfinished(root: Path) -> None:
    """No file carries a note to its writer: what is owed stands in an issue."""
    found = [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in text_files(root)
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not found, "\n".join(found)


def test_every_lint_exclusion_has_a_reason(root: Path) -> None:
    """A rule that is switched off, in pyproject.toml or on a line, says why beside it."""
    ruff = (root / "pyproject.toml").read_text("utf-8").partition("[tool.ruff.lint]")[2]
    ruff = ruff.partition("[tool.mypy]")[0].partition("[tool.coverage")[0]
    excluded = re.compile(r'^\s*"[A-Z]+\d+",|^"[^"]+" = \[')
    found = [
        f"pyproject.toml: no reason: {line.strip()}"
        for line in ruff.splitlines()
        if excluded.match(line) and not REASON.search(line.partition("#")[2])
    ]
    for path in text_files(root, suffixes={".py"}):
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            mark = NOQA.search(line) if path != Path(__file__) else None
            if mark and not (mark["codes"] and REASON.search(mark["reason"])):
                found.append(f"{path.relative_to(root)}:{number}: no code or no reason: {mark[0]}")
    assert not found, "\n".join(found)


def test_no_file_is_forgotten(trees: Trees, imports: Imports, root: Path) -> None:
    """Every module of the packages is used: imported by another, or named in pyproject.toml."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    entry_points = [*project["scripts"].values()]
    for group in project.get("entry-points", {}).values():
        entry_points += group.values()
    used = {point.partition(":")[0] for point in entry_points}
    for source, name in ((source, name) for rows in imports.values() for _, source, name in rows):
        used |= {source, f"{source}.{name}"}
    found = [
        f"{path} is imported by nobody"
        for path in trees
        if path.parts[0] in ("log", "streams") and path.name not in ("__init__.py", "__main__.py")
        if ".".join(path.with_suffix("").parts[1:]) not in used
    ]
    assert not found, "\n".join(found)


def functions(trees: Trees) -> Iterator[tuple[Path, Function]]:
    """Yield every function, method and nested function with its file."""
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield path, node


def lines_of(function: Function) -> int:
    """Return the lines from `def` to the end, both counted; decorators are not."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def name_of(node: ast.expr) -> str:
    """Return the last name in `name` or `a.b.name`, or nothing."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def text_files(root: Path, suffixes: set[str] = TEXT_SUFFIXES) -> Iterator[Path]:
    """Yield the project's own text files: not what tools have made, nor what is hidden."""
    made = {"build", "dist", "site", "data", "LICENSE"}
    for entry in sorted(root.iterdir()):
        if entry.name in made or (entry.name.startswith(".") and entry.name != ".ci"):
            continue
        for path in sorted(entry.rglob("*")) if entry.is_dir() else [entry]:
            if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
                yield path
