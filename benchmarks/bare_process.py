"""One end of raw aiortc in a process of its own, driven by lines as `people` is.

python -m benchmarks.bare_process offering|answering
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from benchmarks.bare import Bare
from benchmarks.lines import Answer, Line, tell


async def answer(end: Bare, asked: Answer) -> Answer:
    """Do what one line asks."""
    match asked["ask"]:
        case "offer":
            return await end.offer()
        case "take_offer":
            return await end.take_offer(asked["theirs"])
        case "take_answer":
            await end.take_answer(asked["theirs"])
        case "open":
            await end.open.wait()
        case "echo":
            end.answer = end.channel.send if asked["on"] else None
        case "ping":
            return {"took": [await ping(end, asked["size"]) for _ in range(asked["count"])]}
        case "send":
            began, used = time.monotonic(), time.process_time()
            await end.send_all(bytes(asked["size"]), asked["count"])
            return {"began": began, "cpu": time.process_time() - used}
        case "expect":  # answered at once, so that the other side begins after it
            end.expect(asked["count"])
        case "receive":
            used = time.process_time()
            await end.enough.wait()
            return {"at": time.monotonic(), "cpu": time.process_time() - used}
    return {"at": time.monotonic()}


async def ping(end: Bare, size: int) -> float:
    """Return the seconds until a message came back."""
    back = asyncio.ensure_future(end.receive_all(1))
    await asyncio.sleep(0)
    began = time.monotonic()
    end.channel.send(bytes(size))
    await back
    return time.monotonic() - began


async def live(*, offers: bool) -> None:
    """Answer lines until there are no more."""
    end = Bare(offers=offers)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        tell(await answer(end, json.loads(line)))
    await end.stop()


def a_bare_pair() -> tuple[Line, Line]:
    """Start two processes with a data channel between them."""
    ours, theirs = (Line(("benchmarks.bare_process", side)) for side in ("offering", "answering"))
    answered = theirs.ask("take_offer", theirs=ours.ask("offer"))
    ours.ask("take_answer", theirs=answered)
    for end in (ours, theirs):
        end.ask("open")
    return ours, theirs


def main(side: str) -> None:
    """Be one end; on uvloop, as the client is."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live(offers=side == "offering"))


if __name__ == "__main__":
    main(sys.argv[1])
