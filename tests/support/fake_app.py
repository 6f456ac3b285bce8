"""An application without a network, for the tests of its doors.

It keeps circles and what is said in them in memory. Some names make it behave badly: a circle
called `refuse:<code>` is refused with that code, and the names in `ODD` do what they say.
As a program (`python -m tests.support.fake_app HOME`) it serves the local channel of HOME.
"""

from __future__ import annotations

import math
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Literal, cast

import trio
from attrs import define, evolve, field

from tests.support.entropy import SeededEntropy
from tests.support.fake_backups import FakeBackups
from tests.support.fake_bundles import FakeBundles
from tests.support.fake_finding import FakeMeetings, FakeSpokenCodes
from tests.support.fake_governance import WAITING, FakeGovernance
from tests.support.fake_sharing import FakeSharing
from tests.support.fake_values import LINK, NOW, ODD, PICTURE, RELAY, refuse
from tests.support.fake_values import made_up_id as _id
from toheal_p2p.adapters.socks import parse_proxy
from toheal_p2p.app.circle_relays_interface import CircleRelayView
from toheal_p2p.app.drafts import Drafts
from toheal_p2p.app.idleness import Idleness
from toheal_p2p.app.interface import (
    ActView,
    AppInterface,
    AttachmentView,
    CheckView,
    CircleView,
    DeliveryView,
    DirectView,
    EntryView,
    InvitationContentView,
    InvitationView,
    LinkView,
    MemberView,
    ProgressView,
    QuoteView,
    RelayView,
    Report,
    RetractionView,
    SeatView,
    WaitingView,
)
from toheal_p2p.app.refusals import RefusalCode, Refused
from toheal_p2p.app.settings_interface import UNSET, SettingView
from toheal_p2p.app.vocabulary import DISAPPEAR_TIMES, Audience
from toheal_p2p.care.helplines import countries
from toheal_p2p.cli.local_server import serve
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines.records import PutSetting, Write


@define(eq=False)
class FakeFiles:
    """One picture of a few bytes, with the message `f11e…`."""

    find: Callable[[str], Awaitable[CircleView]]
    dropped: list[str] = field(factory=list)
    attached: list[tuple[str, tuple[str, ...], bytes]] = field(factory=list)
    for_whom: list[tuple[bool, str | None]] = field(factory=list)

    async def attach(
        self,
        circle: str,
        path: str,
        *,
        about: str,
        notes: Sequence[str],
        report: Report,
        to_facilitators: bool = False,
        reply: str | None = None,
    ) -> str:
        await self.find(circle)
        await report(ProgressView("cleaning_file"))
        to_whom = f" to facilitators on {reply}" if to_facilitators else ""
        return _id(f"file {path} {about} {','.join(notes)}{to_whom}")

    async def attach_content(
        self,
        circle: str,
        content: bytes,
        *,
        about: str,
        notes: Sequence[str],
        report: Report,
        to_facilitators: bool = False,
        reply: str | None = None,
    ) -> str:
        await self.find(circle)
        await report(ProgressView("cleaning_file"))
        if not content.startswith(b"\x89PNG"):
            raise Refused("attachment_unknown")
        await report(ProgressView("sealing_file"))
        self.attached.append((about, tuple(notes), content))
        self.for_whom.append((to_facilitators, reply))
        return _id(f"file {about}")

    async def fetch(self, circle: str, message: str, *, report: Report) -> AttachmentView:
        await self.find(circle)
        await report(ProgressView("fetching_file", {"percent": 40, "name": "Salma"}))
        return AttachmentView("image/png", len(PICTURE), "here", 100)

    async def content(self, circle: str, message: str) -> bytes:
        await self.find(circle)
        return PICTURE

    async def drop(self, circle: str, message: str) -> None:
        await self.find(circle)
        self.dropped.append(message)


@define(eq=False)
class FakeSettings:
    """The proxy, and some settings with choices."""

    proxy: str = "none"
    content_notes: str = "covered"
    country: str = "none"

    async def list(self) -> Sequence[SettingView]:
        return [await self.get("proxy"), await self.get("country")]

    async def get(self, name: str) -> SettingView:
        if name == "country":
            return SettingView("country", self.country, (*countries(), "none"))
        if name == "content-notes":
            choices = ("covered", "shown", "hidden")
            return SettingView("content-notes", self.content_notes, choices)
        if name != "proxy":
            raise Refused("no_such_setting", name=name)
        return SettingView("proxy", self.proxy, ())

    async def offered_proxy(self) -> str | None:
        return None

    async def set(self, name: str, value: str) -> SettingView:
        if name == "country":
            self.country = value
            return await self.get(name)
        if name == "language":
            return SettingView("language", value, ("ar", "en", "none"))
        if name == "content-notes":
            self.content_notes = value
            return await self.get(name)
        await self.get(name)
        try:
            self.proxy = value if value == UNSET else parse_proxy(value).shown
        except RemoteError:
            raise Refused("proxy_malformed") from None
        return await self.get(name)


