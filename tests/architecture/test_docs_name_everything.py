"""What a reader can meet is in the documents: commands, settings, errors, refusals, wire types."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import get_args

import click
import pytest

from tests.support.source import (
    CLIENT,
    CORE,
    DOCS,
    PACKAGES,
    all_documents,
    name_of,
    python_files,
    subclasses_of,
    tree_of,
)

PROGRAMS = {"toheal": "toheal_p2p.cli", "toheal-relay": "toheal_relay.cli"}
"""Program -> the package or module its commands are in."""


def words_missing(words: set[str]) -> list[str]:
    """Return the words that stand in no document as a word of its own."""
    text = all_documents()
    return sorted(
        word for word in words if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_and_option_is_documented(program: str) -> None:
    roots = _root_groups(PROGRAMS[program])
    assert len(roots) == 1
    assert words_missing(set(_commands(roots[0], program))) == []


def _root_groups(name: str) -> list[click.Group]:
    """Return the groups of commands that no other group contains."""
    package = importlib.import_module(name)
    below = pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}.")
    modules = [package, *(importlib.import_module(found.name) for found in below)]
    groups = {
        id(value): value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, click.Group)
    }
    inner = {id(command) for group in groups.values() for command in group.commands.values()}
    return [group for key, group in groups.items() if key not in inner]


def _commands(command: click.Command, path: str) -> Iterator[str]:
    """Yield `toheal circle create` for each command, and each long option."""
    for parameter in command.params:
        yield from (option for option in parameter.opts if option.startswith("--"))
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            if not below.hidden:
                yield f"{path} {name}"
                yield from _commands(below, f"{path} {name}")


def test_every_error_is_documented() -> None:
    errors = set(subclasses_of("ProtocolError", *PACKAGES))
    assert "MalformedFrame" in errors
    assert words_missing(errors) == []


def test_every_refusal_code_is_documented() -> None:
    assert words_missing(set(_refusal_codes())) == []


def _refusal_codes() -> Iterator[str]:
    """Yield what `RefusalCode` lists; mypy sees to it that no other code is raised."""
    yield from get_args(importlib.import_module("toheal_p2p.app.refusals").RefusalCode)


def test_every_setting_is_documented() -> None:
    """A module named `settings` in the client lists them in `SETTINGS`: a mapping or a sequence."""
    modules = [path for path in python_files(CLIENT) if path.stem == "settings"]
    for path in modules:
        name = ".".join(path.relative_to(CLIENT.parent).with_suffix("").parts)
        settings = importlib.import_module(name)
        if not hasattr(settings, "SETTINGS"):
            assert "SETTINGS" not in path.read_text(encoding="utf-8")
            continue
        listed = {getattr(entry, "name", entry) for entry in settings.SETTINGS}
        assert words_missing(listed) == []


WIRE = (CORE / "wire", CORE / "messages")


def test_every_wire_type_is_documented() -> None:
    """A public attrs class of wire/ or messages/ is something that travels.

    In the specification it may be called as in the code (`RelayAddress`) or as in prose
    ("relay address").
    """
    pages = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted((DOCS / "protocol").rglob("*.md"))
    )
    missing = [
        f"{name_of(path)}: {node.name}"
        for path in python_files(*WIRE)
        for node in tree_of(path).body
        if isinstance(node, ast.ClassDef)
        and not node.name.startswith("_")
        and any("frozen" in ast.unparse(decorator) for decorator in node.decorator_list)
        and not re.search(rf"\b({node.name}|{_in_prose(node.name)})", pages, re.IGNORECASE)
    ]
    assert not missing


def _in_prose(name: str) -> str:
    return "[ -]".join(part.lower() for part in re.findall(r"[A-Z][a-z0-9]*", name))


SPEC = re.compile(r"(?:Spec|Docs):\s+((?:docs/)[\w/.-]+\.md)(?:,\s+sections?\s+([\d.]+))?")


def test_every_specification_the_code_quotes_exists() -> None:
    """`Spec: docs/protocol/ratchet.md, section 4.1` needs that page, and a heading with that number."""
    missing = []
    for path in python_files(*PACKAGES):
        for page, section in SPEC.findall(path.read_text(encoding="utf-8")):
            target = DOCS.parent / page
            if not target.is_file():
                missing.append(f"{name_of(path)}: {page}")
            elif section and not _has_section(target.read_text(encoding="utf-8"), section):
                missing.append(f"{name_of(path)}: {page} has no section {section.rstrip('.')}")
    assert sorted(set(missing)) == []


def _has_section(text: str, section: str) -> bool:
    number = re.escape(section.rstrip("."))
    return bool(re.search(rf"^#+ +§? ?{number}[. ]", text, re.MULTILINE))
