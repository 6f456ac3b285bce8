"""The listening socket of the page.

Docs: docs/page.md, section 2.
"""

from __future__ import annotations

import socket
from typing import Final

HOST: Final = "127.0.0.1"
"""The page is for this machine only."""

_BACKLOG: Final = 64


def listen(port: int) -> socket.socket:
    """Return a socket that listens on this machine; port 0: any that is free.

    Raises:
        OSError: the port is taken.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if port:  # what the last run left behind must not keep a chosen port closed
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
