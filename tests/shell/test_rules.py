"""Charter and policy between whole applications: proposed, supported, asked for, accepted."""

from __future__ import annotations

import pytest

from tests.shell.test_governance import agree, let_in
from tests.support.applications import Village, a_village, circle_of_two, eventually
from toheal_p2p.app.application import Application
from toheal_p2p.app.refusals import Refused
from toheal_protocol.messages.acts import charter_hash

pytestmark = pytest.mark.trio

ALL_IN = {"نورس": "facilitator", "Salma": "member", "Idris": "member"}


async def three(village: Village) -> tuple[Application, Application, Application, str]:
    ours, theirs, circle = await circle_of_two(village)
    third = await let_in(village, ours, circle, "Idris")
    await agree(circle, [ours, theirs, third], ALL_IN)
    return ours, theirs, third, circle


async def has_charter(app: Application, circle: str, text: str) -> None:
    async def is_here() -> bool:
        return (await app.circle_charter(circle)).text == text

    await eventually(is_here)


async def say(app: Application, circle: str, text: str) -> str:
    return await app.say(circle, text, notes=(), to_facilitators=False)


async def test_after_a_change_everybody_is_asked_before_they_write_again(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, third, circle = await three(village)
        assert (await theirs.circle_charter(circle)).open == ()
        act = await ours.circle_charter_set(circle, "نصغي أطول.")
        assert (act.state, act.text) == ("stands", "نصغي أطول.")
        for app in (theirs, third):
            await has_charter(app, circle, "نصغي أطول.")
        shown = await theirs.circle_charter(circle)
        assert not shown.mine
        assert shown.accepted == ("نورس",)
        assert set(shown.open) == {"Salma", "Idris"}
        with pytest.raises(Refused, match="charter_to_accept"):
            await say(theirs, circle, "may I")
        assert not (await theirs.circle_list())[0].charter_accepted
        await say(ours, circle, "who proposed it has said yes")
        assert (await theirs.circle_accept(circle, shown.id)).mine
        await theirs.circle_accept(circle, shown.id)  # a second yes changes nothing
        await say(theirs, circle, "now I may")

        async def everybody_knows() -> bool:
            members = {m.name: m.charter_accepted for m in await ours.circle_members(circle)}
            return members == {"نورس": True, "Salma": True, "Idris": False}

        await eventually(everybody_knows)
        await third.circle_leave(circle)  # leaving takes no yes


async def test_nobody_says_yes_to_another_text_than_they_read(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, _, circle = await three(village)
        await ours.circle_charter_set(circle, "one")
        await has_charter(theirs, circle, "one")
        read = (await theirs.circle_charter(circle)).id
        await ours.circle_charter_set(circle, "two")
        await has_charter(theirs, circle, "two")
        with pytest.raises(Refused, match="charter_changed_again"):
            await theirs.circle_accept(circle, read)
        assert not (await theirs.circle_charter(circle)).mine
        with pytest.raises(Refused, match="charter_already"):
            await ours.circle_charter_set(circle, "two")
        with pytest.raises(Refused, match="charter_too_long"):
            await ours.circle_charter_set(circle, "ط" * 2100)


async def test_a_charter_by_a_member_waits_is_read_and_supported(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, third, circle = await three(village)
        act = await theirs.circle_charter_set(circle, "softer")
        assert (act.state, act.facilitators, act.members) == ("waits", 1, 2)

        async def third_reads_it() -> bool:
            return ("charter", "softer") in [
                (one.kind, one.text) for one in await third.circle_acts(circle)
            ]

        await eventually(third_reads_it)
        assert (await third.circle_charter(circle)).text == "نصغي."
        await say(third, circle, "what waits asks nobody")
        assert (await third.circle_second(circle, act.id)).state == "stands"
        await has_charter(ours, circle, "softer")
        await say(third, circle, "whoever supported it has said yes")
        with pytest.raises(Refused, match="charter_to_accept"):
            await say(ours, circle, "the facilitator is asked like everybody")


async def test_an_invitation_of_before_a_change_still_opens_and_asks_later(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        invitation = await ours.invite(circle, expires_in=3600)
        await ours.circle_charter_set(circle, "newer")
        newcomer = await village.start("Idris")
        await newcomer.join(invitation.link, nickname="Idris")

        async def waits() -> bool:
            return bool(await ours.waiting(circle))

        await eventually(waits)
        await ours.admit(circle, "Idris")
        await agree(circle, [ours, theirs, newcomer], ALL_IN)
        shown = await newcomer.circle_charter(circle)
        assert (shown.text, shown.mine) == ("newer", False)
        with pytest.raises(Refused, match="charter_to_accept"):
            await say(newcomer, circle, "hello")
        await newcomer.circle_accept(circle, charter_hash("newer").hex())
        await say(newcomer, circle, "hello")


async def test_a_policy_takes_everybody(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, third, circle = await three(village)
        assert (await ours.circle_policy(circle)).direct
        with pytest.raises(Refused, match="policy_already"):
            await ours.circle_policy_set(circle, direct=True)
        act = await ours.circle_policy_set(circle, direct=False)
        assert (act.state, act.facilitators, act.members) == ("waits", 0, 3)

        async def is_here() -> bool:
            known = [[one.id for one in await app.circle_acts(circle)] for app in (theirs, third)]
            return all(act.id in ids for ids in known)

        await eventually(is_here)
        assert (await theirs.circle_second(circle, act.id)).state == "waits"
        assert (await theirs.circle_policy(circle)).direct

        async def theirs_is_here() -> bool:
            acts = {one.id: one.supporters for one in await third.circle_acts(circle)}
            return "Salma" in acts[act.id]

        await eventually(theirs_is_here)
        assert (await third.circle_second(circle, act.id)).state == "stands"
        assert not (await third.circle_policy(circle)).direct
