"""Reading chunks for whoever asked, when the way to them is free.

Docs: docs/protocol/attachments.md, section 4.1.
"""

from __future__ import annotations

import trio

from toheal_p2p.ports.vault import Vault
from toheal_p2p.services.link_queue import LinkQueue
from toheal_protocol.machines.file_effects import ChunksLoaded, LoadChunks, LoadedChunk
from toheal_protocol.model import CircleId


async def load_chunks(
    asked: LoadChunks, vault: Vault, *, circle: CircleId, outgoing: LinkQueue | None
) -> ChunksLoaded:
    """Wait until nothing waits to go to the member, and read; nothing where the link is over."""
    try:
        if outgoing is not None:
            await outgoing.quiet()
    except trio.ClosedResourceError:
        return ChunksLoaded(asked.member, asked.file, (), is_missing=False)
    rows = await vault.chunks(circle, asked.file, asked.places)
    found = tuple(LoadedChunk(row.place, row.proof, row.sealed) for row in rows)
    return ChunksLoaded(asked.member, asked.file, found, is_missing=len(found) < len(asked.places))
