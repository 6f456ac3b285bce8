"""The core decides and does nothing else: what the import contracts cannot see, read from its trees."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.source import CORE, name_of, python_files, tree_of

CORE_FILES = [*python_files(CORE)]

NOT_IN_THE_CORE = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"}
"""Built-in functions that touch the world or run what they are given."""

MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


def _asynchronous(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.AsyncWith | ast.AsyncFor | ast.Await):
            yield node


def _rebinding_of_globals(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield node


def _calls_into_the_world(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in NOT_IN_THE_CORE:
                yield node


def _mutable_state_of_a_module(tree: ast.Module) -> Iterator[ast.AST]:
    """A list, dict or set at module level is state that every caller shares."""
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if isinstance(value, MUTABLE) and names != ["__all__"] and not _is_final(node):
            yield node


def _is_final(node: ast.stmt) -> bool:
    """A table that `Final` declares constant; mypy sees to the name, readers to the rest."""
    return isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith("Final")


def _drawing_ml_kem(tree: ast.Module) -> Iterator[ast.AST]:
    """`encapsulate` of the library draws by itself: it may be called on `entropy` only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in {"encapsulate", "generate"}:
                if not ast.unparse(node.func.value).endswith("entropy"):
                    yield node


RULES: list[Callable[[ast.Module], Iterator[ast.AST]]] = [
    _asynchronous,
    _rebinding_of_globals,
    _calls_into_the_world,
    _mutable_state_of_a_module,
    _drawing_ml_kem,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__.strip("_"))
def test_the_core_has_none_of_this(rule: Callable[[ast.Module], Iterator[ast.AST]]) -> None:
    found = [
        f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        for path in CORE_FILES
        for node in rule(tree_of(path))
    ]
    assert not found


def test_states_events_and_effects_are_frozen() -> None:
    """`@define` or a plain dataclass in the core could be changed behind a caller's back."""
    found = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in CORE_FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef)
        for decorator in map(ast.unparse, node.decorator_list)
        if decorator.split("(")[0] in {"define", "attrs.define", "mutable", "dataclass"}
        and "frozen=True" not in decorator
    ]
    assert not found


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("async def f(): ...", _asynchronous),
        ("def f():\n    global x", _rebinding_of_globals),
        ("open('x')", _calls_into_the_world),
        ("cache: dict[str, int] = {}", _mutable_state_of_a_module),
        ("seen = []", _mutable_state_of_a_module),
        ("key.encapsulate()", _drawing_ml_kem),
    ],
)
def test_the_rules_notice_what_they_are_for(
    source: str, rule: Callable[[ast.Module], Iterator[ast.AST]]
) -> None:
    assert list(rule(ast.parse(source)))


def test_there_is_a_core_to_look_at() -> None:
    assert CORE / "model.py" in CORE_FILES
    assert isinstance(CORE_FILES[0], Path)
