"""Reading a file the person named."""

from __future__ import annotations

import os
import stat

from toheal_p2p.app.refusals import Refused
from toheal_protocol.messages.file_chunks import MAX_FILE_SIZE


def read_file(path: str) -> bytes:
    """Return the bytes of an ordinary file; nothing that never ends or waits is opened.

    Raises:
        Refused: cannot_read_file, attachment_too_large.
    """
    # a pipe would wait for a writer, here in the process that everybody talks to
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Refused("cannot_read_file", path=path)
            content = file.read(MAX_FILE_SIZE + 1)
    except (OSError, ValueError):
        raise Refused("cannot_read_file", path=path) from None
    if len(content) > MAX_FILE_SIZE:
        raise Refused("attachment_too_large", limit=MAX_FILE_SIZE // (1024 * 1024))
    return content
