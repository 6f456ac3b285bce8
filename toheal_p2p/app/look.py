"""How things look: language, digits, colours, country; what must be known before any vault opens.

So they lie in a small file of the profile's folder, in the clear: they say which language its
owner reads, which colours and whose help lines, and nothing else. The running process writes it,
commands read it; a file that is not there, or makes no sense, means that nothing was chosen.
Nothing heavy is imported here.

Docs: docs/command-line.md, section 8.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from typing import Final, NamedTuple

LOOK: Final = "look"
"""The file's name."""

MAX_SIZE: Final = 256
"""Bytes of it that are read: a few short words."""

_LANGUAGES: Final = ("ar", "en")
_DIGITS: Final = ("latin", "arabic")
_COLOURS: Final = ("system", "light", "dark")
_NEUTRAL: Final = ("on", "off")
_COUNTRY: Final = re.compile("[a-z][a-z]")


class Look(NamedTuple):
    """What was chosen; None: nothing."""

    language: str | None = None
    digits: str | None = None
    colours: str | None = None
    neutral: str | None = None
    """Whether a locked page says nothing of what the program is for."""
    country: str | None = None
    """Whose help lines come first; never here while the look is neutral."""


def read_look(home: str) -> Look:
    """Return what was chosen in a profile's folder."""
    try:
        with open(os.path.join(home, LOOK), "rb") as file:
            return decode_look(file.read(MAX_SIZE))
    except (OSError, ValueError):  # not there, or no path at all
        return Look()


def decode_look(content: bytes) -> Look:
    """Read the file's bytes; whatever is not understood counts as not chosen."""
    try:
        chosen = json.loads(content)
    except (ValueError, RecursionError):
        return Look()
    if not isinstance(chosen, dict):
        return Look()
    return Look(
        _one_of(_LANGUAGES, chosen.get("language")),
        _one_of(_DIGITS, chosen.get("digits")),
        _one_of(_COLOURS, chosen.get("colours")),
        _one_of(_NEUTRAL, chosen.get("neutral")),
        _country(chosen.get("country")),
    )


def _one_of(words: tuple[str, ...], value: object) -> str | None:
    return value if isinstance(value, str) and value in words else None


def _country(value: object) -> str | None:
    return value if isinstance(value, str) and _COUNTRY.fullmatch(value) else None


def write_look(home: str, look: Look) -> None:
    """Put a file in the place of the last one, for its owner only.

    Raises:
        OSError: the folder cannot be written; the last one is still there.
    """
    path = os.path.join(home, LOOK)
    chosen = {name: value for name, value in look._asdict().items() if value is not None}
    next_path = path + ".next"
    descriptor = os.open(next_path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(json.dumps(chosen).encode("ascii"))
        os.replace(next_path, path)
    except OSError:
        with suppress(OSError):
            os.unlink(next_path)
        raise
