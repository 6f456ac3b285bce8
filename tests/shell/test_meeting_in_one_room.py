"""Whole applications that meet in one room, in virtual time."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable, Iterable
from functools import partial
from itertools import combinations

import pytest
import trio
from trio.testing import MockClock

from tests.shell.test_governance import let_in, roles
from tests.support.applications import (
    WALL_START,
    Village,
    a_village,
    circle_of_two,
    eventually,
)
from tests.support.memory_lan import SOMEBODY, Announced, MemorySpot
from toheal_p2p.app.application import Application
from toheal_p2p.app.refusals import Refused
from toheal_p2p.ports.lan import Appeared, Vanished
from toheal_protocol.machines.lan_recognition import HELLO_SIZE, MARKS_SIZE, PROOF_SIZE
from toheal_protocol.model import WallTime

pytestmark = pytest.mark.trio

HOUR = 3600
DAY = 24 * HOUR


async def kinds(app: Application, circle: str) -> set[str]:
    return {view.link for view in await app.links(circle)}


async def texts(app: Application, circle: str) -> list[str]:
    return [one.text for one in await app.read(circle, limit=100) if one.kind == "text"]


async def say(app: Application, circle: str, text: str) -> None:
    await app.say(circle, text, notes=(), to_facilitators=False)


async def open_both(*apps: Application, seconds: int = HOUR) -> None:
    for app in apps:
        await app.meeting.open(None, seconds=seconds, interfaces=())


async def meet(village: Village, *, direct: bool = False) -> tuple[Application, Application, str]:
    """Two who are in one room, with the relay gone."""
    ours, theirs, circle = await circle_of_two(village, direct=direct)
    village.relay.stop()
    await open_both(ours, theirs)
    await eventually(lambda: are_in_room(ours, theirs, circle))
    return ours, theirs, circle


async def are_in_room(ours: Application, theirs: Application, circle: str) -> bool:
    return await kinds(ours, circle) == await kinds(theirs, circle) == {"lan"}


async def is_removed(app: Application) -> bool:
    return (await app.circle_list())[0].state == "removed"


async def test_members_find_each_other_within_a_second(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        village.relay.stop()
        await open_both(ours, theirs)
        began = trio.current_time()
        await eventually(lambda: are_in_room(ours, theirs, circle))
        assert trio.current_time() - began < 1
        await say(ours, circle, "here")

        async def has_come() -> bool:
            return await texts(theirs, circle) == ["here"]

        await eventually(has_come)
        [view] = await ours.meeting.views()
        assert view.state == "met"
        assert view.met == ("Salma",)
        assert view.networks == ("room0 192.0.2.1",)


async def test_nothing_leaves_or_listens_while_it_is_closed(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        await trio.sleep(2 * HOUR)
        assert village.room.sent == village.room.announced == village.room.spots == []
        await open_both(ours, theirs)
        await eventually(lambda: are_in_room(ours, theirs, circle))
        for app in (ours, theirs):
            await app.meeting.close(None)
        closed_at = trio.current_time()
        await say(ours, circle, "not over the local network")
        await trio.sleep(2 * HOUR)
        assert village.room.spots == []
        room = village.room
        assert [one for one in (*room.sent, *room.announced) if one.at > closed_at] == []
        assert {view.state for view in await ours.meeting.views()} == {"closed"}


async def test_it_closes_by_itself(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        await open_both(ours, theirs, seconds=60)
        await eventually(lambda: are_in_room(ours, theirs, circle))
        await trio.sleep(70)
        assert village.room.spots == []
        assert "lan" not in await kinds(ours, circle)
        assert all(stream.is_closed for stream in village.room.streams)


async def test_closing_waits_two_seconds_for_somebody_who_is_gone_and_no_longer(
    autojump_clock: MockClock,
) -> None:
    async with a_village() as village:
        ours, _, circle = await meet(village)
        village.hosts["Salma"].walk_away()
        await say(ours, circle, "never taken")
        began = trio.current_time()
        await ours.meeting.close(None)
        assert trio.current_time() - began <= 3.1
        assert all(
            one.is_closed for one in village.room.streams if one.owner is village.hosts["نورس"]
        )


async def test_only_one_connection_stays_between_two(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        await meet(village)
        await trio.sleep(300)
        assert len([one for one in village.room.streams if not one.is_closed]) == 2


async def test_who_walks_away_is_reached_over_the_relay_again(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, theirs, circle = await meet(village)
        village.relay.start()
        await trio.sleep(120)
        assert await are_in_room(ours, theirs, circle)
        village.hosts["Salma"].walk_away()
        await say(ours, circle, "on its way")

        async def has_come() -> bool:
            return await texts(theirs, circle) == ["on its way"]

        await eventually(has_come, within=40)
        village.hosts["Salma"].come_back()
        await eventually(lambda: are_in_room(ours, theirs, circle), within=120)
        await say(theirs, circle, "back")

        async def is_heard() -> bool:
            return await texts(ours, circle) == ["on its way", "back"]

        await eventually(is_heard, within=2)
        assert await texts(theirs, circle) == ["on its way", "back"]


async def test_a_network_without_multicast_is_called_silent(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, theirs, _ = await circle_of_two(village)
        village.room.blocks_multicast = True
        await open_both(ours, theirs)
        await trio.sleep(5)
        assert {view.state for view in await ours.meeting.views()} == {"searching"}
        await trio.sleep(30)
        assert {view.state for view in await ours.meeting.views()} == {"silent"}
        found = {check.code: check.ok for check in await ours.doctor()}
        assert found["lan_silent"] is False
        village.hosts["نورس"].walk_away()
        await trio.sleep(5)
        assert {view.state for view in await ours.meeting.views()} == {"no_network"}
        village.room.blocks_multicast = False
        village.hosts["نورس"].come_back()
        await trio.sleep(70)
        assert {check.code for check in await ours.doctor()} & {"lan_met"}


def names_of(announced: Iterable[Announced]) -> set[str]:
    """Return every label, instance and host name."""
    all_names = [one.names for one in announced]
    return {name for names in all_names for name in (names.label, names.instance, names.host)}


async def test_names_ports_and_services_are_others_every_day(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        village.relay.stop()
        names: list[set[str]] = []
        ports: list[set[int]] = []
        streams: list[set[bytes]] = []
        for _ in range(3):
            village.room.sent.clear()
            village.room.announced.clear()
            await open_both(ours, theirs, seconds=HOUR)
            await eventually(lambda: are_in_room(ours, theirs, circle))
            await say(ours, circle, "the same words every day")
            await trio.sleep(90)
            names.append(names_of(village.room.announced))
            ports.append({one.names.port for one in village.room.announced})
            streams.append(pieces(one.bytes for one in village.room.sent))
            for app in (ours, theirs):
                await app.meeting.close(None)
                turn_clock(app, by=DAY)
        assert [len(day) for day in names] == [5, 5, 5], "a label, and two names each"
        for seen in (names, ports, streams):
            assert all(not one & other for one, other in combinations(seen, 2))


def turn_clock(app: Application, *, by: int) -> None:
    """Let it be some seconds later for the circles of this person."""
    for running in app._running.values():
        right = running.service.wall_clock
        running.service.wall_clock = partial(_later, right, by)


def _later(clock: Callable[[], WallTime], by: int) -> WallTime:
    return WallTime(clock() + by)


def pieces(streams: Iterable[bytes]) -> set[bytes]:
    """Return every piece of eight bytes: too long to come again by chance in random bytes."""
    return {some[at : at + 8] for some in streams for at in range(len(some) - 7)}


async def test_the_day_turns_while_it_is_open_and_the_wire_stays(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        village.relay.stop()
        await trio.sleep(DAY - WALL_START % DAY - trio.current_time() - 60)
        await open_both(ours, theirs)
        await eventually(lambda: are_in_room(ours, theirs, circle))
        before = {spot.port for spot in village.room.spots}
        streams = len(village.room.streams)
        await trio.sleep(120)
        after = {spot.port for spot in village.room.spots}
        assert len(after) == 2
        assert not before & after
        assert await are_in_room(ours, theirs, circle)
        assert len(village.room.streams) <= streams + 2, "at most one try that found it needless"


async def test_clocks_on_another_date_do_not_meet_and_do_when_they_agree(
    autojump_clock: MockClock,
) -> None:
    """What asking for one day's service only costs; whoever asked for more would tie the days together."""
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        village.relay.stop()
        turn_clock(theirs, by=DAY)
        await open_both(ours, theirs)
        await trio.sleep(120)
        assert await kinds(ours, circle) == {"none"}
        labels = {one.host: one.names.label for one in village.room.announced}
        assert len(village.room.announced) == len(set(labels.values())) == 2, "one label each"
        await ours.meeting.close(None)
        turn_clock(ours, by=DAY)
        await ours.meeting.open(None, seconds=HOUR, interfaces=())
        await eventually(lambda: are_in_room(ours, theirs, circle))


