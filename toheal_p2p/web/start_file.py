"""The file that leads a browser to the page: for its owner only, good for one minute and once.

The key to the page must not stand on a command line, where every user of the machine can read it.

Docs: docs/page.md, section 2.
"""

from __future__ import annotations

import html
import os
from pathlib import Path

from toheal_p2p.app.page_interface import write_private


def write_start_file(path: Path, address: str) -> None:
    """Write the file.

    Args:
        address: where to go, with the token in its fragment: a browser sends that to nobody.

    Raises:
        OSError: it cannot be written.
    """
    os.makedirs(path.parent, mode=0o700, exist_ok=True)
    target = html.escape(address, quote=True)
    write_private(
        path,
        f'<!doctype html><meta charset="utf-8"><title>…</title>'
        f'<meta name="referrer" content="no-referrer">'
        f'<meta http-equiv="refresh" content="0; url={target}">',
    )
