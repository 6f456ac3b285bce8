"""Removal, roles and appeals between whole applications, in virtual time."""

from __future__ import annotations

import pytest

from tests.support.applications import Village, a_village, circle_of_two, eventually
from toheal_p2p.app.application import Application
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.vocabulary import ActReason

pytestmark = pytest.mark.trio

HARM: ActReason = "harm"
DAY = 24 * 3600


async def let_in(village: Village, inviter: Application, circle: str, name: str) -> Application:
    newcomer = await village.start(name)
    invitation = await inviter.invite(circle, expires_in=3600)
    await newcomer.join(invitation.link, nickname=name)

    async def waits() -> bool:
        return bool(await inviter.waiting(circle))

    async def is_in() -> bool:
        return (await newcomer.circle_list())[0].state == "active"

    await eventually(waits)
    await inviter.admit(circle, name)
    await eventually(is_in)
    return newcomer


async def roles(app: Application, circle: str) -> dict[str, str]:
    return {member.name: member.role for member in await app.circle_members(circle)}


async def agree(circle: str, apps: list[Application], wanted: dict[str, str]) -> None:
    async def all_do() -> bool:
        return all([await roles(app, circle) == wanted for app in apps])

    await eventually(all_do)


async def test_a_member_is_removed_told_why_and_taken_back(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        third = await let_in(village, ours, circle, "Idris")
        both = {"نورس": "facilitator", "Salma": "member"}
        await agree(circle, [ours, theirs, third], {**both, "Idris": "member"})
        act = await ours.circle_remove(circle, "Idris", reason=HARM, text="words that hurt")
        assert (act.state, act.member_name, act.reason) == ("stands", "Idris", "harm")
        await agree(circle, [ours, theirs], both)

        async def is_out() -> bool:
            return (await third.circle_list())[0].state == "removed"

        await eventually(is_out)

        async def is_told_why() -> bool:
            shown = [entry.act for entry in await third.read(circle, limit=100) if entry.act]
            said = [(one.author_name, one.text) for one in shown]
            return said == [("نورس", "words that hurt")]

        await eventually(is_told_why)
        with pytest.raises(Refused, match="removed_from_circle"):
            await third.say(circle, "but", notes=(), to_facilitators=False)
        for app in (ours, theirs, third):
            [removal] = [one for one in await app.circle_acts(circle) if one.kind == "remove"]
            begun = [one for one in await app.circle_acts(circle) if one.kind == "create"]
            assert removal.seen_at is not None and [one.seen_at for one in begun] == [None]
            assert removal.returns_until is not None
            assert 0 <= removal.returns_until - removal.seen_at - 14 * DAY < 60
        with pytest.raises(Refused, match="not_a_facilitator"):
            await theirs.circle_readmit(circle, "Idris")
        await ours.circle_readmit(circle, "Idris")
        await agree(circle, [ours, theirs, third], {**both, "Idris": "member"})
        await third.say(circle, "thank you", notes=(), to_facilitators=False)

        async def is_heard() -> bool:
            return "thank you" in [e.text for e in await theirs.read(circle, limit=100)]

        await eventually(is_heard)


async def test_an_act_has_the_time_it_came_and_a_removal_fourteen_days(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        await ours.circle_role(circle, "Salma", "listener", reason="request", text="")
        third = await let_in(village, ours, circle, "Idris")
        village.ahead += 3600
        await ours.circle_remove(circle, "Salma", reason=HARM, text="")

        async def dated(app: Application) -> dict[str, tuple[bool, bool]]:
            acts = await app.circle_acts(circle)
            return {one.kind: (one.seen_at is not None, bool(one.returns_until)) for one in acts}

        async def is_out() -> bool:
            return "remove" in await dated(third) and "remove" in await dated(theirs)

        await eventually(is_out)
        dates = {"remove": (True, True), "role": (True, False), "create": (False, False)}
        for app, more in ((ours, dates), (theirs, dates), (third, {"role": (False, False)})):
            assert (await dated(app)).items() >= {**dates, **more}.items()
        [role, removal] = [
            one.seen_at for one in await ours.circle_acts(circle) if one.kind in ("role", "remove")
        ]
        assert role is not None and removal is not None and 3600 <= removal - role < 3700
        village.ahead += 14 * DAY - 60
        assert (await dated(ours))["remove"] == (True, True)
        village.ahead += 120
        assert (await dated(ours))["remove"] == (True, False)


async def test_what_waits_is_supported_by_others_and_shown_to_all(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        third = await let_in(village, ours, circle, "Idris")
        all_in = {"نورس": "facilitator", "Salma": "member", "Idris": "member"}
        await agree(circle, [ours, theirs, third], all_in)
        act = await theirs.circle_remove(circle, "نورس", reason="other", text="")
        assert act.state == "waits"
        assert act.waiting_for == ("Idris",) and not act.asks_us
        assert (act.facilitators, act.members) == (2, 2)

        async def third_sees_it() -> bool:
            return act.id in [one.id for one in await third.circle_acts(circle)]

        await eventually(third_sees_it)
        assert [one.asks_us for one in await third.circle_acts(circle) if one.id == act.id] == [
            True
        ]
        with pytest.raises(Refused, match="no_such_act"):
            await third.circle_second(circle, "ffffffff")
        with pytest.raises(Refused, match="act_not_ours"):
            await theirs.circle_second(circle, act.id)
        assert (await third.circle_second(circle, act.id)).state == "stands"
        await agree(circle, [theirs, third], {"Salma": "member", "Idris": "member"})
        kinds = [entry.kind for entry in await theirs.read(circle, limit=100)]
        assert kinds[-2:] == ["act", "second"]


async def test_a_listener_is_refused_to_write_and_nobody_acts_on_what_is_not_theirs(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        await ours.circle_role(circle, "Salma", "listener", reason="request", text="")
        await agree(circle, [ours, theirs], {"نورس": "facilitator", "Salma": "listener"})
        with pytest.raises(Refused, match="listens_only"):
            await theirs.say(circle, "may I", notes=(), to_facilitators=False)
        with pytest.raises(Refused, match="role_already"):
            await ours.circle_role(circle, "Salma", "listener", reason="request", text="")
        with pytest.raises(Refused, match="act_on_oneself"):
            await ours.circle_remove(circle, "نورس", reason="other", text="")
        with pytest.raises(Refused, match="no_such_member"):
            await ours.circle_remove(circle, "nobody", reason="other", text="")
        with pytest.raises(Refused, match="text_too_long"):
            await ours.circle_remove(circle, "Salma", reason="other", text="ط" * 1500)
        act = await theirs.circle_role(circle, "Salma", "member", reason="other", text="please")
        assert act.state == "waits"

        async def ours_sees_it() -> bool:
            return act.id in [one.id for one in await ours.circle_acts(circle)]

        await eventually(ours_sees_it)
        assert (await ours.circle_second(circle, act.id[:10])).state == "stands"
        await agree(circle, [ours, theirs], {"نورس": "facilitator", "Salma": "member"})