@define(eq=False)
class FakeApp(FakeGovernance, FakeSharing):
    """See the module."""

    end: Callable[[], None] = lambda: None
    circles: list[CircleView] = field(factory=list)
    entries: list[EntryView] = field(factory=list)
    relays: list[str] = field(factory=list)
    charter: str = "One line.\nAnother line."
    calls: list[str] = field(factory=list)
    produced: int = 0
    following: int = 0
    news: trio.Event = field(factory=trio.Event)
    settings: FakeSettings = field(factory=lambda: FakeSettings())
    meeting: FakeMeetings = field(init=False)
    files: FakeFiles = field(init=False)
    stored: dict[str, bytes] = field(factory=dict)
    entropy: SeededEntropy = field(factory=lambda: SeededEntropy(107))
    passphrase: str = "open sesame and more"
    minutes: int | None = None
    _idleness: Idleness | None = None

    def __attrs_post_init__(self) -> None:
        self.meeting = FakeMeetings(self._find)
        self.files = FakeFiles(self._find)

    @property
    def idleness(self) -> Idleness:
        self._idleness = self._idleness or Idleness(lambda: self.minutes, lambda: NOW)
        return self._idleness

    async def change_passphrase(self, old: str, new: str) -> None:
        if old != self.passphrase:
            raise Refused("wrong_passphrase")
        self.passphrase = new

    @property
    def drafts(self) -> Drafts:
        """The real ones; the key lives as long as this application, as in a vault."""
        return Drafts.begin(self.stored, self._store, self.entropy)

    async def _store(self, writes: Sequence[Write]) -> None:
        for one in writes:
            assert isinstance(one, PutSetting)
            self.stored[one.name] = one.value

    @property
    def backups(self) -> FakeBackups:
        return FakeBackups()

    @property
    def bundles(self) -> FakeBundles:
        return FakeBundles(self._find)

    @property
    def spoken(self) -> FakeSpokenCodes:
        return FakeSpokenCodes(self._find)

    async def circle_create(
        self,
        name: str,
        *,
        relays: Sequence[str],
        direct: bool,
        charter: str,
        nickname: str | None,
        disappear: int = 7 * 24 * 3600,
    ) -> CircleView:
        await self._find(name, may_miss=True)
        self.charter = charter
        made = CircleView(
            id=_id(f"circle {name}"),
            name=name,
            my_name=nickname or "نورس",
            state="active",
            members=1,
            relays=tuple(relays or self.relays),
            direct=direct,
            disappear=disappear,
        )
        self.circles.append(made)
        return made

    async def circle_list(self) -> Sequence[CircleView]:
        return self.circles

    async def circle_members(self, circle: str) -> Sequence[MemberView]:
        await self._find(circle)
        return [
            MemberView(
                _id("me"),
                "نورس",
                "facilitator",
                is_me=True,
                fork_seen=False,
                term_until=NOW - 60,
                term_over=True,
            ),
            MemberView(
                _id("Sam"),
                "Sam",
                "member",
                is_me=False,
                fork_seen=True,
                muted_until=NOW + 3600,
                hidden=True,
            ),
        ]

    async def circle_leave(self, circle: str) -> None:
        found = await self._find(circle)
        self.circles[self.circles.index(found)] = evolve(found, state="left")

    async def circle_seen(self, circle: str) -> None:
        await self._find(circle)

    async def invite(self, circle: str, *, expires_in: int) -> InvitationView:
        await self._find(circle)
        return InvitationView(_id("seat"), LINK, NOW + expires_in)

    async def invitations(self, circle: str) -> Sequence[InvitationView]:
        await self._find(circle)
        return [InvitationView(_id("seat"), LINK, NOW + 60)]

    async def seats(self, circle: str) -> Sequence[SeatView]:
        await self._find(circle)
        return [
            SeatView(_id("seat"), "used", NOW + 60, "Ev\x1b]il", ()),
            SeatView(_id("other"), "open", NOW + 60, None, ("Guest",)),
        ]

    async def withdraw_invitation(self, circle: str, invitation: str) -> None:
        await self._find(circle)
        if not _id("seat").startswith(invitation):
            raise Refused("no_such_invitation", name=invitation)

    async def look_at_invitation(
        self, link: str, *, report: Report | None = None
    ) -> InvitationContentView:
        if link != LINK:
            raise Refused("invitation_malformed")
        return InvitationContentView("حلقة المساء", "Sam", self.charter, NOW + 60)

    async def join(self, link: str, *, nickname: str) -> CircleView:
        self.calls.append(f"join as {nickname}")
        return CircleView(
            _id("joined"), "حلقة المساء", nickname, "waiting_at_door", 1, (RELAY,), False
        )

    async def waiting(self, circle: str) -> Sequence[WaitingView]:
        await self._find(circle)
        return [WaitingView(_id("Guest"), "Guest", NOW)]

    async def admit(self, circle: str, who: str) -> None:
        await self._find(circle)
        if who != "Guest":
            raise Refused("nobody_waiting", name=who)

    async def decline(self, circle: str, who: str) -> None:
        await self.admit(circle, who)

    async def relay_add(self, address: str) -> None:
        self.relays.append(address)

    async def relay_list(self) -> Sequence[RelayView]:
        known = [RelayView(address, "connected", None) for address in self.relays]
        return [*known, RelayView(RELAY, "unreachable", "relay_unreachable")]

    async def relay_remove(self, address: str) -> None:
        if address not in self.relays:
            raise Refused("no_such_relay", address=address)
        self.relays.remove(address)

    async def circle_relays(self, circle: str) -> Sequence[CircleRelayView]:
        await self._find(circle)
        named = RELAY.replace("relay", "other")
        return [
            CircleRelayView(RELAY, "reading", "connected", None, ("Sam", "Ev\x1b]il")),
            CircleRelayView(named, "leaving", "unreachable", "relay_unreachable", ()),
            CircleRelayView(RELAY.replace("relay", "named"), "named", None, None, ("Sam",)),
        ]

    async def circle_relay(
        self, circle: str, address: str, *, change: Literal["add", "remove", "allow"]
    ) -> Sequence[CircleRelayView]:
        if change == "remove":
            raise Refused("last_relay")
        return await self.circle_relays(circle)

    async def say(
        self,
        circle: str,
        text: str,
        *,
        notes: Sequence[str],
        to_facilitators: bool,
        reply: str | None = None,
    ) -> str:
        found = await self._find(circle)
        answered = None if reply is None else self._said(reply)
        self.add(
            found.id,
            text,
            notes=tuple(notes),
            audience="facilitators" if to_facilitators else "circle",
            about=answered,
        )
        self.calls.append(f"said {text}")
        return self.entries[-1].id

    def _said(self, message: str) -> EntryView:
        for entry in self.entries:
            if entry.id.startswith(message):
                return entry
        raise Refused("no_such_message", name=message)

    async def request(self, circle: str, message: str, *, text: str) -> str:
        found = await self._find(circle)
        about = self._said(message)
        self.add(found.id, text, kind="request", audience="facilitators", about=about)
        return self.entries[-1].id

    async def edit(self, circle: str, message: str, text: str) -> str:
        found = await self._find(circle)
        before = self._own(message)
        self.entries[before.position - 1] = evolve(before, text=text, edited=True)
        self.add(found.id, text, kind="edit", about=before)
        return self.entries[-1].id

    async def retract(self, circle: str, message: str) -> RetractionView:
        found = await self._find(circle)
        before = self._own(message)
        self.entries[before.position - 1] = evolve(before, text="", kind="retracted")
        self.add(found.id, "", kind="retraction", about=before)
        return RetractionView(before.id, 2, 1)

    async def circle_disappear(self, circle: str, seconds: int) -> None:
        await self._find(circle)
        if seconds not in DISAPPEAR_TIMES.values():
            raise Refused("disappear_unfit")
        self.calls.append(f"disappear {seconds}")

    def _own(self, message: str) -> EntryView:
        before = self._said(message)
        if not before.mine:
            raise Refused("not_your_message")
        return before

    async def read(
        self,
        circle: str,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int,
        newest: bool = False,
        with_hidden: bool = False,
    ) -> Sequence[EntryView]:
        found = await self._find(circle)
        most = sys.maxsize if before is None else before
        here = [one for one in self.entries if one.circle == found.id]
        here = [one for one in here if after < one.position < most]
        here = [one for one in here if one.kind != "hidden" or not with_hidden]
        return here[-limit:] if newest else here[:limit]

    async def entry(self, circle: str, message: str) -> EntryView:
        await self._find(circle)
        return self._said(message)

    async def first_new(self, circle: str) -> int | None:
        found = await self._find(circle)
        new = [e.position for e in self.entries if e.circle == found.id and e.is_new]
        return min(new, default=None)

    async def follow(
        self, circle: str, *, after: int, with_hidden: bool = False
    ) -> AsyncGenerator[EntryView, None]:
        self.following += 1
        try:
            if circle == "endless":
                async with aclosing(self._endless()) as entries:
                    async for entry in entries:
                        yield entry
            while True:
                for entry in await self.read(circle, after=after, limit=10):
                    yield entry
                    after = entry.position
                await self.news.wait()
        finally:
            self.following -= 1

    async def deliveries(self, circle: str, message: str | None) -> Sequence[DeliveryView]:
        await self._find(circle)
        if message is not None and not _id("message 1").startswith(message):
            raise Refused("no_such_message", name=message)
        return [DeliveryView(_id("message 1"), _id("Sam"), "Sam", "at_relay")]

    async def links(self, circle: str) -> Sequence[LinkView]:
        await self._find(circle)
        return [
            LinkView(_id("Sam"), "Sam", "direct", 12.4),
            LinkView(_id("Guest"), "Guest", "none", None),
        ]

    async def direct(self, circle: str, who: str, *, allow: bool) -> DirectView:
        await self._find(circle)
        if who != "Sam":
            raise Refused("no_such_member", name=who)
        self.calls.append(f"direct {who} {allow}")
        return DirectView(_id(who), who, mine=allow, theirs=circle != "evening")

    async def safety_words(
        self, circle: str, who: str, *, language: Literal["ar", "en"]
    ) -> Sequence[str]:
        await self._find(circle)
        return [f"{language}{place}" for place in range(1, 9)]

    async def search(self, circle: str, query: str) -> Sequence[EntryView]:
        await self._find(circle)
        return [entry for entry in reversed(self.entries) if query in entry.text]

    async def doctor(self) -> Sequence[CheckView]:
        return [
            CheckView("vault", True, "vault_sound"),
            CheckView("relay", False, "relay_unreachable", {"address": RELAY}),
        ]

    async def drain(self) -> int:
        return 0

    async def lock(self, *, is_drained: bool = False) -> None:
        self.calls.append("lock")
        self.end()

    async def wipe(self) -> None:
        self.calls.append("wipe")
        self.end()

    def add(
        self,
        circle: str,
        text: str,
        *,
        kind: str = "text",
        notes: tuple[str, ...] = (),
        passed_on_by: str | None = None,
        author_name: str = "نورس",
        audience: Audience = "circle",
        about: EntryView | None = None,
        act: ActView | None = None,
    ) -> None:
        """Have something said."""
        position = len(self.entries) + 1
        self.entries.append(
            EntryView(
                position=position,
                id=_id(f"message {position}"),
                circle=circle,
                author=_id("me"),
                author_name=author_name,
                mine=author_name == "نورس",
                kind=kind,
                text=text,
                sent_at=NOW,
                received_at=NOW + 1,
                notes=notes,
                passed_on_by=passed_on_by,
                audience=audience,
                reply_to=None if about is None else about.id,
                quote=None if about is None else QuoteView(about.author_name, about.text),
                act=act,
            )
        )
        self.news.set()
        self.news = trio.Event()

    async def _find(self, circle: str, *, may_miss: bool = False) -> CircleView:
        if circle.startswith("refuse:"):
            raise refuse(cast("RefusalCode", circle.removeprefix("refuse:")))
        if circle in ODD:
            await self._be_odd(circle)
        found = [one for one in self.circles if circle == one.name or one.id.startswith(circle)]
        if not found and not may_miss and circle not in (*ODD, "endless", "burned"):
            raise Refused("no_such_circle", name=circle)
        placeholder = CircleView(_id(circle), circle, "نورس", "active", 1, (), False)
        return found[0] if found else placeholder

    async def _be_odd(self, circle: str) -> None:
        if circle == "slow":
            await trio.sleep(1.2)
        if circle == "fault":
            raise RuntimeError("a private sentence")
        if circle == "nested":
            async with trio.open_nursery():
                raise refuse("disk_full")

    async def _endless(self) -> AsyncGenerator[EntryView, None]:
        while True:
            self.produced += 1
            self.add("endless", "x" * 1000)
            yield self.entries.pop()
            await trio.lowlevel.checkpoint()


async def run_door(home: Path) -> None:
    """Serve a fake until it is locked, wiped or killed; print `ready` when it can be asked."""
    async with trio.open_nursery() as nursery:
        app = FakeApp(nursery.cancel_scope.cancel)
        evening = await app.circle_create(
            "evening", relays=[RELAY], direct=False, charter=app.charter, nickname=None
        )
        app.add(evening.id, "مرحبا\nبالجميع", notes=("loss",), passed_on_by="Sam")
        app.add(evening.id, "\x1b[31mred\x1b[0m \u202egnp.exe\u202c", author_name="Ev\x1b]il")
        app.add(evening.id, "Guest", kind="joined")
        app.add(evening.id, "", kind="poll")
        app.add(evening.id, "", kind="act", act=WAITING)
        app.add(evening.id, "", kind="second", act=WAITING, author_name="Guest")
        app.add(evening.id, "", kind="crossed", author_name="Guest")
        door: AppInterface = app
        await nursery.start(serve, door, home)
        print("ready", flush=True)
        await trio.sleep(math.inf)


if __name__ == "__main__":
    trio.run(run_door, Path(sys.argv[1]))
