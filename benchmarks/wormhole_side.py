"""One end of magic-wormhole in a process of its own, driven by lines as `people` is.

python -m benchmarks.wormhole_side URL sender|receiver CODE...

It runs in the environment of `wormholes.py`: of ours it has this file and `lines.py` alone. The sender has one
wormhole for each code. A receiver answers each message with a short one, as a wormhole has no acknowledgement.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import wormhole
from twisted.internet import reactor, stdio
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.internet.task import deferLater
from twisted.protocols.basic import LineOnlyReceiver

from benchmarks.lines import Answer, tell

APPLICATION: Final = "toheal-p2p/benchmarks"
REST: Final = 0.06
"""Seconds between a message that everybody has and the next, as in `people`."""

Wormholes = Sequence[Any]
"""`Any`: the package has no types."""


class Lines(LineOnlyReceiver):  # type: ignore[misc]  # Twisted has no types here
    """Takes questions from standard input, and ends the process with it."""

    delimiter = b"\n"
    MAX_LENGTH = 1 << 20

    def __init__(self, take: Callable[[Answer], None]) -> None:
        self.take = take

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - the package's name
        self.take(json.loads(line))

    def connectionLost(self, reason: object = None) -> None:  # noqa: N802 - the package's name
        reactor.stop()


async def say_at_rest(wormholes: Wormholes, size: int, count: int) -> Answer:
    """Say texts to all, each when everybody has the one before and a moment has passed."""
    began, used = [], time.process_time()
    took: list[float] = []
    for _ in range(count):
        began.append(time.monotonic())
        for one in wormholes:
            one.send_message(b"w" * size)
        await gatherResults([one.get_message() for one in wormholes])
        took.append(time.monotonic() - began[-1])
        await deferLater(reactor, REST)
    return {"began": began, "took": took, "cpu": time.process_time() - used}


async def read_times(wormholes: Wormholes, count: int) -> Answer:
    """Take so many messages, and answer each; say when each was there."""
    [one] = wormholes
    at, used = [], time.process_time()
    for _ in range(count):
        await one.get_message()
        at.append(time.monotonic())
        one.send_message(b"have it")
    return {"at": at, "cpu": time.process_time() - used}


async def open_all(url: str, codes: Sequence[str]) -> Wormholes:
    """Open a wormhole for each code, and wait until the other end of each is there."""
    opened = [wormhole.create(APPLICATION, url, reactor) for _ in codes]
    for one, code in zip(opened, codes, strict=True):
        one.set_code(code)
    await gatherResults([one.get_verifier() for one in opened])
    return opened


def answering(acting: Coroutine[Deferred[Any], Any, Answer]) -> None:
    """Say what comes of it, or why nothing did."""
    ensureDeferred(acting).addCallbacks(
        tell, lambda failure: tell({"failed": failure.getErrorMessage()})
    )


def main(url: str, side: str, *codes: str) -> None:
    """Open the wormholes, then answer what is asked until standard input ends."""
    wormholes: list[Any] = []

    async def begin() -> Answer:
        wormholes.extend(await open_all(url, codes))
        return {"ready": True}

    def take(asked: Answer) -> None:
        act = say_at_rest if side == "sender" else read_times
        answering(act(wormholes, **asked["with"]))

    stdio.StandardIO(Lines(take))
    answering(begin())
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
