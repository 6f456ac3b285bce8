"""The process that cleans one file: bytes in on standard input, clean ones out on standard output.

```
answer = code || newline || clean bytes        code: a number of `Medium`, or a reason
```
It gives up rights it does not need before it looks at the first byte.
"""

from __future__ import annotations

import sys
from typing import Final

from toheal_p2p.adapters.media.pictures import clean_picture
from toheal_p2p.adapters.media.refusing import Uncleanable
from toheal_p2p.adapters.media.sniffing import is_webm, sniff
from toheal_p2p.adapters.media.voices import clean_voice
from toheal_p2p.adapters.process_name import take_neutral_name
from toheal_protocol.messages.attachment import Medium
from toheal_protocol.messages.file_chunks import MAX_FILE_SIZE

MEMORY: Final = 2 * 1024**3
"""Bytes of address space: a picture of the largest size three times over, and the libraries."""

SECONDS: Final = 60
"""Seconds of CPU. The largest picture takes about five."""


def main() -> None:
    """Clean what comes on standard input."""
    take_neutral_name()
    _give_up_rights()
    content = sys.stdin.buffer.read(MAX_FILE_SIZE + 1)
    try:
        medium, cleaned = _clean(content)
        answer = b"%d\n" % medium + cleaned
    except Uncleanable as error:
        answer = error.reason.encode() + b"\n"
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()


def _clean(content: bytes) -> tuple[Medium, bytes]:
    if len(content) > MAX_FILE_SIZE:
        raise Uncleanable("attachment_too_large")
    medium = Medium.OGG if is_webm(content) else sniff(content)
    if medium is None:
        raise Uncleanable("attachment_unknown")
    is_picture = medium < Medium.OGG
    cleaned = clean_picture(content, medium) if is_picture else clean_voice(content, medium)
    if len(cleaned) > MAX_FILE_SIZE:
        raise Uncleanable("attachment_too_large")
    return medium, cleaned


def _give_up_rights() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits; a process of its own it is all the same
        return
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))


if __name__ == "__main__":
    main()
