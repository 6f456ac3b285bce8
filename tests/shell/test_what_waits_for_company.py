"""What nobody waits for is written later; who asks, and whoever waits for a frame, notices nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing

import pytest
import trio
from attrs import define, field

from tests.support.applications import a_village, circle_of_two, eventually
from toheal_p2p.app.application import Application
from toheal_p2p.services.circle import CircleService
from toheal_p2p.services.committer import COMPANY_LONGEST, Committer
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.records import Write

pytestmark = pytest.mark.trio


@define(eq=False)
class RecordedCommitter:
    """A committer that remembers what might wait, and what its decision had to be done."""

    committer: Committer
    may_wait: list[bool] = field(factory=list)
    acts: list[bool] = field(factory=list)

    def submit(
        self,
        writes: Sequence[Write],
        act: Callable[[], None] | None = None,
        *,
        done: trio.Event | None = None,
        may_wait: bool = False,
    ) -> None:
        self.may_wait.append(may_wait)
        self.acts.append(act is not None)
        self.committer.submit(writes, act, done=done, may_wait=may_wait)

    async def room(self) -> None:
        await self.committer.room()

    async def flushed(self) -> None:
        await self.committer.flushed()


async def say(app: Application, circle: str, text: str) -> None:
    await app.say(circle, text, notes=(), to_facilitators=False)


def service_of(app: Application, circle: str) -> CircleService:
    return app._find(circle).service


async def talk_directly(ours: Application, theirs: Application, circle: str) -> None:
    async def is_direct() -> bool:
        return [(await one.links(circle))[0].link for one in (ours, theirs)] == ["direct"] * 2

    await eventually(is_direct)
    await ours.committer.flushed()
    await theirs.committer.flushed()


async def acknowledged(app: Application, circle: str) -> None:
    async def is_all() -> bool:
        pairs = service_of(app, circle).circle.pairs.values()
        return all(pair.acked_through == pair.next_seq - 1 for pair in pairs)

    await eventually(is_all)


async def test_who_asks_is_told_what_is_not_written_yet(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        await talk_directly(ours, theirs, circle)
        async with aclosing(theirs.follow(circle, after=0)) as entries:
            began = trio.current_time()
            await say(ours, circle, "words")
            async for entry in entries:
                if entry.text == "words":
                    break
        await acknowledged(ours, circle)
        assert trio.current_time() < began + COMPANY_LONGEST / 2
        cold = service_of(ours, circle).circle.cold
        assert [row.state for row in await ours.vault.deliveries(cold.id, None, limit=1)] == [
            "sealed"
        ]
        assert [row.state for row in await ours.deliveries(circle, None)] == ["delivered"]
        [unread] = await theirs.vault.entries(cold.id, limit=1, newest=True)
        assert not unread.is_shown
        assert await theirs.first_new(circle) is None
        assert trio.current_time() < began + COMPANY_LONGEST / 2


async def test_nothing_that_reaches_anybody_waits_for_company(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        await talk_directly(ours, theirs, circle)
        service = service_of(ours, circle)
        service.committer = recorded = RecordedCommitter(service.committer)  # type: ignore[assignment]
        for number in range(3):
            await say(ours, circle, f"words {number}")
            await say(theirs, circle, f"an answer {number}")
            await acknowledged(theirs, circle)
        assert {True, False} <= set(recorded.may_wait)
        assert not any(
            waits and acts for waits, acts in zip(recorded.may_wait, recorded.acts, strict=True)
        )


async def test_an_alarm_is_set_whether_or_not_the_decision_is_written(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        await talk_directly(ours, theirs, circle)
        service = service_of(ours, circle)
        decision = service.take(machine.Submitted("words", ()))
        [alarm] = [one for one in decision.effects if isinstance(one, machine.WakeAt)]
        assert service._alarm.deadline == alarm.instant
