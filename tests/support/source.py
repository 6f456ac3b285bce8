"""Our own source as trees, for the tests that check rules about it."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CORE: Final = ROOT / "protocol" / "toheal_protocol"
RELAY: Final = ROOT / "relay" / "toheal_relay"
CLIENT: Final = ROOT / "toheal_p2p"
DOCS: Final = ROOT / "docs"
TESTS: Final = ROOT / "tests"

PACKAGES: Final = (CORE, RELAY, CLIENT)


def python_files(*folders: Path) -> list[Path]:
    """Return the Python files below these folders, sorted."""
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    """Parse one file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name_of(path: Path) -> str:
    """Return a path as it is written in the repository."""
    return path.relative_to(ROOT).as_posix()


def classes_of(*folders: Path) -> Iterator[tuple[Path, ast.ClassDef]]:
    """Yield every class below these folders with its file."""
    for path in python_files(*folders):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ClassDef):
                yield path, node


def subclasses_of(root: str, *folders: Path) -> dict[str, Path]:
    """Return class name -> file for everything that descends from `root` by name."""
    bases: dict[str, set[str]] = {}
    files: dict[str, Path] = {}
    for path, node in classes_of(*folders):
        bases.setdefault(node.name, set()).update(_last_name(base) for base in node.bases)
        files[node.name] = path
    found = {root}
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more
    return {name: files[name] for name in found if name in files}


def strings_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every literal of a file, bytes as well; docstrings are left out."""
    tree = tree_of(path)
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            if isinstance(node.value, str):
                yield node.lineno, node.value
            elif isinstance(node.value, bytes):
                yield node.lineno, node.value.decode("latin-1")


def documents() -> list[Path]:
    """Return every page of ours that a reader may open."""
    return sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("*/README.md")])


@cache
def all_documents() -> str:
    """Return the text of all pages under docs/."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md")))


@cache
def repository_files() -> list[Path]:
    """Return every file that is or could be committed: git's own, and new ones it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    return sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def _last_name(base: ast.expr) -> str:
    match base:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value):
            return _last_name(value)
        case _:
            return ""
