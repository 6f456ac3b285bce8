"""With a proxy set nothing but connections through it: no channel of any way, no TURN, no room."""

from __future__ import annotations

import pytest
import trio

from tests.support.applications import Village, a_village, circle_of_two, eventually
from toheal_p2p.app.application import Application
from toheal_p2p.app.refusals import Refused
from toheal_protocol.machines.linking import ATTEMPT_LIFE, RETRY_LONGEST
from toheal_protocol.wire.mailbox import Deposit, decode_command

pytestmark = pytest.mark.trio

PROXY = "socks5://127.0.0.1:9050"

ASK_TURN = 0x07


def deposits_at(village: Village) -> int:
    heard = village.relay.heard
    return sum(isinstance(decode_command(message), Deposit) for message in heard)


def times_asked(village: Village) -> int:
    return sum(message[0] == ASK_TURN for message in village.relay.heard)


def said_in_room(village: Village, name: str) -> int:
    host = village.hosts[name].address
    return sum(one.host == host for one in village.room.sent)


def our_id(app: Application) -> bytes:
    [running] = app._running.values()
    return running.service.circle.cold.persona.keys.member_id


async def kind(app: Application, circle: str) -> str:
    return (await app.links(circle))[0].link


async def test_with_a_proxy_no_relay_is_asked_for_turn_and_no_channel_is_prepared(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        for name in ("نورس", "Salma"):
            app = await village.start(name)
            await app.settings.set("proxy", PROXY)
            village.stop(name)
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await trio.sleep(100)
        deposits = deposits_at(village)
        for app in (ours, theirs):
            await app.network_changed()
        await trio.sleep(1)
        assert deposits_at(village) == deposits  # nobody is asked for a link that may not be
        await theirs.say(circle, "by relay", notes=(), to_facilitators=False)
        await trio.sleep(100)
        assert (await ours.read(circle, limit=10))[-1].text == "by relay"
        assert (times_asked(village), village.channels.asked) == (0, [])
        [view] = await ours.links(circle)
        assert (view.link, view.trying) == ("relay", "through_proxy")


async def test_links_over_lent_addresses_close_with_a_proxy_and_come_back_without(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        *people, circle = await circle_of_two(village, direct=False)
        opens, answers = sorted(people, key=our_id)  # who has the lower id begins links
        for app, within in ((opens, ATTEMPT_LIFE), (answers, RETRY_LONGEST + ATTEMPT_LIFE)):

            async def is_linked(app: Application = app) -> bool:
                return await kind(app, circle) == "turn"

            await eventually(is_linked)
            assert times_asked(village)
            for quiet in (60, 240, 960):
                await app.settings.set("proxy", PROXY)
                assert await kind(app, circle) != "turn"
                await trio.sleep(2)
                assert all(end.is_closed or end.is_lost for end in village.channels.open)
                await trio.sleep(quiet)
                assert await kind(app, circle) == "relay"
                await app.settings.set("proxy", "none")
                if app is answers:  # an attempt of theirs is over, and then they hear a word
                    await trio.sleep(ATTEMPT_LIFE + 1)
                    await app.say(circle, "back", notes=(), to_facilitators=False)
                await eventually(is_linked, within=within)


async def test_setting_a_proxy_ends_a_meeting_at_once_and_none_begins(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        for app in (ours, theirs):
            await app.meeting.open(None, seconds=3600, interfaces=())

        async def have_met() -> bool:
            return await kind(ours, circle) == await kind(theirs, circle) == "lan"

        await eventually(have_met)
        said = said_in_room(village, "نورس")
        await ours.settings.set("proxy", PROXY)
        await trio.sleep(0.01)
        assert await kind(ours, circle) != "lan"
        assert [view.state for view in await ours.meeting.views()] == ["closed"]
        with pytest.raises(Refused) as refused:
            await ours.meeting.open(None, seconds=3600, interfaces=())
        assert refused.value.code == "lan_off"
        await theirs.say(circle, "by relay", notes=(), to_facilitators=False)
        await trio.sleep(30)
        assert (await ours.read(circle, limit=10))[-1].text == "by relay"
        assert said_in_room(village, "نورس") == said
        await ours.settings.set("proxy", "none")
        await ours.meeting.open(None, seconds=3600, interfaces=())
        await eventually(have_met)
