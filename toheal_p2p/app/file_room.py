"""How much room files may take, on this device and in each circle.

Docs: docs/protocol/attachments.md, section 6.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from toheal_p2p.app.refusals import Refused
from toheal_p2p.ports.vault import Vault
from toheal_protocol.messages.file_chunks import CHUNK_SIZE
from toheal_protocol.model import CircleId

CIRCLE_MOST: Final = 500_000_000
"""Bytes of chunks kept in one circle: fifty of the largest files."""

ALL_MOST: Final = 2_000_000_000
"""Bytes of chunks kept in all circles together."""

LEFT_FREE: Final = 64_000_000
"""Bytes that stay free on the disk: words must always find room."""

_MEGABYTE: Final = 1_000_000


async def require_room(vault: Vault, home: Path, circle: CircleId, *, chunks: int) -> None:
    """Refuse chunks for which there is no room: attachments_full, disk_full."""
    for kept, most in (
        (await vault.chunk_count(circle), CIRCLE_MOST),
        (await vault.chunk_count(None), ALL_MOST),
    ):
        if (kept + chunks) * CHUNK_SIZE > most:
            raise Refused("attachments_full", limit=most // _MEGABYTE)
    # each chunk is written twice for a while: into the log of the store, and into the store
    if shutil.disk_usage(home).free < chunks * CHUNK_SIZE * 2 + LEFT_FREE:
        raise Refused("disk_full")
