"""What several writers say in one moment is decided in one step, and each is told of their own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain

import pytest
import trio
import trio.testing
from attrs import define, evolve, field

from tests.support.applications import a_village, circle_of_two, eventually
from tests.support.vaults import an_entry
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.together import MOST_AT_ONCE, Together
from toheal_p2p.ports.vault import DiskFull
from toheal_p2p.services.committer import VaultFailed
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.draft import Decision
from toheal_protocol.model import MAX_TEXT_SIZE, MessageId

pytestmark = pytest.mark.trio


def mid_of(text: str) -> MessageId:
    return MessageId(text.encode().ljust(32, b".")[:32])


@define(eq=False)
class Disk:
    """A committer that is slow, or fails."""

    is_full: bool = False

    async def flushed(self) -> None:
        await trio.sleep(0.01)
        if self.is_full:
            raise VaultFailed(DiskFull("no room"))


@define(eq=False)
class Service:
    """Decides as a circle does: each text has one entry, after whatever else is shown."""

    committer: Disk = field(factory=Disk)
    steps: list[list[str]] = field(factory=list)

    def take(self, event: machine.Event) -> Decision:
        assert isinstance(event, machine.SubmittedTogether)
        self.steps.append([one.text for one in event.said])
        ended = machine.Show(evolve(an_entry(1), kind="unmuted", is_mine=True))
        shown = [
            machine.Show(evolve(an_entry(2), text=one.text, mid=mid_of(one.text), is_mine=True))
            for one in event.said
        ]
        return Decision(None, (), (ended, *shown))  # type: ignore[arg-type]


def together(service: Service) -> Together:
    return Together(service)  # type: ignore[arg-type]


def saying(text: str) -> Callable[[], machine.Submitted]:
    def words() -> machine.Submitted:
        if text.startswith("no"):
            raise Refused("text_empty")
        return machine.Submitted(text)

    return words


async def all_at_once(
    service: Service, texts: list[str], *, by: Together | None = None
) -> dict[str, MessageId | str]:
    """Let each be said by a writer of its own; return what each was told."""
    ours, told = by or together(service), dict[str, MessageId | str]()

    async def write(text: str) -> None:
        try:
            told[text] = await ours.say(saying(text))
        except Refused as refused:
            told[text] = refused.code

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for text in texts:
                nursery.start_soon(write, text)
    return told


async def test_who_speaks_alone_is_decided_at_once(autojump_clock: object) -> None:
    service = Service()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(together(service).say, saying("alone"))
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        assert service.steps == [["alone"]]


async def test_several_are_decided_in_few_steps_and_each_hears_of_their_own(
    autojump_clock: object,
) -> None:
    service = Service()
    ours = together(service)
    for moment in range(2):
        service.steps.clear()
        texts = [f"text {number} of {moment}" for number in range(3 * MOST_AT_ONCE)]
        told = await all_at_once(service, texts, by=ours)
        assert told == {text: mid_of(text) for text in texts}
        assert sorted(chain.from_iterable(service.steps)) == sorted(texts)
        assert len(service.steps) <= 5
        assert max(map(len, service.steps)) == MOST_AT_ONCE


async def test_who_may_not_speak_is_told_so_and_keeps_nobody_else_from_it(
    autojump_clock: object,
) -> None:
    service = Service()
    told = await all_at_once(service, ["one", "no 1", "two", "no 2", "three"])
    assert told == {
        **{text: mid_of(text) for text in ("one", "two", "three")},
        **dict.fromkeys(("no 1", "no 2"), "text_empty"),
    }
    service = Service()
    assert set((await all_at_once(service, ["no 1", "no 2", "no 3"])).values()) == {"text_empty"}
    assert service.steps == []


async def test_whether_one_may_speak_is_asked_as_it_is_decided(autojump_clock: object) -> None:
    """A removal or a mute that comes between the asking and the deciding is not passed over."""
    service, may_speak = Service(), [True]
    ours = together(service)

    def words() -> machine.Submitted:
        if not may_speak[0]:
            raise Refused("not_a_member")
        return machine.Submitted("late")

    async def write() -> None:
        with pytest.raises(Refused, match="not_a_member"):
            await ours.say(words)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.say, saying("first"))
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(write)
        nursery.start_soon(write)
        nursery.start_soon(lambda: _forbid(may_speak))
    assert service.steps == [["first"]]


async def _forbid(may_speak: list[bool]) -> None:
    may_speak[0] = False


async def test_long_texts_are_decided_one_by_one(autojump_clock: object) -> None:
    """What one may write in a day is asked before each step: a step holds one longest text at most."""
    service = Service()
    texts = [str(number) * MAX_TEXT_SIZE for number in range(4)]
    told = await all_at_once(service, texts)
    assert set(told) == set(texts)
    assert [len(step) for step in service.steps] == [1, 1, 1, 1]


async def test_a_writer_who_gives_up_takes_nobody_along(autojump_clock: object) -> None:
    """Whoever of them leads: cancelled at any moment, the others' words are durable when they return."""
    for given_up in range(5):
        for passes in range(4):
            service = Service()
            ours, told = together(service), list[MessageId]()
            scopes = [trio.CancelScope() for _ in range(5)]

            async def write(place: int) -> None:
                with scopes[place]:  # noqa: B023 - used within the round
                    began = trio.current_time()
                    mid = await ours.say(saying(f"text {place}"))  # noqa: B023
                    assert trio.current_time() - began > 0.009  # it waited for the disk
                    told.append(mid)  # noqa: B023

            async with trio.open_nursery() as nursery:
                for place in range(5):
                    nursery.start_soon(write, place)
                for _ in range(passes):
                    await trio.lowlevel.checkpoint()
                scopes[given_up].cancel()
            others = {mid_of(f"text {place}") for place in range(5) if place != given_up}
            assert others <= set(told)
            said = list(chain.from_iterable(service.steps))
            assert len(said) == len(set(said))


async def test_a_disk_that_is_full_is_told_to_each(autojump_clock: object) -> None:
    service = Service(Disk(is_full=True))
    told = await all_at_once(service, [f"text {number}" for number in range(6)])
    assert set(told.values()) == {"disk_full"}


async def test_forty_texts_at_once_are_read_once_each_by_both(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        texts = [f"text {number}" for number in range(40)]
        ids: dict[str, str] = {}

        async def write(text: str) -> None:
            ids[text] = await ours.say(circle, text, notes=(), to_facilitators=False)

        async with trio.open_nursery() as nursery:
            for text in texts:
                nursery.start_soon(write, text)
        for app in (ours, theirs):

            async def has(app: object = app) -> bool:
                rows = await app.read(circle, limit=200)  # type: ignore[attr-defined]
                return {one.text: one.id for one in rows if one.kind == "text"} == ids

            await eventually(partial(has))
