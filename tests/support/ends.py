"""Two ends of one link in processes of their own, so that each can be in another namespace.

`python -m tests.support.ends` reads one JSON object per line, `{"ask": name, ...}`, and answers
each with one line. It has the client's channels and links and nothing of the application.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import trio
from attrs import asdict, define, field

from tests.support.links import key_pair
from toheal_p2p.adapters.bridge import run
from toheal_p2p.adapters.webrtc import WebRtcChannels
from toheal_p2p.ports.channels import ChannelFailed, PreparedChannel, RelayServer, ServerKind
from toheal_p2p.services.link import Link
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.model import Frame
from toheal_protocol.wire.connection_blob import decode_blob

Answer = dict[str, Any]
"""What a line of JSON says. `Any`, because JSON says no more."""

Servers = Sequence[RelayServer]


# ---- outside: what a test holds


@define(eq=False)
class End:
    """A process that answers lines."""

    process: subprocess.Popen[bytes]

    def begin(self, ask: str, **arguments: object) -> None:
        """Ask, and do not wait for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"ask": ask, **arguments}).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self) -> Answer:
        """Wait for one answer; `failed` in it says why something did not work."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"an end ended with {self.process.wait()}"
        answer: Answer = json.loads(line)
        return answer

    def end(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


@contextmanager
def some_ends(prefixes: Sequence[Sequence[str]]) -> Iterator[list[End]]:
    """Start an end for each command prefix (`Namespace.prefix`) and wait until all are there."""
    ends: list[End] = []
    try:
        for prefix in prefixes:
            command = [*prefix, sys.executable, "-m", "tests.support.ends"]
            ends.append(
                End(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            )
        for end in ends:
            end.answer()
        yield ends
    finally:
        for end in ends:
            end.end()


def both(ends: Sequence[End], ask: str, *arguments: dict[str, object]) -> list[Answer]:
    """Ask both at the same time, each with its own arguments, and wait for both answers."""
    for end, own in zip(ends, arguments, strict=True):
        end.begin(ask, **own)
    return [end.answer() for end in ends]


def open_link(ends: Sequence[End], servers: Sequence[Servers], longest: float) -> Answer:
    """Try to open a link between two ends, with the servers of each.

    Returns:
        `took`: seconds to prepare and to connect, of the slower side; or `failed`: why. `kinds`:
        the kinds of candidates that each side told the other.
    """
    roles = (True, False)
    asked = [
        {"controlling": role, "servers": [_as_json(one) for one in own]}
        for role, own in zip(roles, servers, strict=True)
    ]
    prepared = both(ends, "prepare", *asked)
    kinds = [one.get("kinds", []) for one in prepared]
    if failed := [one["failed"] for one in prepared if "failed" in one]:
        both(ends, "close", {}, {})
        return {"failed": failed[0], "kinds": kinds}
    blobs = [one["blob"] for one in reversed(prepared)]
    connected = both(ends, "connect", *({"blob": blob, "longest": longest} for blob in blobs))
    if failed := [one["failed"] for one in connected if "failed" in one]:
        return {"failed": failed[0], "kinds": kinds}
    took = [max(one["took"] for one in step) for step in (prepared, connected)]
    return {"took": sum(took), "kinds": kinds}


def _as_json(server: RelayServer) -> Answer:
    return {**asdict(server), "fingerprint": server.fingerprint.hex()}


# ---- inside: what such a process does


@define(eq=False)
class Driver:
    """Answers lines."""

    nursery: trio.Nursery
    channels: WebRtcChannels = field(factory=WebRtcChannels)
    prepared: PreparedChannel | None = None
    link: Link | None = None
    is_controlling: bool = False

    async def prepare(self, controlling: bool, servers: list[Answer]) -> Answer:
        began = time.monotonic()
        self.is_controlling = controlling
        relays = [
            RelayServer(**{**one, "fingerprint": bytes.fromhex(one["fingerprint"])})
            for one in servers
        ]
        is_turn = any(one.transport is not ServerKind.STUN for one in relays)
        self.prepared = await self.channels.prepare(
            controlling=controlling,
            way=LinkWay.TURN if is_turn else LinkWay.DIRECT,
            servers=relays,
        )
        took = time.monotonic() - began
        blob = self.prepared.blob
        kinds = [candidate.kind.name for candidate in decode_blob(blob).candidates]
        return {"blob": blob.hex(), "kinds": kinds, "took": took}

    async def connect(self, blob: str, longest: float) -> Answer:
        assert self.prepared is not None
        began = time.monotonic()
        try:
            with trio.fail_after(longest):
                channel = await self.prepared.connect(bytes.fromhex(blob))
                keys = key_pair()[0 if self.is_controlling else 1]
                self.link = Link(channel, keys)
                await self.nursery.start(self.link.run)
        except (ChannelFailed, trio.TooSlowError):
            await self.close()
            raise
        return {"took": time.monotonic() - began}

    async def exchange(self, count: int, size: int, every: float = 0.0) -> Answer:
        """Send so many frames and read as many; say whether all came, each once and in order."""
        assert self.link is not None
        received: list[bytes] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, count, size, every)
            while len(received) < count:
                received += await self.link.incoming.receive()
        wanted = [_numbered(number, size) for number in range(count)]
        return {"is_whole": received == wanted}

    async def _send(self, count: int, size: int, every: float) -> None:
        assert self.link is not None
        for number in range(count):
            await self.link.room()
            self.link.send_nowait(Frame(_numbered(number, size)))
            if every:
                await trio.sleep(every)

    async def echo(self, count: int) -> Answer:
        """Send back so many frames, as they come."""
        assert self.link is not None
        while count:
            for frame in await self.link.incoming.receive():
                self.link.send_nowait(frame)
                count -= 1
        return {}

    async def ping(self, count: int, size: int, every: float) -> Answer:
        """Send a frame now and then whatever became of the last; answer what each round took."""
        assert self.link is not None
        sent: list[float] = []
        took: list[float] = []

        async def send() -> None:
            assert self.link is not None
            for _ in range(count):
                sent.append(time.monotonic())
                self.link.send_nowait(Frame(bytes(size)))
                await trio.sleep(every)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while len(took) < count:
                for _frame in await self.link.incoming.receive():
                    took.append(time.monotonic() - sent[len(took)])
        return {"took": took}

    async def rest(self, seconds: float) -> Answer:
        """Do nothing; answer the CPU seconds that took."""
        used = time.process_time()
        await trio.sleep(seconds)
        return {"cpu": time.process_time() - used}

    async def close(self) -> Answer:
        if self.link is not None:
            await self.link.aclose()
        elif self.prepared is not None:
            await self.prepared.aclose()
        self.link = self.prepared = None
        return {}


def _numbered(number: int, size: int) -> bytes:
    return number.to_bytes(4, "big") + bytes(size - 4)


def tell(answer: Answer) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def live() -> None:
    """Answer lines until there are no more."""
    async with trio.open_nursery() as nursery:
        driver = Driver(nursery)
        tell({})
        lines = trio.wrap_file(os.fdopen(0, "rb", buffering=0))
        while line := await lines.readline():
            asked = json.loads(line)
            try:
                answer = await getattr(driver, asked.pop("ask"))(**asked)
            except (ChannelFailed, trio.TooSlowError, trio.EndOfChannel) as failure:
                answer = {"failed": f"{type(failure).__name__}: {failure}"}
            tell(answer)
        await driver.close()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    run(live)
