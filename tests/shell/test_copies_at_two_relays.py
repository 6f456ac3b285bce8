"""Mail for somebody away lies at both relays: either may vanish, one copy counts, both are deleted."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.shell.test_relays_that_fail import has, say, texts
from tests.support.applications import Village, a_village, circle_of_two, eventually
from tests.support.memory_relay import MemoryRelay
from toheal_p2p.app.application import DRAIN_DEADLINE, Application
from toheal_p2p.cli.requests.profile import LeftHereView, Lock
from toheal_protocol.wire.mailbox import Delete, Deposit, decode_command

WORDS = [f"word {number}" for number in range(5)]


async def write_to_who_is_away(village: Village) -> tuple[Application, str]:
    """Salma is away while five words are written; return her circle's author."""
    ours, _, circle = await circle_of_two(village, direct=False)
    await trio.sleep(30)
    village.stop("Salma")
    await trio.sleep(1)
    ours_service = ours._running[bytes.fromhex(circle)].service  # type: ignore[index]
    for end in list(village.channels.open):
        end.lose()
    await trio.sleep(40)
    assert not any(one.is_present for one in ours_service.circle.live.couriers.values())
    for word in WORDS:
        await say(ours, circle, word)
    await trio.sleep(5)
    return ours, circle


def deposits(relay: MemoryRelay) -> list[Deposit]:
    return [one for one in map(decode_command, relay.heard) if isinstance(one, Deposit)]


@pytest.mark.trio
@pytest.mark.parametrize("which", [0, 1])
async def test_one_relay_is_gone_for_good_and_the_other_has_everything(
    autojump_clock: MockClock, which: int
) -> None:
    async with a_village(relays=2) as village:
        await write_to_who_is_away(village)
        village.stop("نورس")
        village.relays[which].stop()
        theirs = await village.start("Salma")
        [circle] = await theirs.circle_list()
        await eventually(has(theirs, circle.id, *WORDS), within=15)


@pytest.mark.trio
async def test_one_copy_counts_and_both_are_deleted(autojump_clock: MockClock) -> None:
    async with a_village(relays=2) as village:
        await write_to_who_is_away(village)
        village.stop("نورس")
        before = [len(relay.heard) for relay in village.relays]
        theirs = await village.start("Salma")
        [circle] = await theirs.circle_list()
        await eventually(has(theirs, circle.id, *WORDS), within=15)
        await trio.sleep(5)
        assert await texts(theirs, circle.id) == WORDS
        for relay, seen in zip(village.relays, before, strict=True):
            said = map(decode_command, relay.heard[seen:])
            gone = sum(len(one.items) for one in said if isinstance(one, Delete))
            assert gone >= len(WORDS)


@pytest.mark.trio
async def test_a_copy_is_not_deposited_twice_by_a_program_that_starts_again(
    autojump_clock: MockClock,
) -> None:
    async with a_village(relays=2) as village:
        await write_to_who_is_away(village)
        village.stop("نورس")
        before = [len(deposits(relay)) for relay in village.relays]
        ours = await village.start("نورس")
        await trio.sleep(30)
        again = [len(deposits(relay)) for relay in village.relays]
        mail = [now - then for now, then in zip(again, before, strict=True)]
        assert all(number < len(WORDS) for number in mail), mail
        assert ours is not None


@pytest.mark.trio
async def test_a_relay_that_comes_back_empty_gets_its_copy_again(autojump_clock: MockClock) -> None:
    async with a_village(relays=2) as village:
        await write_to_who_is_away(village)
        village.relays[0].stop()
        await trio.sleep(60)
        village.relays[0].start()
        await trio.sleep(90)
        village.stop("نورس")
        village.relays[1].stop()
        theirs = await village.start("Salma")
        [circle] = await theirs.circle_list()
        await eventually(has(theirs, circle.id, *WORDS), within=15)


@pytest.mark.trio
async def test_who_is_there_gets_one_copy(autojump_clock: MockClock) -> None:
    async with a_village(relays=2, has_turn=False) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await trio.sleep(30)
        await say(ours, circle, "first")
        await eventually(has(theirs, circle, "first"))
        before = sum(len(deposits(relay)) for relay in village.relays)
        for word in WORDS:
            await say(ours, circle, word)
        await eventually(has(theirs, circle, *WORDS))
        await trio.sleep(3)
        assert sum(len(deposits(relay)) for relay in village.relays) - before < 2 * len(WORDS)


async def three(village: Village) -> tuple[Application, str]:
    """A circle of three of whom two are away, and an author who knows it."""
    ours, _, circle = await circle_of_two(village, direct=False)
    omar = await village.start("Omar")
    invitation = await ours.invite(circle, expires_in=3600)
    await omar.join(invitation.link, nickname="Omar")

    async def waits() -> bool:
        return bool(await ours.waiting(circle))

    await eventually(waits)
    await ours.admit(circle, "Omar")
    await trio.sleep(30)
    for name in ("Salma", "Omar"):
        village.stop(name)
    for end in list(village.channels.open):
        end.lose()
    await trio.sleep(60)
    return ours, circle


@pytest.mark.trio
async def test_a_program_that_is_locked_lets_everything_leave_first(
    autojump_clock: MockClock,
) -> None:
    async with a_village(has_turn=False) as village:
        ours, circle = await three(village)
        await say(ours, circle, "before I go")
        assert await ours.drain() == 0
        await ours.lock()
        for name in ("Salma", "Omar"):
            theirs = await village.start(name)
            await eventually(has(theirs, circle, "before I go"), within=15)


@pytest.mark.trio
async def test_what_cannot_leave_is_said_and_kept(autojump_clock: MockClock) -> None:
    async with a_village(has_turn=False) as village:
        ours, circle = await three(village)
        village.relay.is_mute = True
        await say(ours, circle, "nobody takes this now")
        assert await ours.drain() == 2
        village.stop("نورس")
        village.relay.is_mute = False
        await village.start("نورس")
        await trio.sleep(60)
        theirs = await village.start("Salma")
        await eventually(has(theirs, circle, "nobody takes this now"), within=15)


@pytest.mark.trio
async def test_locking_waits_only_once_for_what_cannot_leave(autojump_clock: MockClock) -> None:
    left: list[object] = []

    async def give(view: object) -> None:
        left.append(view)

    async with a_village(has_turn=False) as village:
        ours, circle = await three(village)
        village.relay.is_mute = True
        await say(ours, circle, "nobody takes this now")
        began = trio.current_time()
        await Lock().carry_out(ours, give)
        assert left == [LeftHereView(2)]
        assert trio.current_time() - began < 1.5 * DRAIN_DEADLINE
