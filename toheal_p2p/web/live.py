"""What changes in a circle while its page is open, as a stream of server-sent events.

```
 follow the log ───────────> entries, each with its position: a stream that breaks goes on there
 look every LOOK seconds ──> deliveries, who waits, who asks, how we stand, the relays: if they changed
 compare now and then ─────> what has disappeared, what came into a gap, whose words were confirmed
 the page is gone ─────────> everything ends
 the profile is locked ────> the page is told to ask where it stands
```
Nothing piles up: the next entry is read when the page has taken the last one, and a page that
takes nothing is dropped by its connection.

Docs: docs/page.md, section 5.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import aclosing
from typing import Final

import trio
from attrs import define, field
from starlette.types import Receive, Scope, Send

from toheal_p2p.app.interface import AppInterface, CircleView, DeliveryView, EntryView
from toheal_p2p.app.refusals import Refused, refusal_in
from toheal_p2p.web.entries import entries_as_html
from toheal_p2p.web.events import EventStream, Streamed, until_gone
from toheal_p2p.web.finding import called_apart, rows_apart
from toheal_p2p.web.on_page import as_seen
from toheal_p2p.web.site import Site

LOOK: Final = 1.0
"""Seconds between two looks at what the log does not tell. Looking is a few dictionaries."""

COMPARE: Final = 3
"""Looks between two comparisons of what the page shows with what is here."""


class LiveCircle(Streamed):
    """One open page of one circle."""

    def __init__(self, site: Site, circle: str, *, after: int, is_window: bool) -> None:
        """Prepare.

        Args:
            after: the position of the last entry that the page has.
            is_window: the page shows a part of the past; what comes is not put below it.
        """
        super().__init__()
        self._site = site
        self._circle = circle
        self._after = after
        self._is_window = is_window

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the page is gone or the profile is locked."""
        stream = await self.begin(send)
        try:
            async with self._site.house.visit() as app, trio.open_nursery() as nursery:
                nursery.start_soon(until_gone, receive, nursery.cancel_scope)
                watch = _Watch(self._site, app, self._circle, stream)
                nursery.start_soon(self._follow, app, stream, watch)
                nursery.start_soon(watch.run)
                nursery.start_soon(stream.beat)
        except (Refused, ExceptionGroup) as error:
            if refusal_in(error) is None:
                self._site.on_fault(error)
            await stream.put(self._site.fill("elsewhere.html"))
        await send({"type": "http.response.body", "body": b""})

    async def _follow(self, app: AppInterface, stream: EventStream, watch: _Watch) -> None:
        async with aclosing(app.follow(self._circle, after=self._after)) as entries:
            async for entry in entries:
                if not self._is_window:
                    can_answer = self._site.on_page.can_answer
                    made = await entries_as_html(self._site, app, [entry], can_answer=can_answer)
                    await stream.put(made[0], id_=entry.position)
                    self._site.on_page.add(self._circle, [entry])
                    watch.send_again(entry.id)
                if entry.kind in ("edit", "retraction") and entry.reply_to is not None:
                    await watch.compare(entry.reply_to)


@define(eq=False)
class _Watch:
    """Looks at what the log does not tell, and sends the parts that changed."""

    site: Site
    app: AppInterface
    circle: str
    stream: EventStream
    _sent: dict[str, str] = field(factory=dict, init=False)

    async def run(self) -> None:
        """Look until cancelled."""
        first, looks = await self._view(), 0
        while True:
            view = await self._view()
            if view.state != first.state:
                await self.stream.put(self.site.fill("elsewhere.html", circle_id=self.circle))
                return
            await self._send_deliveries()
            await self._send_notices(view)
            await self._send_told(view)
            looks += 1
            if looks % COMPARE == 0:
                await self.compare()
            await trio.sleep(LOOK)

    async def compare(self, message: str = "") -> None:
        """Send what the page shows and is not so any more; of one message, or of the next few."""
        page = self.site.on_page
        shown = page.one(message) if message else page.next_few()
        if not shown or page.circle != self.circle:
            return
        first, last = shown[0].position, shown[-1].position
        found = await self.app.read(
            self.circle, after=first - 1, before=last + 1, limit=last - first + 1
        )
        now = {entry.id: entry for entry in found}
        for before in shown:
            entry = now.get(before.id)
            if entry is None:
                page.remove(before.id)
                await self.stream.put(self.site.fill("gone.html", entry=before))
            elif as_seen(entry) != as_seen(before):
                page.add(self.circle, [entry])
                await self._put_again(entry)

    async def _put_again(self, entry: EntryView) -> None:
        can_answer = self.site.on_page.can_answer
        made = await entries_as_html(
            self.site, self.app, [entry], can_answer=can_answer, is_again=True
        )
        await self.stream.put(made[0])
        self.send_again(entry.id)

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
        members = await self.app.circle_members(self.circle)
        for row in rows_apart(await self.app.deliveries(self.circle, None), members):
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

    async def _send_told(self, view: CircleView) -> None:
        """Tell of what waits for an answer of ours, of copies that were seen, and of two stories."""
        if view.state != "active":
            return
        shares = await self.app.share_list(self.circle)
        asking = {one.other_name for one in shares if one.state == "asked" and not one.asked_by_me}
        members = called_apart(await self.app.circle_members(self.circle))
        await self._send_part(
            "told",
            "told.html",
            circle=view,
            asking=sorted(asking),
            copied=[one.name for one in members if one.fork_seen and not one.is_me],
            we_are_copied=any(one.fork_seen for one in members if one.is_me),
            differing=[one.name for one in members if one.stories_differ],
        )

    async def _send_part(self, key: str, template: str, **facts: object) -> None:
        html = self.site.fill(template, **facts)
        if self._sent.get(key) != html:
            self._sent[key] = html
            await self.stream.put(html)
