"""The program: `toheal`, which is `python -m toheal_p2p`. Here the command line is given the page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from toheal_p2p.cli import main as run_commands

if TYPE_CHECKING:
    from toheal_p2p.app.page_interface import ServePage


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command line and return the exit code."""
    return run_commands(argv, load_page=_load_page)


def _load_page() -> ServePage:
    """Load the door of the page: only `toheal run` needs it."""
    from toheal_p2p.web.door import serve_page

    return serve_page


if __name__ == "__main__":
    sys.exit(main())
