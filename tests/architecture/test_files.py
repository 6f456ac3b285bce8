"""House rules for files that no linter knows."""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from pathlib import Path

from tests.support.source import (
    PACKAGES,
    ROOT,
    TESTS,
    name_of,
    python_files,
    repository_files,
    tree_of,
)

LONGEST = 450
"""Lines of a file of ours: past 300 there is a second idea in it, past this nobody reads it in one go."""

WORD_LISTS = re.compile(r"/words_\w+\.py$")
"""Lists of words are data in the clothes of a module."""

OURS = [*python_files(*PACKAGES), *python_files(ROOT / "benchmarks", ROOT / "scripts")]

TEXT = {
    ".py",
    ".md",
    ".toml",
    ".yml",
    ".yaml",
    ".json",
    ".css",
    ".js",
    ".html",
    ".po",
    ".svg",
    ".txt",
    "",
}


def test_files_can_be_read_in_one_sitting() -> None:
    long = {
        name_of(path): lines
        for path in OURS
        if not WORD_LISTS.search(path.as_posix())
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST
    }
    assert long == {}


def test_no_error_is_swallowed_without_a_word() -> None:
    """`except Exception: pass` hides bugs; naming the error, or saying why, is enough."""
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in OURS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler)
        and _is_broad(node)
        and not _raises_again(node)
        and not _has_reason(path, node)
    ]
    assert not found


def _is_broad(node: ast.ExceptHandler) -> bool:
    return node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}


def _raises_again(node: ast.ExceptHandler) -> bool:
    return any(isinstance(below, ast.Raise) and below.exc is None for below in ast.walk(node))


def _has_reason(path: Path, node: ast.ExceptHandler) -> bool:
    """A comment on the line of `except`, on the line above, or on the first line below."""
    lines = path.read_text(encoding="utf-8").splitlines()
    near = lines[node.lineno - 2 : node.lineno + 1]
    return any("#" in line for line in near)


def test_cancellation_is_not_an_error() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in OURS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler)
        and node.type is not None
        and "Cancelled" in ast.unparse(node.type).split(".")[-1]
        and "asyncio" not in ast.unparse(node.type)
    ]
    assert not found


def test_a_todo_names_its_issue() -> None:
    found = [
        f"{name_of(path)}:{number}"
        for path in [*OURS, *python_files(TESTS)]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"#.*\b(TODO|FIXME|XXX)\b(?!.*#\d+)", line) and path != Path(__file__)
    ]
    assert not found


def test_modules_say_what_they_are_for() -> None:
    assert [name_of(path) for path in OURS if not ast.get_docstring(tree_of(path))] == []


VAGUE = re.compile(r"(Manager|Handler|Helper|Util|Utils)$")


def test_no_class_has_a_name_that_says_nothing() -> None:
    found = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in OURS
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef) and VAGUE.search(node.name)
    ]
    assert not found


def test_tests_use_fakes_and_not_mocks() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in python_files(TESTS)
        if "mock" in path.read_text(encoding="utf-8").lower()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and "mock" in ast.unparse(node).lower().split("import")[0]
    ]
    assert not found


def test_test_files_have_names_of_their_own() -> None:
    names = Counter(path.name for path in python_files(TESTS) if path.name.startswith("test_"))
    assert [name for name, count in names.items() if count > 1] == []
    assert [name_of(path) for path in TESTS.rglob("__init__.py")] == []


FOREIGN_WORDS = {
    # SHA-256 of lower-case words, cut to 16 hex digits: a list in plain would contain them itself
    "c857d09db23e6822",
    "c70eca6b0f88f44d",
    "60965168ce762e94",
    "7d3194f79e645c42",
    "3ea125d0bff386e6",
    "94a168d2da574b00",
    "d298391b07433318",
    "57de4cf40144bdf7",
}


def test_the_repository_speaks_of_the_project_only() -> None:
    """No path of somebody's machine, and no word from the workshop it was written in."""
    found = []
    for path in repository_files():
        if path.suffix not in TEXT or path.stat().st_size > 1_000_000:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{name_of(path)}: {place}" for place in MACHINE_PATH.findall(text)]
        words = set(re.findall(r"[a-z]+", text.lower()))
        found += [f"{name_of(path)}: {w}" for w in words if _fingerprint(w) in FOREIGN_WORDS]
    assert not found


MACHINE_PATH = re.compile(r"(?<![\w.:-])/(?:work|root|home/\w+|Users/\w+)/[\w./-]+")


def _fingerprint(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()[:16]
