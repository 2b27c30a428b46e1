"""What is shipped: the dependencies asked for, and the wheel as a stranger would use it."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

Imports = dict[Path, list[tuple[int, str, str]]]

CORE_MAX = 6

# Run with no site-packages of ours in sight but the third parties': the wheel must come first.
IMPORT_ALL = """
import importlib, pathlib, pkgutil, sys
target = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(target))
for face in sys.argv[2:]:
    package = importlib.import_module(face)
    for room in pkgutil.walk_packages(package.__path__, face + "."):
        if not room.name.endswith("__main__"):
            importlib.import_module(room.name)
for name, module in list(sys.modules.items()):
    if name.partition(".")[0] in sys.argv[2:]:
        assert target in pathlib.Path(module.__file__).parents, module.__file__
"""


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    """Return the project table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return table


def test_core_dependencies_are_few(project: dict[str, Any]) -> None:
    """A bare install asks for at most six packages."""
    assert len(project["dependencies"]) <= CORE_MAX


def test_dependencies_have_lower_bounds_only(project: dict[str, Any]) -> None:
    """Every requirement, core and extra, has one lower bound and no upper one."""
    extras = project["optional-dependencies"].values()
    for text in [*project["dependencies"], *(text for extra in extras for text in extra)]:
        operators = [specifier.operator for specifier in Requirement(text).specifier]
        assert operators == [">="], text


def test_every_import_is_declared(
    project: dict[str, Any], imports: Imports, trees: dict[Path, ast.Module]
) -> None:
    """The packages import the standard library and the core; inside a function, an extra too.

    What plugs into pytest is imported by pytest alone, and may import it.
    """
    plugins = set(project["entry-points"]["pytest11"].values())
    core = {Requirement(text).name for text in project["dependencies"]}
    extras = project["optional-dependencies"]
    lazy = core | {Requirement(text).name for text in [*extras["kafka"], *extras["faust"]]}
    provided = importlib.metadata.packages_distributions()
    ours = {*sys.stdlib_module_names, "millstream", "millstream_log"}
    for path in (path for path in trees if path.parts[0] in ("log", "streams")):
        eager = {node.lineno for node in trees[path].body}
        for line, source, _ in imports[path]:
            top = source.partition(".")[0]
            allowed = core if line in eager else lazy
            if ".".join(path.with_suffix("").parts[1:]) in plugins:
                allowed = allowed | {"pytest"}
            assert top in ours or allowed & set(provided.get(top, [])), f"{path}:{line}: {source}"


@pytest.mark.slow
def test_wheel_works_elsewhere(root: Path, tmp_path: Path) -> None:
    """The built wheel holds both packages whole, typed and licensed, and imports from anywhere."""
    command(root, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"))
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    target = tmp_path / "target"
    install = ["--no-index", "--no-deps", "--quiet", "--disable-pip-version-check"]
    command(tmp_path, "-m", "pip", "install", *install, "--target", str(target), str(wheel))

    command(tmp_path, "-I", "-c", IMPORT_ALL, str(target), "millstream_log", "millstream")
    assert (target / "millstream_log" / "py.typed").is_file()
    assert (target / "millstream" / "py.typed").is_file()
    assert list(target.glob("millstream-*.dist-info/**/LICENSE"))
    assert not (target / "tests").exists()


def command(folder: Path, *arguments: str) -> None:
    """Run this interpreter in a folder, and show what it printed should it fail."""
    run = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
