"""Any bytes in, a value or `RemoteError` out: for every parser that any part has registered."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.parsers import FOLDER, Parser, all_parsers, part_names, seeds_of
from tests.support.source import CORE, python_files, tree_of
from toheal_protocol.errors import RemoteError

PARSERS = all_parsers()

every_parser = pytest.mark.parametrize(
    "parser", PARSERS, ids=[f"{parser.part}-{parser.name}" for parser in PARSERS]
)


def read(parser: Parser, frame: bytes) -> None:
    """Let the parser read; whatever it raises besides `RemoteError` fails the test."""
    try:
        parser.parse(frame)
    except RemoteError:
        pass


def garbage(seed: int, size: int) -> bytes:
    return hashlib.shake_128(b"garbage %d" % seed).digest(size)


@every_parser
@given(frame=st.binary(max_size=3000))
@settings(max_examples=50)
def test_any_bytes_give_a_value_or_a_remote_error(parser: Parser, frame: bytes) -> None:
    read(parser, frame)


@every_parser
@pytest.mark.parametrize("size", [1, 16, 33, 129, 600, 2537])
def test_every_first_byte_does_no_harm(parser: Parser, size: int) -> None:
    """The first byte chooses the layout: none is left to chance."""
    for first in range(256):
        read(parser, bytes([first]) + garbage(first, size - 1))
        read(parser, bytes([first]) + bytes(size - 1))
        read(parser, bytes([first]) + b"\xff" * (size - 1))


@every_parser
def test_64_kilobytes_of_garbage_do_no_harm(parser: Parser) -> None:
    for frame in (garbage(1, 65536), bytes(65536), b"\xff" * 65536, b"[" * 65536):
        read(parser, frame)


@every_parser
def test_empty_and_huge_frames_do_no_harm(parser: Parser) -> None:
    for frame in (b"", b"\x00", bytes(1 << 20)):
        read(parser, frame)


@pytest.mark.parametrize("part", part_names())
def test_well_formed_bytes_with_one_byte_changed_do_no_harm(part: str) -> None:
    """Seeds reach the depths that random bytes do not: cut, lengthened, and changed in each place."""
    for seed in seeds_of(part):
        step = max(1, len(seed) // 200)
        changed = [seed[:at] for at in range(0, len(seed), step)]
        changed += [seed + b"\x00", seed + seed]
        changed += [
            seed[:at] + bytes([seed[at] ^ flip]) + seed[at + 1 :]
            for at in range(0, len(seed), step)
            for flip in (0x01, 0x80, 0xFF)
        ]
        for parser in (parser for parser in PARSERS if parser.part == part):
            for frame in changed:
                read(parser, frame)


def test_every_public_parser_of_the_core_is_registered() -> None:
    """A parser that nobody registers is a parser that nobody fuzzes."""
    registered = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("parsers_*.py"))
    )
    words = set(ast_names(registered))
    missing = sorted(
        f"{path.relative_to(CORE)}: {name}"
        for path in python_files(CORE)
        for name in public_parsers(path)
        if name not in words
    )
    assert not missing


def public_parsers(path: Path) -> list[str]:
    """Return the public functions that by their name and first argument read bytes or text."""
    return [
        node.name
        for node in tree_of(path).body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith(("decode_", "parse_"))
        and node.args.args
        and ast.unparse(node.args.args[0].annotation or ast.Constant(None)) in READ_TYPES
    ]


READ_TYPES = {"bytes", "str", "Frame"}


def ast_names(source: str) -> list[str]:
    """Return every name a source uses, as a word of its own."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            found.append(node.id)
        elif isinstance(node, ast.Attribute):
            found.append(node.attr)
        elif isinstance(node, ast.alias):
            found.append(node.name)
    return found
