"""Warnings about copies at work: told through restarts, until the person has seen them."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from tests.support.applications import Village, a_village, circle_of_two
from toheal_p2p.app.application import Application
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.warnings import Warnings, put_warnings, warnings_in
from toheal_protocol.machines import events as machine
from toheal_protocol.model import CircleId, MemberId

CIRCLE = CircleId(b"c" * 32)
ONE, OTHER = MemberId(b"1" * 32), MemberId(b"2" * 32)


def notice(app: Application, *, of_ourselves: bool = False) -> None:
    """Let an application notice two copies, as its machine tells it."""
    [running] = app._running.values()
    [member] = running.service.circle.cold.peers
    running.hear(machine.Tell("fork_told" if of_ourselves else "fork_seen", member))


def mark(app: Application) -> MemberId:
    """Let the machine itself have a peer marked, as it is until the session is begun anew."""
    [running] = app._running.values()
    circle = running.service.circle
    [(member, peer)] = circle.cold.peers.items()
    marked = evolve(circle.cold, peers={member: evolve(peer, is_forked=True)})
    running.service.circle = evolve(circle, cold=marked)
    return member


async def forked(app: Application, circle: str) -> set[str]:
    return {one.name for one in await app.circle_members(circle) if one.fork_seen}


async def warned(app: Application) -> bool:
    return "fork_seen" in {check.code for check in await app.doctor()}


async def restarted(village: Village, name: str) -> Application:
    await trio.sleep(1)
    village.stop(name)
    await trio.sleep(1)
    return await village.start(name)


@pytest.mark.trio
async def test_a_fork_is_told_through_restarts_until_it_was_seen(
    autojump_clock: MockClock,
) -> None:
    async with a_village() as village:
        ours, _, circle = await circle_of_two(village, direct=False)
        assert not await warned(ours)
        notice(ours)
        notice(ours, of_ourselves=True)
        for _ in range(3):
            assert await forked(ours, circle) == {"Salma", "نورس"}
            assert await warned(ours)
            ours = await restarted(village, "نورس")
        await ours.circle_seen(circle)
        for _ in range(2):
            assert await forked(ours, circle) == set()
            assert not await warned(ours)
            ours = await restarted(village, "نورس")


@pytest.mark.trio
async def test_two_stories_are_shown_of_whose_name_they_bear_until_they_were_seen(
    autojump_clock: MockClock,
) -> None:
    async with a_village() as village:
        ours, _, circle = await circle_of_two(village, direct=False)

        async def shown() -> list[str]:
            return [one.name for one in await ours.circle_members(circle) if one.stories_differ]

        assert await shown() == []
        [running] = ours._running.values()
        [member] = running.service.circle.cold.peers
        running.hear(machine.Tell("stories_differ", member))
        assert await shown() == ["Salma"]
        ours = await restarted(village, "نورس")
        assert await shown() == ["Salma"]
        await ours.circle_seen(circle)
        assert await shown() == []


@pytest.mark.trio
async def test_what_happens_again_is_told_again(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, _, circle = await circle_of_two(village, direct=False)
        mark(ours)
        notice(ours)
        await ours.circle_seen(circle)
        assert await forked(ours, circle) == set()
        notice(ours)
        assert await forked(ours, circle) == {"Salma"}
        ours = await restarted(village, "نورس")
        assert await forked(ours, circle) == {"Salma"}


@pytest.mark.trio
async def test_a_session_begun_anew_is_told_until_it_was_seen(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, _, circle = await circle_of_two(village, direct=False)
        await trio.sleep(5)
        [running] = ours._running.values()
        [member] = running.service.circle.cold.peers
        running.service.take(machine.ResetAsked(member))
        await trio.sleep(10)
        ours = await restarted(village, "نورس")
        assert "session_reset" in {check.code for check in await ours.doctor()}
        await ours.circle_seen(circle)
        ours = await restarted(village, "نورس")
        assert "session_reset" not in {check.code for check in await ours.doctor()}


@pytest.mark.trio
async def test_a_mark_of_the_machine_alone_is_told_too(autojump_clock: MockClock) -> None:
    """As after a crash between the machine's transaction and ours."""
    async with a_village() as village:
        ours, _, _ = await circle_of_two(village, direct=False)
        [running] = ours._running.values()
        member = mark(ours)
        assert running.forked == {member}
        running.see(wall_now=5)
        assert running.forked == set()


def test_what_is_kept_comes_back_and_what_cannot_be_read_is_no_silence() -> None:
    warnings = Warnings(frozenset({ONE}), frozenset({OTHER}), 77, frozenset({OTHER}))
    kept = put_warnings(CIRCLE, warnings)
    assert warnings_in({kept.name: kept.value}, CIRCLE) == warnings
    assert warnings_in({}, CIRCLE) == Warnings()
    for damaged in (b"", b"{}", b"[]", b'{"forked": ["zz"], "confirmed": [], "seen_at": 0}'):
        with pytest.raises(Refused):
            warnings_in({kept.name: damaged}, CIRCLE)