async def test_two_openings_of_one_day_have_the_service_in_common_only(
    autojump_clock: MockClock,
) -> None:
    async with a_village() as village:
        ours, _, _ = await circle_of_two(village)
        for _ in range(2):
            await ours.meeting.open(None, seconds=HOUR, interfaces=())
            await trio.sleep(5)
            await ours.meeting.close(None)
        first, second = (one.names for one in village.room.announced)
        assert first.label == second.label
        assert not {first.instance, first.host, first.port} & {
            second.instance,
            second.host,
            second.port,
        }


async def test_two_circles_have_nothing_in_common_but_the_address(
    autojump_clock: MockClock,
) -> None:
    async with a_village() as village:
        ours = await village.start("نورس")
        names: list[set[str]] = []
        ports: list[int] = []
        for name in ("evening", "morning"):
            village.room.announced.clear()
            await ours.circle_create(name, relays=[], direct=False, charter="-", nickname=None)
            await ours.meeting.open(name, seconds=HOUR, interfaces=())
            await trio.sleep(5)
            names.append(names_of(village.room.announced))
            ports += [spot.port for spot in village.room.spots]
            await ours.meeting.close(None)
        assert len(set(ports)) == 2
        assert [len(one) for one in names] == [3, 3]
        assert not names[0] & names[1]


