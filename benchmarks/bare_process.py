"""One end of a bare aiortc data channel in a process of its own, driven by lines as `people` is.

python -m benchmarks.bare_process controlling|controlled
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from aiortc import (
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCIceCandidate,
    RTCIceParameters,
    RTCSctpCapabilities,
)

from benchmarks.bench_link import Bare
from benchmarks.people import Answer, Line, tell


class BareAlone(Bare):
    """A bare end whose peer is elsewhere."""

    def description(self) -> Answer:
        """Return what the peer must know."""
        ours = self.gatherer.getLocalParameters()
        return {
            "ufrag": ours.usernameFragment,
            "password": ours.password,
            "fingerprints": [
                [print_.algorithm, print_.value]
                for print_ in self.dtls.getLocalParameters().fingerprints
            ],
            "candidates": [vars(one) for one in self.gatherer.getLocalCandidates()],
        }

    async def connect_to(self, theirs: Answer) -> None:
        """Open the channel."""
        for candidate in theirs["candidates"]:
            await self.ice.addRemoteCandidate(RTCIceCandidate(**candidate))
        await self.ice.addRemoteCandidate(None)
        await self.ice.start(RTCIceParameters(theirs["ufrag"], theirs["password"]))
        prints = [RTCDtlsFingerprint(*one) for one in theirs["fingerprints"]]
        await self.dtls.start(RTCDtlsParameters(prints))
        await self.sctp.start(RTCSctpCapabilities(maxMessageSize=65536), 5000)
        await self.open.wait()


async def answer(end: BareAlone, asked: Answer) -> dict[str, Any]:
    """Do what one line asks."""
    match asked["ask"]:
        case "connect":
            await end.connect_to(asked["theirs"])
        case "echo":
            end.answer = end.channel.send if asked["on"] else None
        case "ping":
            took = []
            for _ in range(asked["count"]):
                back = asyncio.ensure_future(end.receive_all(1))
                await asyncio.sleep(0)
                began = time.monotonic()
                end.channel.send(bytes(asked["size"]))
                await back
                took.append(time.monotonic() - began)
            return {"took": took}
        case "send":
            began = time.monotonic()
            await end.send_all(bytes(asked["size"]), asked["count"])
            return {"began": began}
        case "expect":  # answered at once, so that the other side begins after it
            end.wanted = end.received + asked["count"]
            end.enough.clear()
        case "receive":
            await end.enough.wait()
    return {"at": time.monotonic()}


async def live(*, controlling: bool) -> None:
    """Answer lines until there are no more."""
    end = BareAlone(controlling=controlling)
    await end.gatherer.gather()
    tell(end.description())
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        tell(await answer(end, json.loads(line)))
    await end.stop()


def a_bare_pair() -> tuple[Line, Line]:
    """Start two processes with a bare channel between them."""
    ends = [Line(("benchmarks.bare_process", side)) for side in ("controlling", "controlled")]
    described = [end.answer() for end in ends]
    for end, theirs in zip(ends, reversed(described), strict=True):
        end.begin("connect", theirs=theirs)
    for end in ends:
        end.answer()
    return ends[0], ends[1]


def main(side: str) -> None:
    """Be one end; on uvloop, as the client is."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live(controlling=side == "controlling"))


if __name__ == "__main__":
    main(sys.argv[1])
