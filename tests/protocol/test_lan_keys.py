"""Labels and keys of the LAN: another label each day, a key for each pair, and only for members."""

from __future__ import annotations

import re

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from tests.support.world import World
from toheal_protocol.changing import changed
from toheal_protocol.machines.calls import JOIN, MEET
from toheal_protocol.machines.lan_keys import (
    day_of,
    known_peers,
    service_label,
)
from toheal_protocol.machines.state import Calling, Cold, Listening, Stage, Standing
from toheal_protocol.model import WallTime


@given(secret=st.binary(min_size=32, max_size=32), day=st.integers(0, 1 << 31))
def test_a_label_is_another_one_each_day_and_each_secret(secret: bytes, day: int) -> None:
    label = service_label(secret, day)
    assert re.fullmatch(r"[a-z2-7]{14}", label)
    assert label != service_label(secret, day + 1)
    other = secret[:31] + bytes([secret[-1] ^ 1])
    assert label != service_label(other, day)


@given(wall=st.integers(-(1 << 40), 1 << 60))
def test_any_clock_has_a_day(wall: int) -> None:
    assert service_label(bytes(32), day_of(WallTime(wall)))


def test_a_day_turns_at_midnight_in_utc() -> None:
    assert [day_of(WallTime(at)) for at in (0, 86_399, 86_400, 20_000 * 86_400)] == [
        0,
        0,
        1,
        20_000,
    ]


def _cold() -> Cold:
    world = World(1)
    ours, _ = world.bring_together()
    assert ours.circle is not None
    return ours.circle.cold


def test_only_members_and_who_stands_at_the_door_are_known() -> None:
    cold = _cold()
    [known] = known_peers(cold)
    assert known.member in cold.peers
    for stage in (Stage.KNOCKING, Stage.LEFT, Stage.DECLINED):
        assert known_peers(changed(cold, stage=stage)) == ()
    for standing in (Standing.HOST, Standing.EXPECTED, Standing.GONE):
        peers = {m: changed(peer, standing=standing) for m, peer in cold.peers.items()}
        assert known_peers(changed(cold, peers=peers)) == ()


def test_both_sides_derive_the_same_key_and_it_is_not_the_continuity() -> None:
    world = World(2)
    ours, theirs = world.bring_together()
    assert ours.circle is not None
    assert theirs.circle is not None
    [mine], [yours] = known_peers(ours.circle.cold), known_peers(theirs.circle.cold)
    assert mine.key == yours.key
    assert mine.key != ours.circle.cold.peers[theirs.id].continuity


def test_an_introduction_is_a_key_too_and_an_invitation_is_none() -> None:
    cold = _cold()
    [member] = cold.peers
    peer = changed(cold.peers[member], continuity=b"", listening=Listening(MEET, b"s" * 32, 1))
    [known] = known_peers(changed(cold, peers={member: peer}))
    calling = changed(
        cold.peers[member], continuity=b"", calling=Calling(MEET, b"s" * 32, b"", b"")
    )
    assert known_peers(changed(cold, peers={member: calling})) == (known,)
    join = evolve(peer, listening=Listening(JOIN, b"s" * 32, 1))
    assert known_peers(changed(cold, peers={member: join})) == ()


def test_the_likeliest_keys_come_first() -> None:
    cold = _cold()
    [member] = cold.peers
    peer = changed(cold.peers[member], next_continuity=b"n" * 32)
    other = type(member)(b"x" * 32)
    known = known_peers(changed(cold, peers={member: peer, other: cold.peers[member]}))
    assert [one.member for one in known] == [member, other, member]
