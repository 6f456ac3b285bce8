"""Reading and writing the few files that a command is given by name.

`-` is standard input. What is written can be read by its owner only: it opens doors.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from toheal_p2p.app.refusals import Refused

STDIN = "-"


def read_text_file(path: str, *, most: int) -> str | None:
    """Return a file's text, or None if it has more than `most` bytes.

    Raises:
        Refused: cannot_read_file, also where it is not UTF-8.
    """
    try:
        if path == STDIN:
            content = _standard_input().read(most + 1)
        else:
            with open(path, "rb") as file:
                content = file.read(most + 1)
        return content.decode("utf-8-sig") if len(content) <= most else None
    except (OSError, ValueError):
        raise Refused("cannot_read_file", path=path) from None


def read_first_line(path: str, *, most: int) -> str:
    """Return a file's first line without its end; what comes after `most` bytes is not read.

    From standard input only that line is taken: the next one can answer a question.

    Raises:
        Refused: cannot_read_file, also where it is not UTF-8.
    """
    try:
        if path == STDIN:
            line = _standard_input().readline(most)
        else:
            with open(path, "rb") as file:
                line = file.readline(most)
        return line.decode("utf-8-sig").rstrip("\r\n")
    except (OSError, ValueError):
        raise Refused("cannot_read_file", path=path) from None


def write_private_file(path: str, content: bytes) -> None:
    """Write a file that only its owner can read, in the place of an earlier one.

    Raises:
        Refused: cannot_write_file.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode=0o600)
        with open(descriptor, "wb") as file:
            if hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), 0o600)
            file.write(content)
    except (OSError, ValueError):
        raise Refused("cannot_write_file", path=path) from None


def write_new_file(path: str, content: bytes) -> bool:
    """Write a file that only its owner can read; False, and nothing done, where there is one.

    Raises:
        Refused: cannot_write_file.
    """
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, mode=0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
    except FileExistsError:
        return False
    except (OSError, ValueError):
        raise Refused("cannot_write_file", path=path) from None
    return True


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise OSError("no standard input")
    return sys.stdin.buffer
