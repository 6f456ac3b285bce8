"""What the fake application answers about members: one act that waits, and one that stands."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from toheal_p2p.app.interface import (
    ActView,
    CharterView,
    DoorLineView,
    NoticeView,
    PolicyView,
    TalkView,
)
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.vocabulary import ActReason, Role

WAITING = ActView(
    id="ab" * 32,
    kind="remove",
    author="11" * 32,
    author_name="Sam",
    member="22" * 32,
    member_name="Ev\x1b]il",
    role=None,
    direct=None,
    reason="harm",
    text="one line\nanother \x1b[31mline",
    state="waits",
    supporters=("Sam", "نورس"),
    waiting_for=("Guest",),
    facilitators=2,
    members=3,
)

DONE = ActView(
    id="cd" * 32,
    kind="create",
    author="11" * 32,
    author_name="Sam",
    member=None,
    member_name=None,
    role=None,
    direct=False,
    reason=None,
    text="",
    state="stands",
    supporters=("Sam",),
    waiting_for=(),
    facilitators=0,
    members=1,
)

EVERY_ACT: tuple[ActView, ...] = (
    DONE,
    evolve(DONE, kind="add", member="22" * 32, member_name="Guest"),
    evolve(DONE, kind="leave"),
    evolve(DONE, kind="charter", state="void"),
    evolve(DONE, kind="policy", direct=True, state="waits", members=4),
    evolve(DONE, kind="policy", state="moot"),
    evolve(WAITING, kind="role", role="listener", text=""),
    evolve(DONE, kind="term", member="22" * 32, member_name="Guest", until=1_900_000_000),
    evolve(WAITING, kind="mute", until=1_900_000_000),
    evolve(DONE, kind="unmute", member="22" * 32, member_name="Guest"),
    WAITING,
)


CHARTER = CharterView(
    id="ef" * 32,
    text="One line.\nAnother \x1b[31mline.",
    mine=False,
    accepted=("Sam",),
    open=("Ev\x1b]il",),
)


TALK = TalkView(
    id="aa" * 16,
    state="offered",
    partner="22" * 32,
    partner_name="Ev\x1b]il",
    other_name=None,
    introducer_name=None,
    since=1_800_000_000,
    circle=None,
)


NOTICE = NoticeView(
    id="cc" * 32,
    link="toheal:1:x",
    topic="Ev\x1b]il",
    state="open",
    expires_at=1_800_000_000,
    waiting=2,
    came=5,
)


class FakeGovernance:
    """The part of the fake that is about members."""

    async def _find(self, circle: str) -> object:
        raise NotImplementedError

    async def circle_acts(self, circle: str) -> Sequence[ActView]:
        await self._find(circle)
        return EVERY_ACT

    async def circle_remove(
        self, circle: str, who: str, *, reason: ActReason, text: str
    ) -> ActView:
        await self._find(circle)
        if who == "nobody":
            raise Refused("no_such_member", name=who)
        return evolve(WAITING, member_name=who, reason=reason, text=text)

    async def circle_role(
        self, circle: str, who: str, role: Role, *, reason: ActReason, text: str, weeks: int = 4
    ) -> ActView:
        await self._find(circle)
        until = 1_900_000_000 + weeks * 7 * 24 * 3600
        done = evolve(DONE, kind="role", member_name=who, role=role, reason=reason, text=text)
        return evolve(done, until=until) if role == "facilitator" else done

    async def circle_term(self, circle: str, who: str, *, weeks: int) -> ActView:
        await self._find(circle)
        if weeks > 26:
            raise Refused("term_unfit", limit=26)
        return evolve(DONE, kind="term", member_name=who, until=1_900_000_000)

    async def circle_mute(
        self, circle: str, who: str, *, hours: int, reason: ActReason, text: str
    ) -> ActView:
        await self._find(circle)
        until = 1_900_000_000 + hours * 3600
        return evolve(DONE, kind="mute", member_name=who, until=until, reason=reason, text=text)

    async def circle_unmute(self, circle: str, who: str) -> ActView:
        await self._find(circle)
        if who == "nobody":
            raise Refused("not_muted")
        return evolve(DONE, kind="unmute", member_name=who)

    async def hide(self, circle: str, who: str, *, hidden: bool) -> None:
        await self._find(circle)
        if who == "nobody":
            raise Refused("no_such_member", name=who)

    async def circle_second(self, circle: str, act: str) -> ActView:
        await self._find(circle)
        if not WAITING.id.startswith(act):
            raise Refused("no_such_act", name=act)
        return evolve(WAITING, state="stands")

    async def circle_charter(self, circle: str) -> CharterView:
        await self._find(circle)
        return CHARTER

    async def circle_charter_set(self, circle: str, text: str) -> ActView:
        await self._find(circle)
        return evolve(DONE, kind="charter", text=text, state="waits", facilitators=2, members=3)

    async def circle_accept(self, circle: str, charter: str) -> CharterView:
        await self._find(circle)
        if charter != CHARTER.id:
            raise Refused("charter_changed_again")
        return evolve(CHARTER, mine=True, accepted=("Sam", "Ev\x1b]il"), open=())

    async def circle_policy(self, circle: str) -> PolicyView:
        await self._find(circle)
        proposed = evolve(DONE, kind="policy", direct=True, state="waits", members=4)
        return PolicyView(False, (evolve(proposed, waiting_for=("Guest", "Ev\x1b]il")),))

    async def circle_policy_set(self, circle: str, *, direct: bool) -> ActView:
        await self._find(circle)
        return evolve(DONE, kind="policy", direct=direct, state="waits", members=4)

    async def talks(self, circle: str) -> Sequence[TalkView]:
        await self._find(circle)
        return [
            TALK,
            evolve(TALK, state="introducing", other_name="Guest"),
            evolve(TALK, introducer_name="نورس", state="begun", circle="12" * 32),
        ]

    async def talk_ask(self, circle: str, who: str, *, card: str) -> TalkView:
        await self._find(circle)
        if who == "nobody":
            raise Refused("no_such_member", name=who)
        return evolve(TALK, partner_name=who, state="asked")

    async def talk_introduce(self, circle: str, who: str, other: str) -> TalkView:
        await self._find(circle)
        return evolve(TALK, partner_name=who, other_name=other, state="introducing")

    async def talk_accept(self, circle: str, who: str, *, card: str) -> TalkView:
        await self._find(circle)
        return evolve(TALK, partner_name=who, state="agreed")

    async def talk_decline(self, circle: str, who: str, *, for_good: bool) -> None:
        await self._find(circle)
        if who == "nobody":
            raise Refused("no_such_talk", name=who)

    async def notice_open(
        self, circle: str, *, topic: str, text: str, name: str, expires_in: int
    ) -> NoticeView:
        await self._find(circle)
        return evolve(NOTICE, topic=topic, link=f"toheal:1:{name}:{len(text.splitlines())}")

    async def notices(self, circle: str) -> Sequence[NoticeView]:
        await self._find(circle)
        return [NOTICE, evolve(NOTICE, state="withdrawn", link="")]

    async def notice_close(self, circle: str, notice: str) -> None:
        await self._find(circle)
        if not NOTICE.id.startswith(notice):
            raise Refused("no_such_notice", name=notice)

    async def door(self, circle: str, who: str | None) -> Sequence[DoorLineView]:
        await self._find(circle)
        return [
            DoorLineView(False, "Ev\x1b]il", "who\nare \x1b[31myou", 1_800_000_000),
            DoorLineView(True, "نورس", "a neighbour", 1_800_000_100),
        ]

    async def door_say(self, circle: str, who: str | None, text: str) -> None:
        await self._find(circle)
        if who == "nobody":
            raise Refused("nobody_waiting", name=who)

    async def circle_readmit(self, circle: str, who: str) -> None:
        await self._find(circle)
