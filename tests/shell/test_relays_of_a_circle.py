"""A circle changes its relays: nothing is lost on the way, and nobody is made to contact one."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
import trio

from tests.support.applications import Village, a_village, eventually
from toheal_p2p.app.application import Application
from toheal_p2p.app.refusals import Refused
from toheal_p2p.ports.probes import RelayProbe
from toheal_protocol.crypto import SealKey
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.messages.grants import MAIL, SIGNAL, Grant
from toheal_protocol.messages.notes import Granted, Moved
from toheal_protocol.model import Address, DepositToken, Instant
from toheal_protocol.wire.relay_address import RelayAddress

pytestmark = pytest.mark.trio

HOUR = 3600


async def together(village: Village, *names: str, at: int = 1) -> tuple[list[Application], str]:
    """So many people in one circle that uses the first `at` relays, away from any room."""
    village.channels.has_turn = False  # words go through relays
    first, *others = [await village.start(name) for name in names]
    relays = [str(relay.address) for relay in village.relays[:at]]
    made = await first.circle_create(
        "حلقة", relays=relays, direct=False, charter="نصغي.", nickname=None
    )
    for name, app in zip(names[1:], others, strict=True):
        await bring_in(first, app, made.id, name)
    return [first, *others], made.id


async def bring_in(host: Application, newcomer: Application, circle: str, name: str) -> None:
    invitation = await host.invite(circle, expires_in=HOUR)
    await newcomer.join(invitation.link, nickname=name)

    async def waits() -> bool:
        return [one.name for one in await host.waiting(circle)] == [name]

    async def is_in() -> bool:
        return (await newcomer.circle_list())[0].state == "active"

    await eventually(waits)
    await host.admit(circle, name)
    await eventually(is_in)


async def texts(app: Application, circle: str) -> list[str]:
    return [one.text for one in await app.read(circle, limit=200) if one.kind == "text"]


async def say(app: Application, circle: str, text: str) -> None:
    await app.say(circle, text, notes=[], to_facilitators=False)


async def all_read(people: Sequence[Application], circle: str, *said: str, within: float) -> None:
    async def have() -> bool:
        return all([set(said) <= set(await texts(app, circle)) for app in people])

    await eventually(have, within=within)
    for app in people:
        read = await texts(app, circle)
        assert len(read) == len(set(read)), "shown once"


async def uses(app: Application, circle: str) -> dict[str, str]:
    return {one.address: one.use for one in await app.circle_relays(circle)}


def address(village: Village, place: int) -> str:
    return str(village.relays[place].address)


def who_called(village: Village, place: int) -> set[str]:
    return {name for name, relay in village.dialled if relay == village.relays[place].address}


async def move(app: Application, circle: str, old: str, new: str) -> None:
    await app.circle_relay(circle, new, change="add")
    await app.circle_relay(circle, old, change="remove")


async def test_a_whole_circle_moves_to_another_relay_and_the_old_one_dies(autojump_clock) -> None:
    async with a_village(relays=2) as village:
        people, circle = await together(village, "نورس", "Salma", "هدى")
        old, new = address(village, 0), address(village, 1)
        for number, app in enumerate(people):
            await app.circle_relay(circle, new, change="add")
            await say(app, circle, f"while two are used {number}")
        await trio.sleep(30)
        for number, app in enumerate(people):
            await app.circle_relay(circle, old, change="remove")
            await say(app, circle, f"while it is left {number}")
        await trio.sleep(200)
        for app in people:
            assert (await uses(app, circle))[new] == "reading"
            assert (await uses(app, circle))[old] == "allowed", "no mailbox is left there"
        village.relay.stop()
        await trio.sleep(10)
        for number, app in enumerate(people):
            await say(app, circle, f"after it died {number}")
        said = [
            f"{when} {number}"
            for when in ("while two are used", "while it is left", "after it died")
            for number in range(3)
        ]
        await all_read(people, circle, *said, within=60)
        newcomer = await village.start("late")
        await bring_in(people[0], newcomer, circle, "late")
        await say(newcomer, circle, "in by the new relay")
        await all_read([*people, newcomer], circle, "in by the new relay", within=120)


async def test_who_is_away_during_the_move_finds_all_that_was_said(autojump_clock) -> None:
    async with a_village(relays=2) as village:
        people, circle = await together(village, "نورس", "Salma", "هدى")
        old, new = address(village, 0), address(village, 1)
        ours, theirs, away = people
        await away.circle_relay(circle, new, change="allow")
        await theirs.circle_relay(circle, new, change="allow")
        await trio.sleep(5)
        village.cut_off |= {("هدى", relay.address) for relay in village.relays}
        for pair in away._running[next(iter(away._running))].relays.values():
            pair.reader.redial()
            pair.depositor.redial()
        await trio.sleep(5)
        await say(away, circle, "said while cut off")
        await move(ours, circle, old, new)
        await say(ours, circle, "said while moving")
        await trio.sleep(300)
        assert (await uses(ours, circle))[old] == "leaving", "somebody does not know yet"
        village.cut_off.clear()
        await all_read(people, circle, "said while cut off", "said while moving", within=200)
        await trio.sleep(200)
        assert (await uses(ours, circle))[old] == "allowed"
        await say(away, circle, "follows")
        await all_read(people, circle, "follows", within=60)


async def test_the_old_relay_dies_in_the_middle_of_the_move(autojump_clock) -> None:
    async with a_village(relays=2) as village:
        people, circle = await together(village, "نورس", "Salma")
        ours, theirs = people
        old, new = address(village, 0), address(village, 1)
        await theirs.circle_relay(circle, new, change="allow")
        await ours.circle_relay(circle, new, change="add")
        await trio.sleep(20)
        await say(theirs, circle, "lies at the old one")
        await ours.circle_relay(circle, old, change="remove")
        village.relay.stop()
        await say(ours, circle, "owed to the old one")
        await say(theirs, circle, "follows")
        await all_read([ours], circle, "lies at the old one", "follows", within=120)
        await theirs.circle_relay(circle, new, change="add")
        village.relay.start()
        await all_read(people, circle, "owed to the old one", within=400)


async def test_what_lies_unread_at_the_old_relay_goes_to_the_new_one_at_once(
    autojump_clock,
) -> None:
    async with a_village(relays=2) as village:
        (ours, theirs), circle = await together(village, "نورس", "Salma")
        old, new = address(village, 0), address(village, 1)
        for app in (ours, theirs):
            await app.circle_relay(circle, new, change="add")
        await trio.sleep(20)
        village.cut_off.add(("نورس", village.relays[0].address))
        for pair in next(iter(ours._running.values())).relays.values():
            pair.reader.redial()
            pair.depositor.redial()
        await trio.sleep(2)
        await say(theirs, circle, "lies at the old one")
        await trio.sleep(1)
        assert "lies at the old one" not in await texts(ours, circle)
        await ours.circle_relay(circle, old, change="remove")
        await all_read([ours], circle, "lies at the old one", within=8)


async def test_nobody_contacts_a_relay_that_another_one_named(autojump_clock) -> None:
    """One moves away alone; the other is told, and reaches them again with a yes."""
    async with a_village(relays=2) as village:
        people, circle = await together(village, "نورس", "Salma")
        ours, theirs = people
        old, new = address(village, 0), address(village, 1)
        await move(ours, circle, old, new)
        await trio.sleep(100)
        assert who_called(village, 1) == {"نورس"}
        await say(ours, circle, "from the new place")
        await say(theirs, circle, "to the new place")
        await trio.sleep(300)
        assert who_called(village, 1) == {"نورس"}, "nobody else has called it"
        assert await uses(theirs, circle) == {old: "reading", new: "named"}
        assert (await uses(ours, circle))[old] == "leaving", "who did not follow still writes there"
        await all_read(people, circle, "from the new place", "to the new place", within=10)
        assert await warned(theirs)
        await theirs.circle_relay(circle, new, change="allow")
        await trio.sleep(200)
        assert who_called(village, 1) == {"نورس", "Salma"}
        assert (await uses(ours, circle))[old] == "allowed"
        assert not await warned(theirs)
        await say(theirs, circle, "with a yes")
        await all_read(people, circle, "with a yes", within=30)
        await theirs.circle_relay(circle, new, change="remove")
        await trio.sleep(20)
        assert await uses(theirs, circle) == {old: "reading", new: "named"}
        shown = {one.address: one.state for one in await theirs.circle_relays(circle)}
        assert shown[new] is None, "it is not contacted any more"
        assert await warned(theirs)


async def warned(app: Application) -> bool:
    probed = app.probe
    app.probe = _probe_nothing  # looking at a relay is calling it
    try:
        return "relay_not_allowed" in {check.code for check in await app.doctor()}
    finally:
        app.probe = probed


async def _probe_nothing(relay: RelayAddress) -> RelayProbe:
    await trio.lowlevel.checkpoint()
    return RelayProbe("unreachable")


async def test_a_hostile_member_who_names_a_hundred_relays_has_none_of_them_called(
    autojump_clock,
) -> None:
    async with a_village() as village:
        people, circle = await together(village, "نورس", "Salma")
        ours, theirs = people
        called: list[RelayAddress] = []
        connect = ours.connect
        ours.connect = lambda one: called.append(one) or connect(one)  # type: ignore[func-returns-value]
        hosts = ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "169.254.169.254"]
        relays = [
            RelayAddress(hosts[number % 5], 1024 + number, bytes([number]) * 32)
            for number in range(100)
        ]
        running = next(iter(theirs._running.values())).service
        us = next(iter(running.circle.cold.peers))
        for serial, relay in enumerate(relays, 1):
            _owe(running, us, Granted(_grants(relay)))
            _owe(running, us, Moved(serial, (relay,)))
        await trio.sleep(120)
        assert called == []
        shown = await ours.circle_relays(circle)
        assert len(shown) <= 20
        assert {one.use for one in shown} == {"reading", "named"}
        peer = next(iter(next(iter(ours._running.values())).service.circle.cold.peers.values()))
        assert len(peer.grants) <= 64
        await say(theirs, circle, "still heard")
        await all_read([ours], circle, "still heard", within=60)


def _grants(relay: RelayAddress) -> tuple[Grant, ...]:
    return tuple(
        Grant(1, kind, relay, Address(bytes(16)), DepositToken(bytes(16)), SealKey(bytes(32)))
        for kind in (MAIL, SIGNAL)
    )


def _owe(service, member, note) -> None:
    """Have a program say what the real one would not."""
    draft = Draft(
        service.circle,
        now=Instant(trio.current_time()),
        wall_now=service.wall_clock(),
        entropy=service.entropy,
    )
    owe_note(draft, member, note)
    decision = draft.decide(wake_at=None)
    service.circle = decision.circle
    effects = [one for one in decision.effects if not isinstance(one, machine.WakeAt)]
    service.committer.submit(decision.writes, lambda: service._perform_all(effects))


async def test_the_limits_of_changing(autojump_clock) -> None:
    async with a_village(relays=3) as village:
        [ours], circle = await together(village, "نورس")
        first, second, third = (address(village, place) for place in range(3))
        with pytest.raises(Refused, match="last_relay"):
            await ours.circle_relay(circle, first, change="remove")
        with pytest.raises(Refused, match="no_such_relay"):
            await ours.circle_relay(circle, second, change="remove")
        with pytest.raises(Refused, match="relay_address_malformed"):
            await ours.circle_relay(circle, "https://example.org", change="add")
        await ours.circle_relay(circle, second, change="add")
        await ours.circle_relay(circle, second, change="add")
        with pytest.raises(Refused, match="too_many_relays"):
            await ours.circle_relay(circle, third, change="add")
        for number in range(4):
            one = RelayAddress("relay.example", 1024 + number, bytes(32))
            await ours.circle_relay(circle, str(one), change="allow")
        with pytest.raises(Refused, match="too_many_relays"):
            await ours.circle_relay(circle, third, change="allow")
        assert list((await uses(ours, circle)).values()) == ["reading"] * 2 + ["allowed"] * 4


async def test_a_circle_from_a_room_gets_a_relay_later(autojump_clock) -> None:
    async with a_village() as village:
        ours, theirs = await village.start("نورس"), await village.start("Salma")
        circle = (
            await ours.circle_create(
                "حلقة", relays=[], direct=False, charter="نصغي.", nickname=None
            )
        ).id
        await ours.meeting.open(None, seconds=HOUR, interfaces=(), room=True)
        code = (await ours.spoken.offer(circle, expires_in=HOUR, language="en")).code
        link = (await theirs.spoken.look_up(code, relays=())).link
        await theirs.join(link, nickname="Salma")

        async def waits() -> bool:
            return bool(await ours.waiting(circle))

        await eventually(waits)
        await ours.admit(circle, "Salma")
        await trio.sleep(10)
        for app in (ours, theirs):
            await app.circle_relay(circle, address(village, 0), change="add")
        await trio.sleep(10)
        for app in (ours, theirs):
            await app.meeting.close(None)
        await say(ours, circle, "from far away")
        await say(theirs, circle, "from here too")
        await all_read((ours, theirs), circle, "from far away", "from here too", within=60)


@pytest.mark.parametrize("seed", [0, 1, 2, 24])
async def test_changing_all_the_time_loses_and_doubles_nothing(seed: int, autojump_clock) -> None:
    """Three relays that come and go, three people who add, remove and allow them, and talk."""
    chance = random.Random(seed)
    async with a_village(relays=3) as village:
        people, circle = await together(village, "نورس", "Salma", "هدى", at=2)
        names = ("نورس", "Salma", "هدى")
        said = []
        for number in range(50):
            app, place = chance.choice(people), chance.randrange(3)
            match chance.randrange(7):
                case 0 | 1:
                    said.append(f"said {number}")
                    await say(app, circle, said[-1])
                case 2 | 3:
                    change = chance.choice(("add", "remove", "allow"))
                    try:
                        await app.circle_relay(circle, address(village, place), change=change)
                    except Refused:
                        pass  # one too many, or none of theirs
                case 4:
                    relay = village.relays[place]
                    relay.stop() if chance.random() < 0.5 else relay.start()
                case 5:
                    cut = (chance.choice(names), village.relays[place].address)
                    village.cut_off ^= {cut}
                case 6:
                    await trio.sleep(chance.choice([0.01, 0.5, 5, 70]))
        village.cut_off.clear()
        for relay in village.relays:
            relay.start()
        for app in people:
            for place in range(3):
                try:
                    await app.circle_relay(circle, address(village, place), change="allow")
                except Refused:
                    pass  # read there already
        await all_read(people, circle, *said, within=2000)
