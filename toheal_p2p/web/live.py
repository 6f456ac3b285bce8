"""What changes in a circle while its page is open, as a stream of server-sent events.

```
 follow the log ───────────> entries, each with its position: a stream that breaks goes on there
 look every LOOK seconds ──> deliveries, who waits, how we stand, the relays: sent if they changed
 the page is gone ─────────> everything ends
 the profile is locked ────> the page is told to ask where it stands
```
Nothing piles up: the next entry is read when the page has taken the last one, and a page that
takes nothing is dropped by its connection.

Docs: docs/page.md, section 5.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import trio
from attrs import define, field
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from toheal_p2p.app.interface import AppInterface, CircleView, DeliveryView, EntryView
from toheal_p2p.app.refusals import Refused, refusal_in
from toheal_p2p.web.site import Site

LOOK: Final = 1.0
"""Seconds between two looks at what the log does not tell. Looking is a few dictionaries."""

BEAT: Final = 15.0
"""Seconds after which something is sent, so that a page that is gone is noticed."""


class LiveCircle(Response):
    """One open page of one circle."""

    def __init__(
        self,
        site: Site,
        circle: str,
        *,
        after: int,
        entry_as_html: Callable[[EntryView], str],
    ) -> None:
        super().__init__(media_type="text/event-stream")
        self._site = site
        self._circle = circle
        self._after = after
        self._entry_as_html = entry_as_html

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the page is gone or the profile is locked."""
        await send(
            {"type": "http.response.start", "status": 200, "headers": self.raw_headers_of_stream}
        )
        stream = _Stream(send)
        try:
            async with self._site.house.visit() as app, trio.open_nursery() as nursery:
                nursery.start_soon(_until_gone, receive, nursery.cancel_scope)
                watch = _Watch(self._site, app, self._circle, stream)
                nursery.start_soon(self._follow, app, stream, watch)
                nursery.start_soon(watch.run)
                nursery.start_soon(stream.beat)
        except (Refused, ExceptionGroup) as error:
            if refusal_in(error) is None:
                self._site.on_fault(error)
            await stream.put(self._site.fill("elsewhere.html"))
        await send({"type": "http.response.body", "body": b""})

    @property
    def raw_headers_of_stream(self) -> list[tuple[bytes, bytes]]:
        """The headers without a length."""
        return [pair for pair in self.raw_headers if pair[0] != b"content-length"]

    async def _follow(self, app: AppInterface, stream: _Stream, watch: _Watch) -> None:
        async with aclosing(app.follow(self._circle, after=self._after)) as entries:
            async for entry in entries:
                await stream.put(self._entry_as_html(entry), id_=entry.position)
                watch.send_again(entry.id)


@define(eq=False)
class _Stream:
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


@define(eq=False)
class _Watch:
    """Looks at what the log does not tell, and sends the parts that changed."""

    site: Site
    app: AppInterface
    circle: str
    stream: _Stream
    _sent: dict[str, str] = field(factory=dict, init=False)

    async def run(self) -> None:
        """Look until cancelled."""
        first = await self._view()
        while True:
            view = await self._view()
            if view.state != first.state:
                await self.stream.put(self.site.fill("elsewhere.html", circle_id=self.circle))
                return
            await self._send_deliveries()
            await self._send_notices(view)
            await trio.sleep(LOOK)

    def send_again(self, message: str) -> None:
        """Have a message's delivery sent once more: only now the page has a place for it."""
        self._sent.pop(message, None)

    async def _view(self) -> CircleView:
        for view in await self.app.circle_list():
            if view.id == self.circle:
                return view
        raise Refused("no_such_circle", name=self.circle[:12])

    async def _send_deliveries(self) -> None:
        messages: dict[str, list[DeliveryView]] = defaultdict(list)
        for row in await self.app.deliveries(self.circle, None):
            messages[row.id].append(row)
        for message, rows in messages.items():
            await self._send_part(message, "delivery.html", message=message, rows=rows)

    async def _send_notices(self, view: CircleView) -> None:
        waiting = await self.app.waiting(self.circle) if view.state == "active" else ()
        troubled = [
            relay
            for relay in await self.app.relay_list()
            if relay.address in view.relays and relay.reason is not None
        ]
        await self._send_part(
            "notices",
            "notices.html",
            circle=view,
            waiting=waiting,
            troubled=[] if len(troubled) < len(view.relays) else troubled,
        )

    async def _send_part(self, key: str, template: str, **facts: object) -> None:
        html = self.site.fill(template, **facts)
        if self._sent.get(key) != html:
            self._sent[key] = html
            await self.stream.put(html)


async def _until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
