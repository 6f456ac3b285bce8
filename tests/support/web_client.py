"""A page without a browser: a real server in this process, and requests byte by byte."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import h11
import trio
from attrs import define, field, frozen

from tests.support.fake_app import FakeApp
from toheal_p2p.app.house import House
from toheal_p2p.app.interface import Serve
from toheal_p2p.app.page_interface import PageAddress
from toheal_p2p.app.refusals import Refused
from toheal_p2p.locale import Language
from toheal_p2p.web.door import serve_page

PASSPHRASE = "open sesame and more"


@frozen
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@define(eq=False)
class FakeProfile:
    """A profile that opens at once with the right passphrase, and lives in memory."""

    exists: bool = True
    app: FakeApp = field(factory=FakeApp)
    ends_with: Refused | None = None
    ending: trio.Event = field(factory=trio.Event)

    async def run(
        self, home: Path, passphrase: str, *, serve: Serve, on_ready: Callable[[], None]
    ) -> None:
        if passphrase != PASSPHRASE:
            raise Refused("wrong_passphrase")
        async with trio.open_nursery() as nursery:
            self.app.end = nursery.cancel_scope.cancel
            await nursery.start(serve, self.app, home)
            on_ready()
            await self.ending.wait()
            raise self.ends_with or Refused("disk_full")

    def make(self, home: Path, *, nickname: str, passphrase: str) -> None:
        if not nickname.strip():
            raise Refused("name_empty")
        self.exists = True


async def no_commands(
    app: object, home: Path, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """A door for commands that nobody comes in by."""
    task_status.started()
    await trio.sleep_forever()


@define(eq=False)
class Web:
    """A running page, and somebody who asks it."""

    house: House
    profile: FakeProfile
    address: PageAddress
    faults: list[BaseException]
    cookie: str = ""
    secret: str = ""

    @property
    def port(self) -> int:
        return int(self.address.url.rstrip("/").rsplit(":", 1)[1])

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    def head(
        self, method: str, path: str, body: bytes, **more: str | None
    ) -> list[tuple[str, str]]:
        """Return the headers our page sends; `more` replaces one, None leaves it out."""
        headers: dict[str, str | None] = {
            "host": self.authority,
            "connection": "close",
            "sec-fetch-site": "same-origin",
            "cookie": f"p{self.port}={self.cookie}",
            "x-page": self.secret,
        }
        if method == "POST":
            headers |= {"origin": f"http://{self.authority}", "content-length": str(len(body))}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        return [(name, value) for name, value in headers.items() if value is not None]

    async def ask(
        self, method: str, path: str, form: dict[str, str] | bytes = b"", **more: str | None
    ) -> Answer:
        """Send one request and read the whole answer."""
        body = form if isinstance(form, bytes) else urlencode(form).encode()
        client = h11.Connection(h11.CLIENT)
        headers = self.head(method, path, body, **more)
        with trio.fail_after(20):
            async with await self.connect() as stream:
                request = h11.Request(method=method, target=path, headers=headers)
                await stream.send_all(client.send(request) or b"")
                if body:
                    await stream.send_all(client.send(h11.Data(data=body)) or b"")
                await stream.send_all(client.send(h11.EndOfMessage()) or b"")
                return await read_answer(client, stream)

    async def get(self, path: str, **more: str | None) -> Answer:
        return await self.ask("GET", path, **more)

    async def post(
        self, path: str, form: dict[str, str] | None = None, **more: str | None
    ) -> Answer:
        return await self.ask("POST", path, form or {}, **more)

    async def enter(self) -> None:
        """Come in by the start file, as the browser does."""
        token = self.address.start_file.read_text().split("#")[1].split('"')[0]
        answer = await self.post("/enter", {"token": token}, cookie=None, x_page=None)
        assert answer.status == 200
        self.secret = json.loads(answer.body)["secret"]
        self.cookie = answer.headers["set-cookie"].split("=", 1)[1].split(";")[0]

    async def open(self) -> None:
        """Come in and unlock."""
        await self.enter()
        await self.open_again()

    async def open_again(self) -> None:
        """Unlock."""
        assert (await self.post("/unlock", {"passphrase": PASSPHRASE})).status == 200
        assert self.house.state == "open"


async def read_answer(client: h11.Connection, stream: trio.SocketStream) -> Answer:
    """Read until the answer is whole."""
    status, headers, body = 0, dict[str, str](), b""
    while True:
        event: Any = client.next_event()
        if event is h11.NEED_DATA:
            client.receive_data(bytes(await stream.receive_some(65536)))
        elif isinstance(event, h11.Response):
            status = event.status_code
            for name, value in event.headers:  # one that came twice counts twice
                known = headers.get(name.decode())
                headers[name.decode()] = (f"{known}, " if known else "") + value.decode()
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, headers, body)


@asynccontextmanager
async def a_page(
    folder: Path,
    *,
    exists: bool = True,
    language: Language | None = "en",
    house: House | None = None,
) -> AsyncIterator[Web]:
    """Run a page around a fake profile, or around another house."""
    profile, faults = FakeProfile(exists), []  # type: ignore[var-annotated]
    if house is None:
        house = House(
            folder / "home", profile.run, profile.make, lambda: profile.exists, no_commands
        )
    async with trio.open_nursery() as nursery:
        door = partial(serve_page, house, port=0, language=language, on_fault=faults.append)
        address = await nursery.start(door)
        nursery.start_soon(house.run)
        yield Web(house, profile, address, faults)
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that no event tells of."""
    with trio.fail_after(20):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)
