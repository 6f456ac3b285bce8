"""Bundles: what is owed and what is missing, in a file for who has no network at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.network.test_forks import told
from tests.network.test_governed_world import remove
from tests.network.test_sync import drop_mail_of, passer_of
from tests.network.test_three_people import gather, texts_of
from tests.support.entropy import SeededEntropy
from tests.support.world import Person, World
from toheal_protocol.crypto import SealKey
from toheal_protocol.envelope import ContentKey
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines import bundling, sync_events
from toheal_protocol.machines.draft import Draft
from toheal_protocol.messages.asking import Asked
from toheal_protocol.messages.bundle import (
    FILL,
    BundleHead,
    OwedKey,
    OwedNote,
    PassedKey,
    decode_bundle_item,
    decode_head,
    encode_bundle_item,
    encode_head,
    heads_in,
    index_code,
    join_bundle,
    parts_in,
    seal_index,
    seal_part,
)
from toheal_protocol.model import Instant, MemberId


def draft_of(person: Person) -> Draft:
    assert person.circle is not None
    now = Instant(person.world.now)
    return Draft(person.circle, now=now, wall_now=person.wall, entropy=person.entropy)


def make(maker: Person, reader: Person) -> bytes:
    """As the application does it."""
    circle = maker.circle
    assert circle is not None and bundling.can_bundle(circle, reader.id)
    items = [
        bundling.owed_to_bundle(circle, reader.id, owed)
        for _, owed in sorted(maker.disk.owed.get(reader.id, {}).items())
    ]
    ranges = bundling.missing_there(circle, reader.id)
    mids = tuple(maker.disk.entries) if ranges is None else ()
    found = maker.disk.asked_entries(Asked(1, ranges or (), mids), 0, 5000, 1 << 28)
    passed = (bundling.passed_to_bundle(draft_of(maker), reader.id, one) for one in found.entries)
    items += [one for one in passed if one is not None]
    key = SealKey(maker.entropy.draw(32))
    parts = [seal_part(key, n, encode_bundle_item(item)) for n, item in enumerate(items, 1)]
    index = seal_index(key, parts)
    generation = circle.pairs[reader.id].generation
    decision = maker.feed(sync_events.BundleSealed(reader.id, generation, key, index_code(index)))
    assert decision is not None
    [sealed] = [one.sealed for one in decision.effects if isinstance(one, sync_events.BundleReady)]
    return b"".join(join_bundle(sealed, index, parts, maker.entropy))


def take(reader: Person, bundle: bytes) -> int | None:
    """As the application does it; how many parts were damaged, None where nobody made it."""
    for sealed in heads_in(bundle):
        member = bundling.find_bundle(draft_of(reader), sealed)
        if member is None:
            continue
        reader.feed(sync_events.BundleOpened(member, sealed))
        assert reader.circle is not None
        head = bundling.head_of(reader.circle, member, sealed)
        assert head is not None
        try:
            parts = list(parts_in(bundle, head, sealed))
        except RemoteError:
            return None
        whole = tuple(part for part in parts if part is not None)
        reader.feed(sync_events.ItemsBrought(member, whole))
        return parts.count(None)
    return None


def cut_off(seed: int, *, said: int = 5) -> tuple[World, Person, Person, Person]:
    """Two who speak and hear each other, and one whom nothing reaches."""
    world, (maker, other, reader) = gather(seed, 3)
    world.part([maker, other], [reader])
    for number in range(said):
        maker.say(f"mine {number}")
        other.say(f"theirs {number}")
        world.run_for(2)
    world.run_for(20)
    for author in (maker, other):
        drop_mail_of(world, reader, author)
    return world, maker, other, reader


def test_a_bundle_brings_what_is_owed_and_what_others_wrote() -> None:
    world, maker, other, reader = cut_off(1)
    assert take(reader, make(maker, reader)) == 0
    assert texts_of(reader, maker) == [f"mine {number}" for number in range(5)]
    assert texts_of(reader, other) == [f"theirs {number}" for number in range(5)]
    assert passer_of(reader, "mine 1") is None
    assert passer_of(reader, "theirs 1") == maker.id
    assert "unreadable" not in told(reader)
    world.mend()
    world.run_for(60)
    assert not any(maker.disk.owed.values()) and not any(other.disk.owed.values())
    assert passer_of(reader, "theirs 1") is None
    assert texts_of(reader, other) == [f"theirs {number}" for number in range(5)]


def test_a_bundle_taken_twice_brings_nothing_twice() -> None:
    world, maker, _, reader = cut_off(2)
    bundle = make(maker, reader)
    assert take(reader, bundle) == 0
    before = dict(reader.disk.entries)
    assert take(reader, bundle) == 0
    assert dict(reader.disk.entries) == before
    world.kill(reader)
    world.start(reader)
    assert take(reader, bundle) == 0
    assert dict(reader.disk.entries) == before
    assert len({entry.mid for entry in reader.shown}) == len(reader.shown)


def test_the_acknowledgement_comes_with_a_bundle_the_other_way() -> None:
    _, maker, _, reader = cut_off(3)
    take(reader, make(maker, reader))
    assert maker.disk.owed[reader.id]
    assert take(maker, make(reader, maker)) == 0
    assert not maker.disk.owed[reader.id]


def test_a_bundle_that_is_lost_costs_the_session_nothing() -> None:
    world, maker, _, reader = cut_off(4, said=3)
    for _ in range(20):
        make(maker, reader)
    world.mend()
    world.run_for(60)
    assert texts_of(reader, maker) == [f"mine {number}" for number in range(3)]
    assert "fork_seen" not in told(reader)


def test_a_damaged_bundle_brings_the_rest_and_a_whole_one_what_was_damaged() -> None:
    _, maker, _, reader = cut_off(5, said=12)
    whole = make(maker, reader)
    damaged = bytearray(whole)
    for at in (5_000, 7_000):
        damaged[at] ^= 1
    assert take(reader, bytes(damaged)) == 2
    assert take(reader, whole) == 0
    assert sorted(texts_of(reader, maker)) == sorted(f"mine {number}" for number in range(12))


@pytest.mark.parametrize("at", ["front", "end"])
def test_a_bundle_with_one_end_damaged_opens_by_the_other(at: str) -> None:
    _, maker, _, reader = cut_off(6)
    bundle = bytearray(make(maker, reader))
    place = 0 if at == "front" else len(bundle) - 2000
    for offset in range(place, place + 1500):
        bundle[offset] ^= 0x55
    assert take(reader, bytes(bundle)) == 0
    assert texts_of(reader, maker) == [f"mine {number}" for number in range(5)]


def test_a_bundle_is_of_use_to_its_reader_only_and_names_nobody() -> None:
    world, maker, other, reader = cut_off(7)
    bundle = make(maker, reader)
    assert take(other, bundle) is None and take(maker, bundle) is None
    assert len(bundle) % FILL == 0 and bundle[0] in (0, 1, 2, 3)
    assert maker.circle is not None
    names = [person.id for person in world.people]
    for secret in (maker.circle.cold.id, *names, b"mine 1", b"toheal"):
        assert secret not in bundle


def test_of_who_is_out_no_bundle_is_made_or_believed() -> None:
    world, maker, other, reader = cut_off(8)
    bundle = make(other, reader)
    remove(maker, other)
    world.run_for(30)
    assert maker.circle is not None and not bundling.can_bundle(maker.circle, other.id)
    take(reader, make(maker, reader))
    world.run_for(5)
    before = len(reader.disk.entries)
    take(reader, bundle)
    passed = [e for e in reader.disk.entries.values() if e.passed_on_by == other.id]
    assert not passed and len(reader.disk.entries) <= before + 5


KEY = SealKey(bytes(32))


@given(bundle=st.binary(max_size=6000))
@settings(max_examples=60)
def test_any_bytes_are_no_bundle(bundle: bytes) -> None:
    for sealed in heads_in(bundle):
        assert len(sealed) <= len(bundle)
    for code in range(9):
        try:
            list(parts_in(bundle, BundleHead(KEY, code), b"\x00" * 100))
        except RemoteError:
            continue
        raise AssertionError("random bytes opened")


@given(encoded=st.binary(max_size=200))
@settings(max_examples=100)
def test_heads_and_items_are_read_back_the_same_or_refused(encoded: bytes) -> None:
    try:
        assert encode_bundle_item(decode_bundle_item(encoded)) == encoded
    except RemoteError:
        pass
    try:
        decode_head(encoded)
    except RemoteError:
        pass


def test_every_kind_of_item_and_a_head_come_back_as_they_were() -> None:
    key = ContentKey(b"k" * 32)
    for item in (
        OwedKey(7, key, b"common"),
        OwedNote(8, b"\x15note"),
        PassedKey(MemberId(b"m" * 32), key, b"common"),
    ):
        assert decode_bundle_item(encode_bundle_item(item)) == item
    head = BundleHead(SealKey(b"s" * 32), 3, 9, ((11, 12), (15, 15)))
    assert decode_head(encode_head(head)) == head
    part = seal_part(KEY, 1, b"plain")
    index = seal_index(KEY, [part])
    bundle = b"".join(join_bundle(b"\x00" * 1121, index, [part], SeededEntropy(1)))
    opened = parts_in(bundle, BundleHead(KEY, index_code(index)), b"\x00" * 1121)
    assert list(opened) == [b"plain"]
