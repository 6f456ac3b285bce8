"""Notices and words at the door: many may knock, nobody comes in by it, and nothing of the circle shows."""

from __future__ import annotations

import pytest
import trio

from tests.shell.test_governance import agree
from tests.support.applications import Village, a_village, circle_of_two, eventually
from toheal_p2p.app.application import Application
from toheal_p2p.app.interface import NoticeView
from toheal_p2p.app.invitations import fetch_content, read_link
from toheal_p2p.app.refusals import Refused
from toheal_protocol.machines.door import MAX_A_DAY, MAX_AT_PORCH
from toheal_protocol.machines.door_words import MOST_BY_ONE
from toheal_protocol.messages.invitation import encode_invitation
from toheal_protocol.model import WallTime

pytestmark = pytest.mark.trio

DAY = 86_400


async def publish(app: Application, circle: str, **others: str) -> NoticeView:
    text = others.get("text", "the door only")
    return await app.notice_open(
        circle, topic="loss of a child", text=text, name="the door", expires_in=14 * DAY
    )


async def knock(village: Village, link: str, name: str) -> Application:
    guest = await village.start(name)
    await guest.join(link, nickname=name)
    return guest


async def until_waiting(app: Application, circle: str, *names: str) -> None:
    async def are() -> bool:
        return {one.name for one in await app.waiting(circle)} == set(names)

    await eventually(are)


async def said(app: Application, circle: str, who: str | None = None) -> list[tuple[str, str]]:
    return [(one.name, one.text) for one in await app.door(circle, who)]


async def until_said(app: Application, circle: str, text: str, who: str | None = None) -> None:
    async def is_there() -> bool:
        return text in [words for _, words in await said(app, circle, who)]

    await eventually(is_there)


async def porch_of(guest: Application) -> str:
    return (await guest.circle_list())[0].id


