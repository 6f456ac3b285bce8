"""Doing the same on every network of this machine, while it is there.

Spec: docs/protocol/lan.md, section 3.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import trio

from toheal_p2p.ports.lan import Lan, LanFailed, LanStream, Segment

LOOK_EVERY: Final = 3.0
"""Seconds between looks at which networks there are: who has left the room is noticed that soon."""


async def on_every_segment(
    lan: Lan, interfaces: frozenset[str], be_at: Callable[[Segment], Awaitable[None]]
) -> None:
    """Run `be_at` for each network until it is gone; begin anew where it ended. Until cancelled.

    Args:
        interfaces: names of the interfaces that count; empty: all there are.
    """
    places: dict[Segment, trio.CancelScope] = {}

    async def be(segment: Segment, scope: trio.CancelScope) -> None:
        try:
            with scope:
                await be_at(segment)
        except* LanFailed:
            pass  # the network is gone, or lets nobody speak: the next look tries again
        finally:
            places.pop(segment, None)

    async with trio.open_nursery() as nursery:
        while True:
            present = {one for one in lan.segments() if not interfaces or one.name in interfaces}
            for segment in [one for one in places if one not in present]:
                places[segment].cancel()
            for segment in present - places.keys():
                scope = places[segment] = trio.CancelScope()
                nursery.start_soon(be, segment, scope)
            await trio.sleep(LOOK_EVERY)


async def read_exactly(stream: LanStream, size: int) -> bytes:
    """Read this many bytes and no more.

    Raises:
        LanFailed: the connection ended before.
    """
    read = b""
    while len(read) < size:
        some = await stream.receive_some(size - len(read))
        if not some:
            raise LanFailed("the connection ended")
        read += some
    return read


async def close_stream(stream: LanStream) -> None:
    """Close a stream, cancelled or not."""
    with trio.CancelScope(shield=True), suppress(LanFailed):
        await stream.aclose()
