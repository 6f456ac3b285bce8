"""A real SOCKS5 proxy for tests: it connects, resolves names from its own list, and remembers.

Written from RFC 1928 and RFC 1929 for the other side than ours, so that neither can hide a
mistake of the other. As a program (`python -m tests.support.socks_server NOTES [NAME=HOST]...`)
it prints `socks PORT` and adds one JSON line per request to the file NOTES.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from attrs import define, field, frozen


@frozen
class Wish:
    """One request that came in."""

    user: str | None
    password: str | None
    host: str
    port: int


@define(eq=False)
class SocksServer:
    """What one proxy does.

    Attributes:
        host: where it listens.
        names: what it knows of names, in the place of DNS.
        only: the one user and password it takes, if not None.
        takes_login, takes_nobody: which ways to log in it has.
        answers_with: a code it answers every wish with, in place of connecting.
        says: bytes it says to every greeting, in place of SOCKS.
        is_mute_after: steps after which it says nothing more (0 greeting, 1 login, 2 wish).
    """

    host: str = "127.0.0.1"
    names: Mapping[str, str] = field(factory=dict)
    only: tuple[str, str] | None = None
    takes_login: bool = True
    takes_nobody: bool = True
    answers_with: int | None = None
    says: bytes | None = None
    is_mute_after: int | None = None
    wishes: list[Wish] = field(factory=list)
    port: int = 0
    carried: int = 0
    notes: Path | None = None

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        [listener] = await trio.open_tcp_listeners(self.port, host=self.host)
        self.port = listener.socket.getsockname()[1]
        await trio.serve_listeners(self._attend, [listener], task_status=task_status)

    async def _attend(self, stream: trio.SocketStream) -> None:
        try:
            await self._speak(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError):
            pass

    async def _speak(self, stream: trio.SocketStream) -> None:
        _, count = await read(stream, 2)
        methods = await read(stream, count)
        if self.says is not None:
            await stream.send_all(self.says)
            return
        await self._mute(0)
        user = password = None
        if 2 in methods and self.takes_login:
            await stream.send_all(b"\x05\x02")
            _, size = await read(stream, 2)
            user = (await read(stream, size)).decode()
            [size] = await read(stream, 1)
            password = (await read(stream, size)).decode()
            await self._mute(1)
            is_welcome = self.only is None or self.only == (user, password)
            await stream.send_all(b"\x01" + (b"\x00" if is_welcome else b"\x01"))
            if not is_welcome:
                return
        elif 0 in methods and self.takes_nobody:
            await stream.send_all(b"\x05\x00")
        else:
            await stream.send_all(b"\x05\xff")
            return
        await self._connect(stream, user, password)

    async def _connect(
        self, stream: trio.SocketStream, user: str | None, password: str | None
    ) -> None:
        _, command, _, kind = await read(stream, 4)
        assert command == 1
        match kind:
            case 1:
                host = socket.inet_ntop(socket.AF_INET, await read(stream, 4))
            case 4:
                host = socket.inet_ntop(socket.AF_INET6, await read(stream, 16))
            case _:
                [size] = await read(stream, 1)
                host = (await read(stream, size)).decode()
        port = int.from_bytes(await read(stream, 2), "big")
        self._remember(Wish(user, password, host, port))
        await self._mute(2)
        code = self.answers_with or 0
        behind: trio.SocketStream | None = None
        if not code:
            try:
                behind = await trio.open_tcp_stream(self.names.get(host, host), port)
            except OSError:
                code = 5
        # the bound address as a name: the longest of the three forms, and legal
        await stream.send_all(b"\x05" + bytes([code]) + b"\x00\x03\x05proxy" + b"\x00\x50")
        if behind is None:
            return
        async with behind, trio.open_nursery() as nursery:
            nursery.start_soon(self._carry, behind, stream, nursery.cancel_scope)
            await self._carry(stream, behind, nursery.cancel_scope)

    async def _carry(
        self, source: trio.SocketStream, target: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            async for piece in source:
                self.carried += len(piece)
                await target.send_all(piece)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()

    def _remember(self, wish: Wish) -> None:
        self.wishes.append(wish)
        if self.notes is not None:
            with self.notes.open("a") as file:
                file.write(json.dumps([wish.user, wish.password, wish.host, wish.port]) + "\n")

    async def _mute(self, step: int) -> None:
        if self.is_mute_after is not None and step >= self.is_mute_after:
            await trio.sleep_forever()


async def read(stream: trio.SocketStream, size: int) -> bytes:
    """Read exactly so many bytes; `EOFError` when the other side is gone before."""
    received = b""
    while len(received) < size:
        piece = await stream.receive_some(size - len(received))
        if not piece:
            raise EOFError
        received += piece
    return received


@asynccontextmanager
async def a_proxy(server: SocksServer) -> AsyncIterator[SocksServer]:
    """Run a proxy for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve)
        yield server
        nursery.cancel_scope.cancel()


async def _main(server: SocksServer) -> None:
    async with a_proxy(server):
        print(f"socks {server.port}", flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    known = dict(pair.split("=", 1) for pair in sys.argv[2:])
    trio.run(partial(_main, SocksServer(names=known, notes=Path(sys.argv[1]))))