async def test_many_knock_talk_at_the_door_and_come_in_by_an_invitation_of_their_own(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        notice = await publish(ours, circle)
        idris = await knock(village, notice.link, "Idris")
        mona = await knock(village, notice.link, "Mona")
        await until_waiting(ours, circle, "Idris", "Mona")
        assert {one.notice for one in await ours.waiting(circle)} == {"loss of a child"}
        assert (await ours.notices(circle))[0].waiting == 2
        await idris.door_say(await porch_of(idris), None, "I lost my son")
        await until_said(ours, circle, "I lost my son", "Idris")
        await ours.door_say(circle, "Idris", "Thank you for coming.")
        await until_said(idris, await porch_of(idris), "Thank you for coming.")
        assert await said(ours, circle, "Mona") == [], "each talks at the door alone"
        with pytest.raises(Refused, match="ambiguous_name"):
            await ours.door_say(circle, None, "to whom?")
        await ours.admit(circle, "Idris")

        async def has_link() -> bool:
            return any(text.startswith("toheal:1:") for _, text in await said(idris, porch))

        porch = await porch_of(idris)
        await eventually(has_link)
        link = next(t for _, t in await said(idris, porch) if t.startswith("toheal:1:"))
        await idris.join(link, nickname="Idris")

        async def at_own_door() -> bool:
            return ("Idris", None) in [(w.name, w.notice) for w in await ours.waiting(circle)]

        await eventually(at_own_door)
        own = next(w.id for w in await ours.waiting(circle) if w.notice is None)
        await ours.admit(circle, own)
        all_in = {"نورس": "facilitator", "Salma": "member", "Idris": "member"}
        await agree(circle, [ours, theirs, idris], all_in)
        await ours.decline(circle, "Mona")

        async def is_declined() -> bool:
            return (await mona.circle_list())[0].state == "declined"

        await eventually(is_declined)
        assert [one.name for one in await theirs.circle_list()] == ["حلقة"]
        assert len(await ours.circle_list()) == 1, "the porch is no circle one talks in"


async def test_nothing_of_the_circle_or_its_members_is_in_a_notice(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, _theirs, circle = await circle_of_two(village)
        notice = await publish(ours, circle)
        link = read_link(notice.link, wall_now=WallTime(ours.wall_clock()))
        content = encode_invitation(await fetch_content(link, connect=ours.connect))
        cold = ours._find(circle).service.circle.cold
        keys = [cold.persona.keys, *(peer.keys for peer in cold.peers.values())]
        secret = [cold.id, *(k.member_id for k in keys), *(k.verify for k in keys)]
        secret += [k.dh for k in keys] + [k.kem[:64] for k in keys]
        secret += [name.encode() for name in (cold.name, "نورس", "Salma", cold.charter)]
        assert not [one for one in secret if one in content]
        assert b"loss of a child" in content
        guest = await knock(village, notice.link, "Idris")
        await until_waiting(ours, circle, "Idris")
        [view] = await guest.circle_list()
        assert (view.name, view.state) == ("loss of a child", "waiting_at_door")
        assert {m.name for m in await guest.circle_members(view.id)} == {"the door", "Idris"}


async def test_a_notice_that_is_closed_leads_nowhere(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        notice = await publish(ours, circle)
        early = await knock(village, notice.link, "Idris")
        await until_waiting(ours, circle, "Idris")
        with pytest.raises(Refused, match="no_such_notice"):
            await theirs.notice_close(circle, notice.id)
        await ours.notice_close(circle, notice.id[:8])
        assert [(n.state, n.link) for n in await ours.notices(circle)] == [("withdrawn", "")]

        async def is_declined() -> bool:
            return (await early.circle_list())[0].state == "declined"

        await eventually(is_declined)
        await trio.sleep(60)
        late = await village.start("Mona")
        with pytest.raises(Refused, match="invitation_withdrawn"):
            await late.join(notice.link, nickname="Mona")


async def test_a_crowd_at_a_notice_is_bounded_and_keeps_nobody_out_for_ever(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, _theirs, circle = await circle_of_two(village)
        notice = await publish(ours, circle)
        for number in range(MAX_AT_PORCH + 3):
            await knock(village, notice.link, f"crowd {number}")
        await trio.sleep(60)
        assert len(await ours.waiting(circle)) == MAX_AT_PORCH
        for one in await ours.waiting(circle):
            await ours.decline(circle, one.id)
        await trio.sleep(60)
        for number in range(MAX_A_DAY):
            await knock(village, notice.link, f"more {number}")
        await trio.sleep(300)
        assert (await ours.notices(circle))[0].came == MAX_A_DAY
        direct = await ours.invite(circle, expires_in=3600)  # the circle's own door is not touched
        await knock(village, direct.link, "Idris")

        async def is_at_own_door() -> bool:
            return "Idris" in [w.name for w in await ours.waiting(circle) if w.notice is None]

        await eventually(is_at_own_door)


async def test_words_at_the_door_are_few_short_and_gone_with_the_answer(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        seat = await ours.invite(circle, expires_in=3600)
        guest = await knock(village, seat.link, "Idris")
        await until_waiting(ours, circle, "Idris")
        porch = await porch_of(guest)
        with pytest.raises(Refused, match="text_empty"):
            await guest.door_say(porch, None, "  ")
        with pytest.raises(Refused, match="text_too_long"):
            await guest.door_say(porch, None, "ط" * 501)
        for number in range(MOST_BY_ONE):
            await guest.door_say(porch, None, str(number))
        with pytest.raises(Refused, match="door_said_enough"):
            await guest.door_say(porch, None, "one more")
        await until_said(ours, circle, str(MOST_BY_ONE - 1))
        with pytest.raises(Refused, match="not_a_facilitator"):
            await theirs.door_say(circle, "Idris", "I am not at the door")
        assert all(e.kind != "text" for e in await ours.read(circle, limit=100))
        await ours.admit(circle, "Idris")

        async def is_in() -> bool:
            return (await guest.circle_list())[0].state == "active"

        await eventually(is_in)
        for app in (ours, guest):
            cold = app._find(circle).service.circle.cold
            assert not any(peer.door_words for peer in cold.peers.values())
        with pytest.raises(Refused, match="nobody_waiting"):
            await ours.door_say(circle, None, "nobody there")


async def test_only_who_facilitates_publishes_and_not_without_end(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        with pytest.raises(Refused, match="not_a_facilitator"):
            await publish(theirs, circle)
        for _ in range(4):
            await publish(ours, circle)
        with pytest.raises(Refused, match="notice_enough"):
            await publish(ours, circle)
        village.stop("نورس")
        again = await village.start("نورس")
        assert [one.state for one in await again.notices(circle)] == ["open"] * 4
        told = [one.facts.get("circle") for one in await again.doctor()]
        assert "loss of a child" not in told
        assert {one.circle_name for one in await again.meeting.views()} == {"حلقة"}
