"""Server-sent events: one page's end of a stream, and work that tells how it goes.

Docs: docs/page.md, section 5.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio
from attrs import define, field
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from toheal_p2p.app.interface import AppInterface, ProgressView, Report
from toheal_p2p.app.refusals import Refused, refusal_in
from toheal_p2p.web.site import Site

BEAT: Final = 15.0
"""Seconds after which something is sent, so that a page that is gone is noticed."""


@define(eq=False)
class EventStream:
    """The page's end: one event after the other."""

    send: Send
    _turn: trio.Lock = field(factory=trio.Lock, init=False)

    async def put(self, html: str, *, id_: int | None = None) -> None:
        """Send one event and wait until the connection has taken it."""
        lines = [] if id_ is None else [f"id: {id_}"]
        lines += [f"data: {line}" for line in html.splitlines()]
        await self._write("\n".join(lines) + "\n\n")

    async def beat(self) -> None:
        """Send a comment now and then."""
        while True:
            await trio.sleep(BEAT)
            await self._write(": \n\n")

    async def _write(self, text: str) -> None:
        async with self._turn:
            await self.send(
                {"type": "http.response.body", "body": text.encode(), "more_body": True}
            )


class Streamed(Response):
    """An answer that goes on."""

    def __init__(self) -> None:
        super().__init__(media_type="text/event-stream")

    async def begin(self, send: Send) -> EventStream:
        """Send the head, without a length."""
        headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        return EventStream(send)


Work = Callable[[AppInterface, Report], Awaitable[str]]
"""Does something that takes a while, says how it goes, and returns what the page shows then."""


class Working(Streamed):
    """Work that tells how it goes, and needs no open profile. A page that goes away ends it."""

    def __init__(self, site: Site, work: Callable[[Report], Awaitable[str]]) -> None:
        super().__init__()
        self._site = site
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Work, and stream what is done just now."""
        stream = await self.begin(send)

        async def report(progress: ProgressView) -> None:
            if progress.code != "file_resumes":  # that speaks of commands
                await stream.put(self._site.fill("doing.html", progress=progress))

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(until_gone, receive, nursery.cancel_scope)
                nursery.start_soon(stream.beat)
                await stream.put(await self._work(report))
                nursery.cancel_scope.cancel()
        except (Refused, ExceptionGroup) as error:
            refusal = refusal_in(error)
            if refusal is None:
                self._site.on_fault(error)
                refusal = Refused("internal")
            if refusal.code == "locked":
                said = self._site.fill("then.html", address="/now")
            else:
                said = self._site.fill("unsaid.html", error=self._site.sentence(refusal))
            await stream.put(said)
        await send({"type": "http.response.body", "body": b""})


class Doing(Working):
    """Work with the application. Locking ends it too.

    What we do by ourselves has an end, and how it goes is use of the profile. What others bring is none
    (`is_ours` false): whoever brings it in driblets would keep the profile open.
    """

    def __init__(self, site: Site, work: Work, *, is_ours: bool = True) -> None:
        async def visit(report: Report) -> str:
            async with site.house.visit() as app:

                async def go_on(progress: ProgressView) -> None:
                    if is_ours:
                        app.idleness.end()  # somebody waits for it
                    await report(progress)

                return await work(app, go_on)

        super().__init__(site, visit)


async def until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    """Cancel when whoever asked is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
