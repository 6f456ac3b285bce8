"""The command line: `toheal`.

Docs: docs/command-line.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect it: 128 and the signal's number."""


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one command and return its exit code: 0 done, 1 refused, 2 not understood."""
    try:
        # Inside, so that Ctrl-C during the import ends as quietly as later.
        from toheal_p2p.cli.program import run_program

        return run_program(sys.argv[1:] if argv is None else argv)
    except KeyboardInterrupt:
        return INTERRUPTED
