"""All parsers that read bytes from outside, collected from the lists of the parts.

Each part keeps `tests/support/parsers_<part>.py` with

    PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...]

and may add `SEEDS: tuple[bytes, ...]`, well-formed bytes for the fuzzer to start from.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

FOLDER = Path(__file__).parent


@frozen
class Parser:
    """One function that any bytes may be given to."""

    part: str
    name: str
    parse: Callable[[bytes], object]


def part_names() -> list[str]:
    """Return every part that has a list."""
    return sorted(path.stem.removeprefix("parsers_") for path in FOLDER.glob("parsers_*.py"))


def parsers_of(part: str) -> list[Parser]:
    """Return the parsers of one part."""
    module = importlib.import_module(f"tests.support.parsers_{part}")
    return [Parser(part, name, parse) for name, parse in module.PARSERS]


def seeds_of(part: str) -> list[bytes]:
    """Return well-formed bytes of one part, if it offers any."""
    module = importlib.import_module(f"tests.support.parsers_{part}")
    return list(getattr(module, "SEEDS", ()))


def all_parsers() -> list[Parser]:
    """Return every parser of every part."""
    return [parser for part in part_names() for parser in parsers_of(part)]