async def test_a_circle_without_a_relay_can_be_begun(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours = await village.start("نورس")
        made = await ours.circle_create("room", relays=[], direct=False, charter="-", nickname=None)
        assert made.relays == ()
        await say(ours, made.id, "alone, for now")
        [view] = await ours.meeting.open(made.id, seconds=HOUR, interfaces=("room0",))
        assert view.state == "searching"
        with pytest.raises(Refused, match="no_relay"):
            await ours.invite(made.id, expires_in=3600)


async def test_refusals_of_meeting(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours = await village.start("نورس")
        with pytest.raises(Refused, match="no_such_circle"):
            await ours.meeting.open(None, seconds=60, interfaces=())
        with pytest.raises(Refused, match="no_such_circle"):
            await ours.meeting.open("evening", seconds=60, interfaces=())
        with pytest.raises(Refused, match="no_such_interface"):
            await ours.meeting.open(None, seconds=60, interfaces=("none0",))
        await ours.circle_create("room", relays=[], direct=False, charter="-", nickname=None)
        await ours.circle_leave("room")
        with pytest.raises(Refused, match="left_circle"):
            await ours.meeting.open("room", seconds=60, interfaces=())


async def test_who_leaves_the_circle_is_not_found_any_more(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        _ours, theirs, circle = await meet(village)
        await theirs.circle_leave(circle)
        await trio.sleep(200)
        assert {spot.host for spot in village.room.spots} == {village.hosts["نورس"]}
        assert all(stream.is_closed for stream in village.room.streams)


async def spoken_labels(village: Village, name: str) -> set[str]:
    host = village.hosts[name].address
    return {one.names.label for one in village.room.announced if one.host == host}


async def test_the_removed_recognise_nobody_who_heard_of_it_and_who_did_not_is_still_found(
    autojump_clock: MockClock,
) -> None:
    async with a_village() as village:
        ours, _theirs, circle = await circle_of_two(village, direct=False)
        third = await let_in(village, ours, circle, "Idris")
        both = {"نورس": "facilitator", "Salma": "member"}
        village.stop("Salma")
        await ours.circle_remove(circle, "Idris", reason="harm", text="")
        await eventually(lambda: is_removed(third))
        village.relay.stop()
        away = await village.start("Salma")  # has not heard of it, and there is no relay any more
        assert (await roles(away, circle)).keys() == {*both, "Idris"}
        await open_both(away)
        await trio.sleep(30)
        await open_both(ours)
        await eventually(lambda: are_in_room(ours, away, circle), within=120)

        async def has_heard() -> bool:
            return await roles(away, circle) == both

        await eventually(has_heard)
        old = next(one.names.label for one in village.room.announced)
        await trio.sleep(60)
        assert old not in await spoken_labels(village, "نورس"), "never said by who knows better"
        last = [one.names.label for one in village.room.announced][-1]
        assert {spot.names.label for spot in village.room.spots} == {last}
        assert last != old, "nor by anybody once they have heard"


# ---- strangers


async def a_stranger(village: Village) -> MemorySpot:
    """Somebody of no circle of ours, on a machine of their own."""
    host = village.room.host()
    return await host.open(host.segments()[0], SOMEBODY)


async def test_a_stranger_learns_nothing_and_is_sent_away(autojump_clock: MockClock) -> None:
    """Whatever a stranger says, or whether it says nothing: random bytes of one length, then the end."""
    async with a_village() as village:
        await meet(village)
        stranger = await a_stranger(village)
        spot = next(one for one in village.room.spots if one.host is village.hosts["نورس"])
        answers = []
        for said in (
            b"",
            b"x" * 31,
            b"n" * 32,
            bytes(32 + 1024),
            bytes(4000),
            b"GET / HTTP/1.1\r\n" * 400,
        ):
            stream = await stranger.connect(spot.host.address, spot.port)
            if said:
                await stream.send_all(said)
            began, answer = trio.current_time(), b""
            while some := await stream.receive_some(10_000):
                answer += some
            assert trio.current_time() - began <= 5.1
            answers.append(answer)
            await stream.aclose()
        assert [len(one) for one in answers] == [
            HELLO_SIZE,
            HELLO_SIZE,
            HELLO_SIZE + MARKS_SIZE,
            HELLO_SIZE + MARKS_SIZE + PROOF_SIZE,
            HELLO_SIZE + MARKS_SIZE + PROOF_SIZE,
            HELLO_SIZE + MARKS_SIZE + PROOF_SIZE,
        ]
        pieces = [one[at : at + 16] for one in answers for at in range(0, len(one), 16)]
        assert len(pieces) == len(set(pieces))


async def test_a_crowd_of_strangers_keeps_no_member_out(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        village.relay.stop()
        await ours.meeting.open(None, seconds=HOUR, interfaces=())
        await trio.sleep(1)
        [spot] = village.room.spots
        held = []
        stranger = await a_stranger(village)
        for _ in range(200):
            held.append(await stranger.connect(spot.host.address, spot.port))
        await trio.sleep(1)
        still_open = [
            one for one in village.room.streams if one.owner is spot.host and not one.is_closed
        ]
        assert len(still_open) <= 16
        await theirs.meeting.open(None, seconds=HOUR, interfaces=())
        await eventually(lambda: are_in_room(ours, theirs, circle), within=3)
        await trio.sleep(6)
        still_open = [
            one for one in village.room.streams if one.owner is spot.host and not one.is_closed
        ]
        assert len(still_open) == 1


@pytest.mark.parametrize(
    ("addresses", "waits"),
    [(1, 1.0), (20, 20.0)],
    ids=["one machine that is silent", "many that refuse"],
)
async def test_a_flood_of_announcements_keeps_no_member_out(
    autojump_clock: MockClock, addresses: int, waits: float
) -> None:
    """Somebody heard today's service and announces hundreds of instances, of which none is a member."""
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        village.relay.stop()
        await ours.meeting.open(None, seconds=HOUR, interfaces=())
        await trio.sleep(1)
        [spot] = village.room.spots
        stranger = await a_stranger(village)
        hosts = [stranger.host.address, *(f"192.0.2.{100 + number}" for number in range(19))]
        for number in range(300):
            host = hosts[number % addresses]
            spot.tell(Appeared(name_number(number), host, stranger.port))
        await trio.sleep(waits)
        await theirs.meeting.open(None, seconds=HOUR, interfaces=())
        await trio.sleep(1)
        member = next(one for one in village.room.spots if one.host is village.hosts["Salma"])
        [opened] = ours.meeting._open.values()  # type: ignore[attr-defined]
        assert member.names.instance in opened.meeting._found
        assert len(opened.meeting._found) <= 64
        await eventually(lambda: are_in_room(ours, theirs, circle), within=60)


def name_number(number: int) -> str:
    return b32encode(number.to_bytes(10, "big")).decode().lower()


async def test_who_announces_a_third_machine_has_us_call_it_a_few_times_only(
    autojump_clock: MockClock,
) -> None:
    async with a_village() as village:
        ours, _, _ = await circle_of_two(village)
        await ours.meeting.open(None, seconds=HOUR, interfaces=())
        await trio.sleep(1)
        [spot] = village.room.spots
        third = await a_stranger(village)
        calls: list[float] = []

        async def count() -> None:
            while True:
                await (await third.accept()).aclose()
                calls.append(trio.current_time())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            for number in range(1000):
                spot.tell(Appeared(name_number(number), third.host.address, third.port))
                await trio.sleep(0.1)
            await trio.sleep(200)
            nursery.cancel_scope.cancel()
        assert max(sum(0 <= at - first < 9.9 for at in calls) for first in calls) <= 16
        said = [one.bytes for one in village.room.sent if one.to == third.host.address]
        assert {len(one) for one in said} == {HELLO_SIZE}


async def test_goodbyes_that_a_stranger_says_for_a_member_end_nothing(
    autojump_clock: MockClock,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await meet(village)
        for spot in village.room.spots:
            for other in village.room.spots:
                spot.tell(Vanished(other.names.instance))
        await trio.sleep(30)
        assert await are_in_room(ours, theirs, circle)


async def test_who_walks_away_is_called_once_a_minute_until_the_network_forgets_them(
    autojump_clock: MockClock,
) -> None:
    async with a_village() as village:
        ours, _, _ = await meet(village)
        host = village.hosts["Salma"]
        [spot] = [one for one in village.room.spots if one.host is village.hosts["نورس"]]
        [gone] = [one for one in village.room.spots if one.host is host]
        host.walk_away()
        await trio.sleep(300)
        assert len(ours.meeting._open) == 1  # type: ignore[attr-defined]
        [opened] = ours.meeting._open.values()  # type: ignore[attr-defined]
        assert set(opened.meeting._found) == {gone.names.instance}
        spot.tell(Vanished(gone.names.instance))
        await trio.sleep(1)
        assert not opened.meeting._found
