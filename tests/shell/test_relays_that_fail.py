"""Two relays: when one fails in whatever way, the conversation goes on over the other, whole.

Most tests are about mailboxes, in a village whose relays lend no addresses for links.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.support.applications import Village, a_village, circle_of_two, eventually
from tests.support.memory_relay import MemoryRelay
from toheal_p2p.app.application import Application
from toheal_p2p.services.circle import CircleService
from toheal_p2p.services.relay_connection import HAIL_AFTER, HAIL_LIVELY
from toheal_p2p.services.relay_line import DOUBT, PATIENCE
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.counting import MAX_BEYOND
from toheal_protocol.machines.courier import RELAY_RESEND
from toheal_protocol.machines.doubts import LINK_DOUBT
from toheal_protocol.messages.grants import SIGNAL
from toheal_protocol.wire.mailbox import Deposit, decode_command
from toheal_relay.limits import Limits

FAIL_OVER = 5.0
"""Seconds after which a conversation goes on over the other relay: what issue and guide promise."""

BURST = 40


async def texts(app: Application, circle: str) -> list[str]:
    entries = await app.read(circle, limit=2000)
    return [entry.text for entry in entries if entry.kind == "text"]


async def say(app: Application, circle: str, *said: str) -> None:
    for text in said:
        await app.say(circle, text, notes=(), to_facilitators=False)


def has(app: Application, circle: str, *said: str) -> Callable[[], Awaitable[bool]]:
    async def is_there() -> bool:
        return set(said) <= set(await texts(app, circle))

    return is_there


def service_of(app: Application) -> CircleService:
    [running] = app._running.values()
    return running.service


def is_linked(app: Application, circle: str) -> Callable[[], Awaitable[bool]]:
    async def is_open() -> bool:
        return (await app.links(circle))[0].link == "turn"

    return is_open


def deposits_at(village: Village) -> int:
    heard = [message for relay in village.relays for message in relay.heard]
    return sum(isinstance(decode_command(message), Deposit) for message in heard)


def go_mute(relay: MemoryRelay) -> None:
    relay.is_mute = True


def die(relay: MemoryRelay) -> None:
    relay.stop()


def close_without_end(relay: MemoryRelay) -> None:
    relay.answers_as = "full"
    relay.cut()


def freeze_links(village: Village) -> None:
    """Let every link go dead, as those do that a relay carried."""
    for end in village.channels.open:
        end.freeze()


FAILURES = [die, go_mute, close_without_end]


@pytest.mark.trio
@pytest.mark.parametrize("fail", FAILURES, ids=lambda fail: fail.__name__)
@pytest.mark.parametrize("which", [0, 1])
async def test_a_conversation_goes_on_over_the_other_relay_within_five_seconds(
    autojump_clock: MockClock, fail: Callable[[MemoryRelay], None], which: int
) -> None:
    async with a_village(relays=2, has_turn=False) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await say(ours, circle, "one")
        await say(theirs, circle, "two")
        await eventually(has(ours, circle, "one", "two"))
        await eventually(has(theirs, circle, "one", "two"))
        fail(village.relays[which])
        await say(ours, circle, "three")
        await say(theirs, circle, "four")
        await eventually(has(ours, circle, "four"), within=FAIL_OVER)
        await eventually(has(theirs, circle, "three"), within=FAIL_OVER)
        await trio.sleep(120)
        for app in (ours, theirs):
            assert sorted(await texts(app, circle)) == ["four", "one", "three", "two"]
        for app in (ours, theirs):
            assert {row.state for row in await app.deliveries(circle, None)} == {"delivered"}


@pytest.mark.trio
@pytest.mark.parametrize("fail", FAILURES, ids=lambda fail: fail.__name__)
async def test_a_conversation_over_a_link_goes_on_when_the_relay_that_carries_it_fails(
    autojump_clock: MockClock, fail: Callable[[MemoryRelay], None]
) -> None:
    async with a_village(relays=2) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await eventually(is_linked(ours, circle))
        await say(ours, circle, "one")
        await eventually(has(theirs, circle, "one"))
        fail(village.relay)
        freeze_links(village)
        await say(ours, circle, "two")
        await say(theirs, circle, "three")
        await eventually(has(ours, circle, "three"), within=FAIL_OVER)
        await eventually(has(theirs, circle, "two"), within=FAIL_OVER)
        await eventually(is_linked(ours, circle))  # told over the other relay
        await trio.sleep(60)
        for app in (ours, theirs):
            assert sorted(await texts(app, circle)) == ["one", "three", "two"]


@pytest.mark.trio
@pytest.mark.parametrize("speaks_first", [0, 1])
async def test_a_frozen_relay_under_a_link_holds_neither_a_word_nor_its_answer_up_for_long(
    autojump_clock: MockClock, speaks_first: int
) -> None:
    async with a_village(relays=2) as village:
        *people, circle = await circle_of_two(village, direct=False)
        await eventually(is_linked(people[0], circle))
        await eventually(is_linked(people[1], circle))
        await trio.sleep(90)  # nobody watches the line of the relay closely any more
        speaker, reader = people[speaks_first], people[1 - speaks_first]
        go_mute(village.relay)
        freeze_links(village)
        await say(speaker, circle, "are you there")
        await eventually(has(reader, circle, "are you there"), within=LINK_DOUBT + DOUBT + 0.5)
        await say(reader, circle, "yes")
        await eventually(has(speaker, circle, "yes"), within=DOUBT + 0.5)
        await trio.sleep(30)
        for app in people:
            assert sorted(await texts(app, circle)) == ["are you there", "yes"]


@pytest.mark.trio
@pytest.mark.parametrize("failed", [machine.RelayDown, machine.RelaySilent])
async def test_a_link_that_a_failing_relay_may_carry_is_looked_after_and_used_meanwhile(
    autojump_clock: MockClock, failed: type[machine.RelayDown | machine.RelaySilent]
) -> None:
    async with a_village(relays=2) as village:
        ours, _, circle = await circle_of_two(village, direct=False)
        await eventually(is_linked(ours, circle))
        freeze_links(village)
        await say(ours, circle, "under way")
        decision = service_of(ours).take(failed(village.relay.address))
        assert any(isinstance(effect, machine.ProbeLink) for effect in decision.effects)
        assert not any(isinstance(effect, machine.Deposit) for effect in decision.effects)
        [courier], [pair] = decision.circle.live.couriers.values(), decision.circle.pairs.values()
        assert courier.cursor == pair.next_seq - 1 > pair.acked_through


@pytest.mark.trio
async def test_what_a_silent_relay_was_told_is_told_to_the_other(autojump_clock: MockClock) -> None:
    async with a_village(relays=2, has_turn=False) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await say(theirs, circle, "one")
        await trio.sleep(60)
        [before] = service_of(ours).circle.live.couriers.values()
        assert before.relay is not None
        assert before.told_through > 0
        assert before.ack_at is None
        after = service_of(ours).take(machine.RelaySilent(before.relay)).circle.live
        [courier] = after.couriers.values()
        acks = [ticket for ticket in after.tickets.values() if ticket.through]
        assert acks or courier.ack_at is not None


@pytest.mark.trio
async def test_an_offer_at_a_relay_that_fails_is_said_over_the_other_at_once(
    autojump_clock: MockClock,
) -> None:
    async with a_village(relays=2) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await eventually(is_linked(ours, circle))
        village.channels.is_down = True  # so that the attempt takes its time
        for end in village.channels.open:
            end.lose()
        offering = []

        async def somebody_offers() -> bool:
            for app in (ours, theirs):
                [courier] = service_of(app).circle.live.couriers.values()
                if courier.attempt is not None and courier.attempt.our_blob and courier.relay:
                    offering.append((service_of(app), courier.relay))
            return bool(offering)

        await eventually(somebody_offers)
        await trio.sleep(1)  # the relay has answered
        service, relay = offering[0]
        decision = service.take(machine.RelayDown(relay))
        kinds = {ticket.kind for ticket in decision.circle.live.tickets.values()}
        assert SIGNAL in kinds
        said = [effect for effect in decision.effects if isinstance(effect, machine.Deposit)]
        assert said
        assert {effect.relay for effect in said}.isdisjoint({relay})


@pytest.mark.trio
async def test_an_offer_that_lay_at_a_relay_that_dies_is_said_again_over_the_other(
    autojump_clock: MockClock,
) -> None:
    async with a_village(relays=2) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await eventually(is_linked(ours, circle))
        for relay in village.relays:
            relay.is_forgetful = True
        for end in village.channels.open:
            end.lose()
        await trio.sleep(5)
        for relay in village.relays:
            relay.is_forgetful = False
        began = trio.current_time()
        village.relay.stop()
        await say(ours, circle, "one")
        await eventually(has(theirs, circle, "one"), within=FAIL_OVER)
        await eventually(is_linked(ours, circle))
        assert trio.current_time() - began < 2 * FAIL_OVER


@pytest.mark.trio
@pytest.mark.parametrize("fail", FAILURES, ids=lambda fail: fail.__name__)
async def test_what_lay_at_the_relay_that_failed_comes_over_the_other(
    autojump_clock: MockClock, fail: Callable[[MemoryRelay], None]
) -> None:
    async with a_village(relays=2, has_turn=False) as village:
        ours, _, circle = await circle_of_two(village, direct=False)
        await trio.sleep(5)
        village.stop("Salma")
        await trio.sleep(1)
        said = [f"{number}" for number in range(BURST)]
        await say(ours, circle, *said)
        await trio.sleep(5)
        assert {row.state for row in await ours.deliveries(circle, None)} == {"at_relay"}
        fail(village.relay)
        await trio.sleep(HAIL_AFTER + PATIENCE + 1)
        theirs = await village.start("Salma")
        await eventually(has(theirs, circle, *said), within=FAIL_OVER)
        assert await texts(theirs, circle) == said


@pytest.mark.trio
async def test_a_burst_into_a_relay_that_goes_silent_arrives_over_the_other(
    autojump_clock: MockClock,
) -> None:
    async with a_village(relays=2, has_turn=False) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await trio.sleep(5)
        village.relay.is_mute = True
        said = [f"{number}" for number in range(BURST)]
        await say(ours, circle, *said)
        await eventually(has(theirs, circle, *said), within=FAIL_OVER)
        village.relay.is_mute = False
        await trio.sleep(60)
        assert await texts(theirs, circle) == said


@pytest.mark.trio
async def test_a_relay_that_is_only_slow_is_used_again(autojump_clock: MockClock) -> None:
    async with a_village(relays=2, has_turn=False) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await trio.sleep(5)
        village.relay.is_mute = True
        await say(ours, circle, "slow")
        await trio.sleep(3)
        village.relay.is_mute = False
        village.relay.wake_all()
        await trio.sleep(1)
        village.other_relays[0].stop()
        await say(ours, circle, "again")
        await eventually(has(theirs, circle, "slow", "again"), within=FAIL_OVER)


@pytest.mark.trio
async def test_mail_that_one_relay_refuses_goes_to_the_other_at_once(
    autojump_clock: MockClock,
) -> None:
    async with a_village(relays=2, has_turn=False) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await trio.sleep(5)
        village.relay.limit(evolve(Limits(), items_per_mailbox=0))
        await say(ours, circle, "one", "two")
        await eventually(has(theirs, circle, "one", "two"), within=1)
        assert await texts(theirs, circle) == ["one", "two"]


@pytest.mark.trio
async def test_two_relays_that_both_refuse_are_not_run_between(autojump_clock: MockClock) -> None:
    async with a_village(relays=2, has_turn=False) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await trio.sleep(60)
        for relay in village.relays:
            relay.limit(evolve(Limits(), items_per_mailbox=0))
        before = deposits_at(village)
        await say(ours, circle, "one")
        await trio.sleep(600)
        assert 10 <= deposits_at(village) - before < 40
        for relay in village.relays:
            relay.limit(Limits())
        await eventually(has(theirs, circle, "one"), within=120)


@pytest.mark.trio
async def test_somebody_who_reaches_only_the_second_relay_gets_everything(
    autojump_clock: MockClock,
) -> None:
    async with a_village(relays=2, has_turn=False) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await trio.sleep(5)
        village.cut_off.add(("Salma", village.relay.address))
        village.relay.cut()
        await trio.sleep(5)
        await say(theirs, circle, "here")
        await say(ours, circle, "there")
        await eventually(has(ours, circle, "here"), within=FAIL_OVER)
        await eventually(has(theirs, circle, "there"), within=RELAY_RESEND + FAIL_OVER)
        await say(ours, circle, "and on")
        await eventually(has(theirs, circle, "and on"), within=1)  # now we know where


@pytest.mark.trio
async def test_a_reader_notices_a_dead_line_sooner_while_people_talk(
    autojump_clock: MockClock,
) -> None:
    async with a_village(has_turn=False) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        for quiet, bound in ((10, HAIL_LIVELY), (600, HAIL_AFTER)):
            await say(theirs, circle, f"before {quiet}")
            await eventually(has(ours, circle, f"before {quiet}"))
            await trio.sleep(quiet)
            dials = village.relay.dials
            village.relay.is_mute = True
            await trio.sleep(bound + PATIENCE + 0.5)
            assert village.relay.dials > dials
            village.relay.is_mute = False
            await trio.sleep(60)


@pytest.mark.trio
async def test_two_relays_that_throw_us_out_are_not_dialled_without_end(
    autojump_clock: MockClock,
) -> None:
    async with a_village(relays=2, has_turn=False) as village:
        await circle_of_two(village, direct=False)
        await trio.sleep(60)
        for relay in village.relays:
            relay.is_brusque = True
            relay.cut()
        dials = sum(relay.dials for relay in village.relays)
        await trio.sleep(600)
        assert sum(relay.dials for relay in village.relays) - dials < 8 * 600 / 5


@pytest.mark.slow(20)
@pytest.mark.trio
@pytest.mark.parametrize("then_dies", [False, True])
async def test_mail_refused_because_it_came_too_far_ahead_comes_again(
    autojump_clock: MockClock, then_dies: bool
) -> None:
    """One relay loses a message it answered for; a thousand later ones overtake the gap."""
    async with a_village(relays=2, has_turn=False) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        await trio.sleep(5)
        village.relay.is_forgetful = True
        await say(ours, circle, "lost")
        await trio.sleep(1)
        village.relay.is_forgetful = False
        said = [f"{number}" for number in range(MAX_BEYOND + 60)]
        await say(ours, circle, *said)
        if then_dies:
            village.relay.stop()
        await eventually(has(theirs, circle, "lost", *said), within=120)
        assert sorted(await texts(theirs, circle)) == sorted(["lost", *said])
        troubles = {check.code for app in (ours, theirs) for check in await app.doctor()}
        assert not troubles & {"session_reset", "fork_seen"}


# ---- bad luck


async def live_through(seed: int, steps: int, *, has_turn: bool) -> None:
    """Let relays die, fall silent, refuse and come back while two people talk; then compare."""
    chance = random.Random(seed)
    said: dict[str, list[str]] = {"نورس": [], "Salma": []}
    async with a_village(relays=2, has_turn=has_turn) as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        apps = {"نورس": ours, "Salma": theirs}
        for number in range(steps):
            name = chance.choice(list(apps))
            relay = chance.choice(village.relays)
            match chance.randrange(9):
                case 0 | 1 | 2:
                    await say(apps[name], circle, str(number))
                    said[name].append(str(number))
                case 3:
                    relay.stop()
                    freeze_links(village)
                case 4:
                    relay.is_mute = True
                    freeze_links(village)
                case 5:
                    relay.restart()
                case 6:
                    relay.start()
                    relay.is_mute = False
                case 7:
                    relay.limit(evolve(Limits(), items_per_mailbox=chance.choice([0, 1, 4096])))
                case 8:
                    village.stop(name)
                    apps[name] = await village.start(name)
            await trio.sleep(chance.choice([0.0, 0.1, 1.0, 4.0, 20.0]))
        for relay in village.relays:
            relay.start()
            relay.is_mute = False
            relay.limit(Limits())
        for name, app in apps.items():
            other = next(one for one in apps if one != name)
            await eventually(has(app, circle, *said[other]), within=700)
            found = await texts(app, circle)
            assert [text for text in found if text in said[other]] == said[other]
            assert sorted(found) == sorted(said["نورس"] + said["Salma"])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 30), has_turn=st.booleans())
def test_whatever_two_relays_do_everything_arrives_once_and_in_order(
    seed: int, has_turn: bool
) -> None:
    live = partial(live_through, seed, 30, has_turn=has_turn)
    trio.run(live, clock=MockClock(autojump_threshold=0))
