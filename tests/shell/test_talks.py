"""Conversations of two between whole applications: both say yes, or nothing happens at all."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve

from tests.shell.test_governance import agree, let_in
from tests.support.applications import Village, a_village, circle_of_two, eventually
from toheal_p2p.app.application import Application
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.running import RunningCircle
from toheal_p2p.app.talks import TRY_AGAIN
from toheal_p2p.services.relay_connection import RelayConnection
from toheal_protocol.changing import changed
from toheal_protocol.machines.pairing_events import TalkOpened
from toheal_protocol.machines.talk_state import TalkStep
from toheal_protocol.wire.relay_address import RelayAddress

pytestmark = pytest.mark.trio

ALL_IN = {"نورس": "facilitator", "Salma": "member", "Idris": "member"}


async def three(village: Village) -> tuple[Application, Application, Application, str]:
    ours, theirs, circle = await circle_of_two(village)
    third = await let_in(village, ours, circle, "Idris")
    await agree(circle, [ours, theirs, third], ALL_IN)
    return ours, theirs, third, circle


async def states(app: Application, circle: str) -> list[tuple[str, str]]:
    return [(one.partner_name, one.state) for one in await app.talks(circle)]


async def until_state(app: Application, circle: str, wanted: tuple[str, str]) -> None:
    async def has() -> bool:
        return wanted in await states(app, circle)

    await eventually(has)


async def the_talk(app: Application) -> str:
    [found] = [one.id for one in await app.circle_list() if one.is_talk]
    return found


async def until_talking(one: Application, other: Application) -> str:
    async def are() -> bool:
        circles = [[c for c in await app.circle_list() if c.is_talk] for app in (one, other)]
        return all(len(c) == 1 and c[0].state == "active" and c[0].members == 2 for c in circles)

    await eventually(are)
    return await the_talk(one)


async def texts(app: Application, circle: str) -> list[tuple[str, str]]:
    entries = await app.read(circle, limit=100)
    return [(one.author_name, one.text) for one in entries if one.kind == "text"]


async def test_two_who_both_want_get_a_circle_of_two_with_new_personas(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, third, circle = await three(village)
        await theirs.talk_ask(circle, "Idris", card="evenings; I can listen")
        await until_state(third, circle, ("Salma", "offered"))
        await trio.sleep(600)
        assert [c.is_talk for c in await theirs.circle_list()] == [False], "one yes makes nothing"
        await third.talk_accept(circle, "Salma", card="not on Sundays")
        talk = await until_talking(theirs, third)
        both = [await texts(app, talk) for app in (theirs, third)]

        async def cards_are_there() -> bool:
            both[:] = [await texts(app, talk) for app in (theirs, third)]
            return all(len(one) == 2 for one in both)

        await eventually(cards_are_there)
        said = {("Salma", "evenings; I can listen"), ("Idris", "not on Sundays")}
        assert [set(one) for one in both] == [said, said]
        here = {m.id for m in await theirs.circle_members(talk)}
        there = {m.id for m in await theirs.circle_members(circle)}
        assert len(here) == 2 and not here & there, "nobody brings a key from the circle"
        assert {m.role for m in await third.circle_members(talk)} == {"member"}
        assert [c.is_talk for c in await ours.circle_list()] == [False]
        await theirs.say(talk, "hello", notes=(), to_facilitators=False)

        async def is_heard() -> bool:
            return ("Salma", "hello") in await texts(third, talk)

        await eventually(is_heard)
        assert ("Salma", "begun") in await states(third, circle)


async def test_neither_of_two_decides_over_the_other_and_nobody_else_comes_in(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        _ours, theirs, third, circle = await three(village)
        await theirs.talk_ask(circle, "Idris", card="")
        await until_state(third, circle, ("Salma", "offered"))
        await third.talk_accept(circle, "Salma", card="")
        talk = await until_talking(theirs, third)
        for app, other in ((theirs, "Idris"), (third, "Salma")):
            with pytest.raises(Refused, match="talk_is_for_two"):
                await app.circle_remove(talk, other, reason="other", text="")
            with pytest.raises(Refused, match="talk_is_for_two"):
                await app.circle_role(talk, other, "listener", reason="other", text="")
            with pytest.raises(Refused, match="talk_is_for_two"):
                await app.circle_charter_set(talk, "mine")
            with pytest.raises(Refused, match="talk_is_for_two"):
                await app.talk_ask(talk, other, card="")
        with pytest.raises(Refused):
            await theirs.invite(talk, expires_in=3600)
        await third.circle_leave(talk)

        async def is_alone() -> bool:
            return len(await theirs.circle_members(talk)) == 1

        await eventually(is_alone)
        with pytest.raises(Refused, match="talk_is_for_two"):
            await theirs.invite(talk, expires_in=3600)


async def test_a_no_is_told_to_nobody_and_asking_again_reaches_nobody(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        _ours, theirs, third, circle = await three(village)
        await theirs.talk_ask(circle, "Idris", card="")
        await until_state(third, circle, ("Salma", "offered"))
        await third.talk_decline(circle, "Salma", for_good=False)
        assert await states(third, circle) == []
        await trio.sleep(3600)
        assert await states(theirs, circle) == [("Idris", "asked")], "it looks like no answer yet"
        with pytest.raises(Refused, match="talk_open_already"):
            await theirs.talk_ask(circle, "Idris", card="")
        await theirs.talk_decline(circle, "Idris", for_good=False)  # takes it back
        await theirs.talk_ask(circle, "Idris", card="")
        await trio.sleep(3600)
        assert await states(third, circle) == []
        with pytest.raises(Refused, match="no_such_talk"):
            await third.talk_accept(circle, "Salma", card="")


async def test_a_facilitator_introduces_and_both_have_to_say_yes(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, third, circle = await three(village)
        with pytest.raises(Refused, match="not_a_facilitator"):
            await theirs.talk_introduce(circle, "نورس", "Idris")
        with pytest.raises(Refused, match="act_on_oneself"):
            await ours.talk_introduce(circle, "Salma", "Salma")
        shown = await ours.talk_introduce(circle, "Salma", "Idris")
        assert (shown.state, shown.partner_name, shown.other_name) == (
            "introducing",
            "Salma",
            "Idris",
        )
        await until_state(theirs, circle, ("Idris", "offered"))
        await until_state(third, circle, ("Salma", "offered"))
        assert [one.introducer_name for one in await third.talks(circle)] == ["نورس"]
        await third.talk_accept(circle, "Salma", card="")
        await trio.sleep(600)
        assert await states(theirs, circle) == [("Idris", "offered")]
        assert not any(c.is_talk for c in await third.circle_list())
        await theirs.talk_accept(circle, "Idris", card="")
        talk = await until_talking(theirs, third)
        assert talk not in [c.id for c in await ours.circle_list()], "who introduced is not in it"


async def test_two_who_ask_each_other_at_once_meet_once(autojump_clock: object) -> None:
    async with a_village() as village:
        _ours, theirs, third, circle = await three(village)
        await theirs.talk_ask(circle, "Idris", card="")
        await third.talk_ask(circle, "Salma", card="")
        await until_talking(theirs, third)
        await trio.sleep(600)
        assert len(await theirs.circle_list()) == len(await third.circle_list()) == 2


async def test_a_restart_anywhere_makes_no_second_circle(autojump_clock: object) -> None:
    async with a_village() as village:
        _ours, theirs, third, circle = await three(village)
        await theirs.talk_ask(circle, "Idris", card="first words")
        await until_state(third, circle, ("Salma", "offered"))
        village.stop("Salma")
        await third.talk_accept(circle, "Salma", card="")
        await trio.sleep(5)
        theirs = await village.start("Salma")
        await trio.sleep(0.2)
        village.stop("Salma")
        village.stop("Idris")
        theirs, third = await village.start("Salma"), await village.start("Idris")
        talk = await until_talking(theirs, third)
        village.stop("Salma")
        theirs = await village.start("Salma")
        await trio.sleep(600)
        assert len(await theirs.circle_list()) == len(await third.circle_list()) == 2
        assert [text for _, text in await texts(third, talk)] == ["first words"]


async def test_a_way_in_over_a_strange_relay_is_not_followed(autojump_clock: object) -> None:
    async with a_village(relays=2) as village:
        stranger = village.other_relays[0]
        ours, theirs = await village.start("نورس"), await village.start("Salma")
        made = await ours.circle_create(
            "حلقة",
            relays=[str(village.relay.address)],
            direct=False,
            charter="نصغي.",
            nickname=None,
        )
        other = await ours.circle_create(
            "x", relays=[str(stranger.address)], direct=False, charter="نصغي.", nickname=None
        )
        seat = await ours.invite(made.id, expires_in=3600)
        await theirs.join(seat.link, nickname="Salma")

        async def waits() -> bool:
            return bool(await ours.waiting(made.id))

        await eventually(waits)
        await ours.admit(made.id, "Salma")
        await agree(made.id, [ours, theirs], {"نورس": "facilitator", "Salma": "member"})
        await ours.talk_ask(made.id, "Salma", card="")
        await until_state(theirs, made.id, ("نورس", "offered"))
        strange = (await ours.invite(other.id, expires_in=3600)).link
        running = ours._find(made.id)
        [talk] = running.service.circle.cold.talks
        hostile = [evolve(talk, step=TalkStep.OPENING)]
        cold = changed(running.service.circle.cold, talks=tuple(hostile))
        running.service.circle = changed(running.service.circle, cold=cold)
        called: list[object] = []
        connect = theirs.connect

        def record(address: RelayAddress) -> RelayConnection:
            called.append(address)
            return connect(address)

        theirs.connect = record
        await theirs.talk_accept(made.id, "نورس", card="")
        await ours._decide(running, TalkOpened(talk.id, strange))
        await trio.sleep(3 * TRY_AGAIN)
        assert len(await theirs.circle_list()) == 1
        assert (await states(theirs, made.id)) == [("نورس", "begun")]
        assert stranger.address not in called


async def test_what_fails_on_the_way_is_tried_again_and_made_once(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_village() as village:
        _ours, theirs, third, circle = await three(village)
        offer, failures = Application._offer, iter(range(3))

        async def fails(self: Application, running: RunningCircle, expires_in: int) -> object:
            if next(failures, None) is not None:
                raise Refused("disk_full")
            return await offer(self, running, expires_in)

        monkeypatch.setattr(Application, "_offer", fails)
        await theirs.talk_ask(circle, "Idris", card="")
        await until_state(third, circle, ("Salma", "offered"))
        await third.talk_accept(circle, "Salma", card="")
        await trio.sleep(5 * TRY_AGAIN)
        await until_talking(theirs, third)
        assert len(await theirs.circle_list()) == 2
