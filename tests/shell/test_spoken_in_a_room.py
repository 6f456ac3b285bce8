"""A spoken code in a room without any relay, between whole applications in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from attrs import evolve

from tests.support.applications import Village, a_village, eventually
from tests.support.memory_lan import MemoryHost
from toheal_p2p.adapters.socks import parse_proxy
from toheal_p2p.app.application import Application
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.spoken_interface import LookedUpView, SpokenView
from toheal_protocol.crypto import CPaceShare
from toheal_protocol.machines.lan_names import Names, room_label
from toheal_protocol.messages.spoken import (
    SPOKEN_FRAME_SIZE,
    OfferId,
    RunId,
    SpokenAnnouncement,
    SpokenApproach,
    SpokenProof,
    Way,
    decode_spoken,
    encode_spoken,
)

pytestmark = pytest.mark.trio

HOUR = 3600


async def founded(village: Village, *, name: str = "نورس") -> tuple[Application, str]:
    ours = await village.start(name)
    circle = await ours.circle_create(
        "حلقة", relays=[], direct=False, charter="نصغي.", nickname=None
    )
    return ours, circle.id


async def offered_here(ours: Application, circle: str) -> SpokenView:
    await ours.meeting.open(None, seconds=HOUR, interfaces=(), room=True)
    return await ours.spoken.offer(circle, expires_in=HOUR, language="en")


def wrong(code: str) -> str:
    number, *words = code.split()
    return " ".join([number, *reversed(words)])


async def come_in(ours: Application, theirs: Application, circle: str, name: str) -> None:
    """All that two people do, by words alone."""
    code = (await ours.spoken.offer(circle, expires_in=HOUR, language="en")).code
    link = (await theirs.spoken.look_up(code, relays=())).link
    said = await theirs.look_at_invitation(link)
    assert said.charter == "نصغي."
    await theirs.join(link, nickname=name)

    async def waits() -> bool:
        return [one.name for one in await ours.waiting(circle)] == [name]

    async def is_in() -> bool:
        return (await theirs.circle_list())[0].state == "active"

    await eventually(waits, within=20)
    await ours.admit(circle, name)
    await eventually(is_in, within=20)


def has_read(app: Application, circle: str, *texts: str) -> Callable[[], object]:
    async def condition() -> bool:
        said = [one.text for one in await app.read(circle, limit=50) if one.kind == "text"]
        return set(texts) <= set(said)

    return condition


async def test_three_people_begin_in_one_room_by_words_alone(autojump_clock) -> None:
    async with a_village() as village:
        village.relay.stop()
        ours, circle = await founded(village)
        await ours.meeting.open(None, seconds=HOUR, interfaces=(), room=True)
        second, third = await village.start("Salma"), await village.start("هدى")
        await come_in(ours, second, circle, "Salma")
        await come_in(ours, third, circle, "هدى")
        everybody = (ours, second, third)

        async def all_linked() -> bool:
            kinds = [[one.link for one in await app.links(circle)] for app in everybody]
            return kinds == [["lan"] * 2] * 3

        await eventually(all_linked, within=20)
        for app in everybody:
            await app.say(circle, f"by {app.home}{id(app)}", notes=[], to_facilitators=False)
        for app in everybody:
            texts = [f"by {one.home}{id(one)}" for one in everybody]
            await eventually(has_read(app, circle, *texts), within=5)


async def test_nothing_of_the_circle_is_announced_before_somebody_knocks(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await founded(village)
        await ours.meeting.open(None, seconds=HOUR, interfaces=(), room=True)
        await trio.sleep(5)
        before = {one.names.label for one in village.room.announced}
        code = (await ours.spoken.offer(circle, expires_in=HOUR, language="en")).code
        await trio.sleep(1)
        labels = {one.names.label for one in village.room.announced}
        assert labels - before == {room_label(code.split()[0])}
        theirs = await village.start("Salma")
        announced = len(village.room.announced)
        await theirs.spoken.look_up(code, relays=())
        assert len(village.room.announced) == announced, "whoever looks announces nothing"
        await trio.sleep(1)
        assert not [s for s in village.room.spots if s.names.label not in before], (
            "gone with its use"
        )


async def test_a_code_is_gone_when_it_is_taken_back_or_the_room_closes(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await founded(village)
        label = {}
        for number, end in enumerate(("withdraw", "close", "time", "proxy")):
            offered = await offered_here(ours, circle)
            label[end] = room_label(offered.code.split()[0])
            await trio.sleep(1)
            assert any(spot.names.label == label[end] for spot in village.room.spots)
            match end:
                case "withdraw":
                    await ours.withdraw_invitation(circle, offered.id)
                case "close":
                    await ours.meeting.close(None)
                case "time":
                    await trio.sleep(601)
                case "proxy":
                    village.policies["نورس"].use_proxy(parse_proxy("socks5://127.0.0.1:9050"))
            await trio.sleep(1)
            assert not any(spot.names.label == label[end] for spot in village.room.spots), end
            assert number < 4
        assert len(set(label.values())) == 4


async def test_one_wrong_word_burns_one_try_and_three_burn_the_code(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await founded(village)
        theirs = await village.start("Salma")
        offered = await offered_here(ours, circle)
        for tries in (2, 1):
            with pytest.raises(Refused) as refused:
                await theirs.spoken.look_up(wrong(offered.code), relays=())
            assert refused.value.code == "spoken_words_wrong"
            assert refused.value.facts == {"tries": tries}
            assert (await ours.spoken.codes(circle))[0].tries_left == tries
        with pytest.raises(Refused, match="spoken_code_burned"):
            await theirs.spoken.look_up(wrong(offered.code), relays=())
        assert await ours.spoken.codes(circle) == []
        await trio.sleep(1)
        with pytest.raises(Refused, match="spoken_not_in_room"):
            await theirs.spoken.look_up(offered.code, relays=())
        assert await ours.invitations(circle) == []


async def test_without_a_room_there_is_no_code_where_no_relay_is(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await founded(village)
        with pytest.raises(Refused, match="room_closed"):
            await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        await ours.meeting.open(None, seconds=HOUR, interfaces=(), room=True)
        village.hosts["نورس"].walk_away()
        with pytest.raises(Refused, match="room_no_network"):
            await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        theirs = await village.start("Salma")
        village.hosts["Salma"].walk_away()
        with pytest.raises(Refused, match="room_no_network"):
            await theirs.spoken.look_up("7421 lantern giraffe marble", relays=())


async def test_a_link_out_of_a_room_opens_nowhere_else(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await founded(village)
        theirs, other = await village.start("Salma"), await village.start("هدى")
        code = (await offered_here(ours, circle)).code
        link = (await theirs.spoken.look_up(code, relays=())).link
        with pytest.raises(Refused, match="invitation_of_a_room"):
            await other.look_at_invitation(link)
        with pytest.raises(Refused, match="invitation_of_a_room"):
            await other.join(link, nickname="هدى")


async def test_with_relays_out_of_reach_the_room_does(autojump_clock) -> None:
    """The circle has a relay, both know it, and it is gone: the open room is asked first."""
    async with a_village() as village:
        ours = await village.start("نورس")
        relay = str(village.relay.address)
        circle = (
            await ours.circle_create(
                "حلقة", relays=[relay], direct=False, charter="نصغي.", nickname=None
            )
        ).id
        theirs = await village.start("Salma")
        await theirs.relay_add(relay)
        village.relay.stop()
        await trio.sleep(30)
        for app in (ours, theirs):
            await app.meeting.open(None, seconds=HOUR, interfaces=(), room=True)
        await come_in(ours, theirs, circle, "Salma")
        await ours.say(circle, "in the room", notes=[], to_facilitators=False)
        await eventually(has_read(theirs, circle, "in the room"), within=5)
        assert (await theirs.circle_list())[0].state == "active"


async def test_who_waits_at_the_door_goes_on_after_both_programs_began_anew(
    autojump_clock,
) -> None:
    async with a_village() as village:
        ours, circle = await founded(village)
        theirs = await village.start("Salma")
        code = (await offered_here(ours, circle)).code
        link = (await theirs.spoken.look_up(code, relays=())).link
        await theirs.join(link, nickname="Salma")

        async def waits() -> bool:
            return bool(await ours.waiting(circle))

        await eventually(waits)
        for name in ("نورس", "Salma"):
            village.stop(name)
        await trio.sleep(1)
        ours, theirs = await village.start("نورس"), await village.start("Salma")
        for app in (ours, theirs):
            await app.meeting.open(None, seconds=HOUR, interfaces=())
        await ours.admit(circle, "Salma")

        async def is_in() -> bool:
            return (await theirs.circle_list())[0].state == "active"

        await eventually(is_in)


# ---- strangers in the room


async def knock_at_offer(host: MemoryHost, offered: SpokenView):
    """Connect to whoever offers this number, as a stranger would; return the stream and the offer."""
    label = room_label(offered.code.split()[0])
    [segment] = host.segments()
    lookout = await host.look(segment, label)
    [spot] = [one for one in host.network.spots if one.names.label == label and not one.is_hidden]
    stream = await lookout.connect(spot.host.address, spot.port)
    await lookout.aclose()
    read = b""
    while len(read) < SPOKEN_FRAME_SIZE:
        some = await stream.receive_some(SPOKEN_FRAME_SIZE - len(read))
        if not some:
            return stream, None
        read += some
    hello = decode_spoken(read)
    assert isinstance(hello, SpokenAnnouncement)
    return stream, hello.offer


async def test_garbage_and_floods_cost_a_code_nothing(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await founded(village)
        theirs = await village.start("Salma")
        offered = await offered_here(ours, circle)
        await trio.sleep(1)
        stranger = village.room.host()
        stranger_s_run = RunId(bytes(range(16)))
        garbage = [
            b"",
            bytes(SPOKEN_FRAME_SIZE),
            b"\xff" * 3 * SPOKEN_FRAME_SIZE,
            encode_spoken(SpokenProof(stranger_s_run, bytes(32))),
            encode_spoken(SpokenAnnouncement(OfferId(bytes(16)), Way(b""))),
            encode_spoken(SpokenApproach(OfferId(bytes(16)), stranger_s_run, share(9), Way(b"x"))),
        ]
        for piece in garbage:
            stream, _ = await knock_at_offer(stranger, offered)
            if piece:
                await stream.send_all(piece)
            await trio.sleep(0.5)
            await stream.aclose()
        idle = []
        for _ in range(
            100
        ):  # nobody says anything: sixteen of one address stand there, for a while
            idle.append(await knock_at_offer_quietly(stranger, offered))
        await trio.sleep(0.1)
        assert sum(not stream.is_at_end for stream in idle) <= 16
        await trio.sleep(6)
        assert all(stream.is_at_end for stream in idle)
        for number in range(20):  # tries that nobody ends
            stream, offer = await knock_at_offer(stranger, offered)
            if offer is not None:
                run = RunId(bytes([number]) * 16)
                await stream.send_all(encode_spoken(SpokenApproach(offer, run, share(9), Way(b""))))
                await trio.sleep(0.2)
            await stream.aclose()
            await trio.sleep(1)
        assert (await ours.spoken.codes(circle))[0].tries_left == 3
        assert (await theirs.spoken.look_up(offered.code, relays=())).link


def label_of(offered: SpokenView) -> str:
    return room_label(offered.code.split()[0])


def share(number: int) -> CPaceShare:
    """A point that has no low order."""
    return CPaceShare(bytes([number]) + bytes(31))


async def knock_at_offer_quietly(host: MemoryHost, offered: SpokenView):
    label = room_label(offered.code.split()[0])
    [segment] = host.segments()
    lookout = await host.look(segment, label)
    [spot] = [one for one in host.network.spots if one.names.label == label and not one.is_hidden]
    stream = await lookout.connect(spot.host.address, spot.port)
    await lookout.aclose()
    return stream


async def test_whoever_announces_the_number_too_gets_one_guess_and_the_right_one_is_found(
    autojump_clock,
) -> None:
    async with a_village() as village:
        ours, circle = await founded(village)
        theirs = await village.start("Salma")
        offered = await offered_here(ours, circle)
        label = room_label(offered.code.split()[0])
        await trio.sleep(1)
        stream, true_offer = await knock_at_offer(village.room.host(), offered)
        await stream.aclose()
        assert true_offer is not None
        liars = [village.room.host() for _ in range(2)]
        approached: list[int] = []

        async def lie(host: MemoryHost, number: int) -> None:
            [segment] = host.segments()
            names = Names(label, "a" * 15 + "bc"[number], "d" * 16, 50_000)
            spot = await host.open(segment, names)
            while True:
                stream = await spot.accept()
                offer = true_offer if number else OfferId(bytes(16))  # repeated, and made up
                await stream.send_all(encode_spoken(SpokenAnnouncement(offer, Way(b""))))
                if await stream.receive_some(SPOKEN_FRAME_SIZE):
                    approached.append(number)
                await stream.send_all(b"\x21" * SPOKEN_FRAME_SIZE)
                await stream.aclose()

        async with trio.open_nursery() as nursery:
            for number, host in enumerate(liars):
                nursery.start_soon(lie, host, number)
            await trio.sleep(1)
            assert (await theirs.spoken.look_up(offered.code, relays=())).link
            nursery.cancel_scope.cancel()
        assert len(approached) == len(set(approached))
        assert len(approached) <= 2


async def test_one_offer_at_two_addresses_takes_one_guess(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await founded(village)
        theirs = await village.start("Salma")
        host = village.hosts["نورس"]
        [segment] = host.segments()
        host.more = (evolve(segment, name="room1", host="192.0.2.99"),)
        offered = await offered_here(ours, circle)
        await trio.sleep(1)
        assert len([one for one in village.room.spots if one.names.label == label_of(offered)]) == 2
        with pytest.raises(Refused, match="spoken_words_wrong"):
            await theirs.spoken.look_up(wrong(offered.code), relays=())
        assert (await ours.spoken.codes(circle))[0].tries_left == 2


async def test_who_knocked_long_ago_meets_the_others_soon_after_the_yes(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await founded(village)
        await ours.meeting.open(None, seconds=HOUR, interfaces=(), room=True)
        second, third = await village.start("Salma"), await village.start("هدى")
        await come_in(ours, second, circle, "Salma")
        code = (await ours.spoken.offer(circle, expires_in=HOUR, language="en")).code
        link = (await theirs_link(third, code)).link
        await third.join(link, nickname="هدى")
        await trio.sleep(500)
        assert [one.link for one in await second.links(circle)] == ["lan"]
        await ours.admit(circle, "هدى")

        async def have_met() -> bool:
            return [one.link for one in await second.links(circle)] == ["lan"] * 2

        await eventually(have_met, within=8)


async def theirs_link(app: Application, code: str) -> LookedUpView:
    return await app.spoken.look_up(code, relays=())


async def test_with_a_proxy_nothing_is_asked_in_the_room(autojump_clock) -> None:
    async with a_village() as village:
        theirs = await village.start("Salma")
        village.policies["Salma"].use_proxy(parse_proxy("socks5://127.0.0.1:9050"))
        with pytest.raises(Refused, match="spoken_no_relay"):
            await theirs.spoken.look_up("7421 lantern giraffe marble", relays=())
        with pytest.raises(Refused, match="lan_off"):
            await theirs.meeting.open(None, seconds=HOUR, interfaces=(), room=True)
        assert village.room.announced == []
