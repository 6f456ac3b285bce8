"""What a relay still has in memory of frames that were taken over: nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from tests.support.recording import memory_of
from tests.support.relays import Caller, RelayProcess, calling, relay_process
from toheal_protocol.wire.mailbox import ItemId
from toheal_relay.machine import overwrite_freed_memory
from toheal_relay.server.control import ask_holdings

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process"),
]

SIZES = (552, 1192, 2600, 4648, 8744, 16936, 33320, 66600, 99368)
"""Bytes of a deposit (docs/protocol/circle.md, section 2): one of nine sizes and 40 bytes of seal."""

PATIENCE = 60.0
"""Seconds within which everything must be gone. It is gone at once."""

PIECE = 512
"""Bytes we look for at once: Python keeps smaller pieces in pools of its own, and the last piece of what
came over the wire may be left there."""


def pieces_of(frames: list[bytes]) -> list[bytes]:
    """Return what to look for: a piece at the beginning, in the middle, and at the end of each."""
    ends = [(frame, len(frame) - PIECE) for frame in frames]
    return [frame[at : at + PIECE] for frame, end in ends for at in (0, end // 2, end)]


def found_in(relay: RelayProcess, pieces: list[bytes]) -> int:
    """Return how many of the pieces are in the relay's memory."""
    regions = memory_of(relay.process.pid)
    return sum(any(piece in region for region in regions) for piece in pieces)


async def pass_frames(relay: RelayProcess, frames: list[bytes], look: Callable[[], int]) -> int:
    """Deposit, look, take over and delete; return how many pieces were there meanwhile."""
    async with calling(relay.address) as reader, calling(relay.address) as writer:
        await reader.open()
        await writer.deposit(reader, *frames)
        names: list[ItemId] = []
        for _ in frames:
            names.append((await reader.next_mail()).item)
        there = look()
        await _delete(reader, names)
        await writer.settle()
        return there


async def _delete(reader: Caller, names: list[ItemId]) -> None:
    await reader.say(*reader.session.delete(reader.seed, names))
    await reader.settle()


@pytest.mark.slow
def test_frames_that_were_taken_over_are_in_no_memory_of_the_relay(tmp_path: Path) -> None:
    """Nor in what it has given back to the C library: that is overwritten."""
    if not overwrite_freed_memory():
        pytest.skip("this C library does not overwrite what is given back")
    frames = [os.urandom(size) for size in SIZES for _ in range(4)]
    pieces = pieces_of(frames)
    with relay_process(tmp_path) as relay:

        async def circle() -> None:
            async with calling(relay.address) as somebody_else:
                await somebody_else.open()
                there = await pass_frames(relay, frames, lambda: found_in(relay, pieces))
                assert there == len(pieces)
                await trio.to_thread.run_sync(_await_gone, relay, tmp_path, pieces)

        trio.run(circle)


def _await_gone(relay: RelayProcess, state: Path, pieces: list[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        held = ask_holdings(state)
        left = found_in(relay, pieces)
        if held["items"] == 0 and held["connections"] == 1 and not left:
            return
        assert time.monotonic() < deadline, f"{left} of {len(pieces)} pieces are still there"
        time.sleep(1)
