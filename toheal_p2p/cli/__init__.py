"""The command line: `toheal`.

Docs: docs/command-line.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect it: 128 and the signal's number."""


def main(argv: Sequence[str] | None = None, *, load_page: Callable[[], Any] | None = None) -> int:
    """Carry out one command and return its exit code: 0 done, 1 refused, 2 not understood.

    Args:
        load_page: gives the page, a `ServePage`; None: there is none, and commands are all.
    """
    try:
        # Inside, so that Ctrl-C during the import ends as quietly as later.
        from toheal_p2p.cli.program import run_program

        return run_program(sys.argv[1:] if argv is None else argv, load_page=load_page)
    except KeyboardInterrupt:
        return INTERRUPTED
