"""Ways to find each other without a network: spoken codes, and meeting in one room."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Literal

from attrs import define, field

from tests.support.fake_values import CODE, LINK, NOW, made_up_id, refuse
from toheal_p2p.app.interface import CircleView, MeetingView
from toheal_p2p.app.spoken_interface import LookedUpView, SpokenView
from toheal_p2p.app.vocabulary import SpokenState


@define(eq=False)
class FakeSpokenCodes:
    """One code that is looked up; words that end in `zebra` are wrong."""

    find: Callable[[str], Awaitable[CircleView]]
    tries_left: int = 3

    async def offer(
        self, circle: str, *, expires_in: int, language: Literal["ar", "en"]
    ) -> SpokenView:
        await self.find(circle)
        return self._view("waiting")

    async def codes(self, circle: str) -> Sequence[SpokenView]:
        await self.find(circle)
        return [self._view("waiting")]

    async def follow(self, circle: str, code_id: str) -> AsyncGenerator[SpokenView, None]:
        await self.find(circle)
        yield self._view("waiting")
        self.tries_left = 2
        yield self._view("waiting")
        yield self._view("burned" if circle == "burned" else "handed_over")

    async def look_up(self, code: str, *, relays: Sequence[str]) -> LookedUpView:
        if code.endswith("zebra"):
            raise refuse("spoken_words_wrong")
        return LookedUpView(LINK)

    def _view(self, state: SpokenState) -> SpokenView:
        return SpokenView(made_up_id("code"), CODE, NOW + 600, self.tries_left, state)


@define(eq=False)
class FakeMeetings:
    """Meeting in one room, without a room."""

    find: Callable[[str], Awaitable[CircleView]]
    opened: list[str] = field(factory=list)
    room_until: int = 0

    async def open(
        self, circle: str | None, *, seconds: int, interfaces: Sequence[str], room: bool = False
    ) -> Sequence[MeetingView]:
        if circle is not None:
            await self.find(circle)
        if "none0" in interfaces:
            raise refuse("no_such_interface")
        self.opened.append(circle or "all")
        self.room_until = NOW + seconds if room else 0
        return await self.views()

    async def close(self, circle: str | None) -> None:
        self.opened.clear()

    async def views(self) -> Sequence[MeetingView]:
        if not self.opened:
            return [MeetingView(made_up_id("evening"), "evening", "closed", 0, (), ())]
        networks = ("wlan0 192.168.1.5",)
        return [
            MeetingView(
                made_up_id("evening"),
                "evening",
                "met",
                NOW + 7200,
                networks,
                ("Sam", "Ev\x1b]il"),
                self.room_until,
            ),
            MeetingView(made_up_id("x"), "x", "silent", NOW + 7200, networks, ()),
        ]
