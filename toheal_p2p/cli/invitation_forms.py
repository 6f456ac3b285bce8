"""The forms one invitation link can take: the link itself, a file, a QR code on screen or as SVG.

All of them hold the same text. It opens the circle's door to whoever has it, so files are for
their owner only.
"""

from __future__ import annotations

import io
import os
import re
import sys
import unicodedata

from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli.files import STDIN, read_first_line, write_private_file
from toheal_p2p.cli.parsing import LONGEST_WORD

LINK_START = "toheal:"

LONGEST_CODE = 512
"""Characters of a spoken code: far above any, far below a pasted text."""

_PIECES = re.compile(r"\d+|[^\W\d_]+")

_WHITE_ON_BLACK = "\x1b[97;40m"
_RESET = "\x1b[0m"


def read_link(given: str) -> str:
    """Return the link that the person gave: itself, `-`, `@FILE`, or the path of a file.

    A link copied out of a message brings spaces, line ends and direction marks along; none of
    them belongs to it, so they are dropped.

    Raises:
        Refused: invitation_foreign; cannot_read_file.
    """
    link = _without_strays(given)
    if given == STDIN:
        link = _without_strays(read_first_line(STDIN, most=LONGEST_WORD))
    elif given.startswith("@"):
        link = _without_strays(read_first_line(given[1:], most=LONGEST_WORD))
    elif not link.startswith(LINK_START) and os.path.isfile(given):
        link = _without_strays(read_first_line(given, most=LONGEST_WORD))
    if not link.startswith(LINK_START):
        raise Refused("invitation_foreign")
    return link


def is_spoken(given: str) -> bool:
    """Say whether the person gave the number and words of a spoken code rather than a link.

    Only what it is taken for: the running process reads it, and says what does not fit.
    """
    pieces = _PIECES.findall(given)
    words = sum(not piece[0].isdecimal() for piece in pieces)
    has_other_signs = ":" in given or "/" in given or os.path.isfile(given)
    return not has_other_signs and len(pieces) > words >= 2 and len(given) <= LONGEST_CODE


def write_link_file(path: str, link: str) -> None:
    """Write the link into a file that `toheal join` takes."""
    write_private_file(path, f"{link}\n".encode())


def write_link_svg(path: str, link: str) -> None:
    """Write the link as a QR code into an SVG file."""
    import segno

    image = io.BytesIO()
    segno.make_qr(link, error="m").save(image, kind="svg", scale=4, light="white")
    write_private_file(path, image.getvalue())


def link_for_terminal(link: str) -> str:
    """Return the link as a QR code of half blocks: light modules are drawn, dark ones are gaps.

    On a terminal the colours are set, because readers want dark on light whatever its theme.
    """
    import segno

    drawing = io.StringIO()
    segno.make_qr(link, error="l").terminal(drawing, border=4, compact=True)
    lines = drawing.getvalue().splitlines()
    if sys.stdout is not None and sys.stdout.isatty():
        lines = [f"{_WHITE_ON_BLACK}{line}{_RESET}" for line in lines]
    return "\n".join(lines)


def _without_strays(text: str) -> str:
    return "".join(
        char for char in text if not char.isspace() and unicodedata.category(char) != "Cf"
    )
