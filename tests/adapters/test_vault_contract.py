"""What every vault keeps, the one in memory and the real one alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.vault_writes import everything, some_write
from tests.support.vaults import (
    MemoryVault,
    an_entry,
    an_owed,
    circle_id,
    member_id,
    message_id,
    real_vault,
)
from toheal_p2p.adapters.vault.writes import WRITERS
from toheal_p2p.ports.vault import StoredCircle, Vault, VaultClosed
from toheal_protocol.machines.records import (
    DropCircle,
    DropHeld,
    DropOwed,
    GiveUpOwed,
    MarkAtRelay,
    PutCircle,
    PutHeld,
    PutLog,
    PutPair,
    PutSetting,
    UnsayOwed,
    Write,
)
from toheal_protocol.model import Audience, CircleId, Frame, MemberId

OpenVault = Callable[[], AbstractAsyncContextManager[Vault]]

C1, C2 = circle_id(1), circle_id(2)
M1, M2, M3 = member_id(1), member_id(2), member_id(3)


@asynccontextmanager
async def memory_vault() -> AsyncIterator[Vault]:
    vault = MemoryVault()
    yield vault
    await vault.aclose()


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.real)])
def open_vault(request: pytest.FixtureRequest, tmp_path: Path) -> OpenVault:
    if request.param == "memory":
        return memory_vault
    return lambda: real_vault(tmp_path / "home")


def test_every_record_has_its_writer() -> None:
    assert set(WRITERS) == set(get_args(Write))


@pytest.mark.trio
async def test_a_new_vault_is_empty(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        stored = await vault.load()
        assert stored.circles == ()
        assert stored.settings == {}
        assert not vault.was_put_back
        assert await vault.entries(C1, limit=10) == ()
        assert await vault.owed(C1, M1, after=-1, limit=10) == ()
        assert await vault.entry(C1, message_id(1)) is None
        assert await vault.deliveries(C1, None, limit=10) == ()
        assert await vault.search(None, "word", limit=10) == ()
        assert await vault.ids_by_author(C1, M1, Audience.CIRCLE, after=-1, limit=10) == ()


@pytest.mark.trio
async def test_the_last_put_of_each_key_is_loaded(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit(
            (
                PutPair(C1, M1, b"pair before its circle"),
                PutCircle(C1, b"old"),
                PutLog(C1, b"old"),
                PutCircle(C2, b"two"),
                PutSetting("language", b"ar"),
            )
        )
        await vault.commit(
            (
                PutCircle(C1, b"new"),
                PutLog(C1, b"new"),
                PutPair(C1, M1, b"new"),
                PutPair(C1, M2, b""),
                PutHeld(C1, message_id(2), b"held"),
                PutHeld(C1, message_id(3), b"to be dropped"),
                DropHeld(C1, message_id(3)),
                DropHeld(C1, message_id(4)),
                PutSetting("language", b""),
            )
        )
        stored = await vault.load()
    assert stored.circles == (
        StoredCircle(C1, b"new", b"new", {M1: b"new", M2: b""}, {message_id(2): b"held"}),
        StoredCircle(C2, b"two", None, {}, {}),
    )
    assert stored.settings == {"language": b""}


@pytest.mark.trio
async def test_a_circle_without_its_cold_state_is_not_loaded(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit((PutLog(C1, b"log"), PutPair(C1, M1, b"pair"), an_entry()))
        assert (await vault.load()).circles == ()


@pytest.mark.trio
async def test_owed_frames_come_back_in_their_order(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit([an_owed(seq, mid=seq) for seq in (3, 0, 2, 5)])
        await vault.commit([an_owed(1, member=3)])
        rows = await vault.owed(C1, M2, after=-1, limit=10)
        assert [row.seq for row in rows] == [0, 2, 3, 5]
        assert [row.seq for row in await vault.owed(C1, M2, after=0, limit=2)] == [2, 3]
        assert await vault.owed(C2, M2, after=-1, limit=10) == ()
        assert rows[1].mid == message_id(2)
        assert (rows[1].item, rows[1].frame, rows[1].boot) == (b"item 2", b"frame 2", b"")
        assert (await vault.owed(C1, M3, after=0, limit=1))[0].mid is None


@pytest.mark.trio
async def test_an_ack_drops_what_it_names_and_nothing_else(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit([an_owed(seq) for seq in range(8)])
        await vault.commit([an_owed(seq, member=3) for seq in range(3)])
        drop = DropOwed(C1, M2, through=2, beyond=(4, 6, 99))
        for _again in range(2):
            await vault.commit((drop, DropOwed(C2, M2, through=9, beyond=(1,))))
            rows = await vault.owed(C1, M2, after=-1, limit=10)
            assert [row.seq for row in rows] == [3, 5, 7]
            assert len(await vault.owed(C1, M3, after=-1, limit=10)) == 3


@pytest.mark.trio
async def test_a_frame_sealed_again_replaces_the_first_and_lies_at_no_relay(
    open_vault: OpenVault,
) -> None:
    async with open_vault() as vault:
        await vault.commit((an_owed(1), an_owed(2), MarkAtRelay(C1, M2, (1, 2, 77), b"boot")))
        await vault.commit((an_owed(1, frame=b"sealed again"), MarkAtRelay(C1, M3, (1,), b"x")))
        first, second = await vault.owed(C1, M2, after=0, limit=9)
        assert (first.frame, first.boot) == (b"sealed again", b"")
        assert second.boot == b"boot"
        await vault.commit((MarkAtRelay(C1, M2, (2,), b""),))
        assert (await vault.owed(C1, M2, after=1, limit=1))[0].boot == b""


@pytest.mark.trio
async def test_a_frame_that_ends_with_its_message_comes_back_whole(open_vault: OpenVault) -> None:
    """Also when the message was written before, is written anew, or is another circle's."""
    commons = [bytes(range(256)) * (number + 1) for number in range(3)]
    frames = [Frame(b"\xffwrap\x00" + common) for common in commons]
    async with open_vault() as vault:
        await vault.commit(
            [
                an_entry(1, common=commons[1]),
                an_owed(1, mid=1, frame=frames[1]),
                an_owed(1, member=3, mid=1, frame=frames[1]),
                an_owed(2, mid=2, frame=frames[2]),
            ]
        )
        await vault.commit([an_entry(2, common=commons[2])])
        await vault.commit([an_owed(3, mid=2, frame=frames[2]), an_owed(4, frame=frames[1])])
        await vault.commit([an_owed(5, mid=1, frame=b"short"), an_owed(6, mid=1, frame=b"")])
        await vault.commit([an_owed(7, circle=C2, mid=1, frame=frames[1])])

        async def found(circle: CircleId = C1, member: MemberId = M2) -> list[bytes]:
            return [row.frame for row in await vault.owed(circle, member, after=-1, limit=9)]

        ours = [frames[1], frames[2], frames[2], frames[1], b"short", b""]
        assert await found() == ours
        assert await found(member=M3) == [frames[1]]
        assert await found(C2) == [frames[1]]
        await vault.commit([an_entry(1, common=commons[0]), an_owed(8, mid=1, frame=frames[0])])
        assert await found() == [*ours, frames[0]]
        await vault.commit([an_owed(1, mid=1, frame=frames[0]), DropOwed(C1, M2, through=0)])
        assert await found() == [frames[0], *ours[1:], frames[0]]
        await vault.commit([DropCircle(C1)])
        assert await found() == []
        assert await found(C2) == [frames[1]]


@pytest.mark.trio
@pytest.mark.real
async def test_what_many_are_owed_is_kept_once(tmp_path: Path) -> None:
    common = bytes(60_000)
    writes = [an_owed(1, member=member, mid=1, frame=b"wrap" + common) for member in range(2, 26)]
    async with real_vault(tmp_path / "home") as vault:
        await vault.commit([an_entry(1, common=common), *writes])
    [store] = (tmp_path / "home").glob("store*")
    assert store.stat().st_size < 4 * len(common)


@pytest.mark.trio
async def test_an_entry_comes_back_whole(open_vault: OpenVault) -> None:
    written = an_entry(
        7,
        author=M2,
        notes=("حزن", "", "a note"),
        recipients=(M1, M2, M3),
        parents=(message_id(5), message_id(6)),
        passed_on_by=M3,
        is_mine=True,
        text="نص\x00 with a zero",
    )
    async with open_vault() as vault:
        await vault.commit((an_entry(6), written))
        stored = await vault.entry(C1, message_id(7))
        assert stored is not None
        assert await vault.entry(C2, message_id(7)) is None
        (shown,) = await vault.entries(C1, after=stored.row.position - 1, limit=5)
    assert shown == stored.row
    for name in ("key", "common", "recipients", "parents"):
        assert getattr(stored, name) == getattr(written, name)
    for name in ("mid", "author", "author_seq", "kind", "text", "sent_at", "received_at"):
        assert getattr(shown, name) == getattr(written, name)
    assert shown.is_mine is True
    assert shown.notes == written.notes
    assert shown.passed_on_by == M3


@pytest.mark.trio
async def test_entries_are_paged_from_both_ends(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        for number in range(10):
            await vault.commit(
                (an_entry(number), an_entry(100 + number, circle=C2, mid=message_id(100 + number)))
            )

        async def texts(**page: Any) -> list[str]:
            return [row.text for row in await vault.entries(C1, **page)]

        rows = await vault.entries(C1, limit=100)
        places = [row.position for row in rows]
        assert places == sorted(set(places))
        assert [row.text for row in rows] == [f"message {number}" for number in range(10)]
        assert await texts(limit=2) == ["message 0", "message 1"]
        assert await texts(limit=2, newest=True) == ["message 8", "message 9"]
        assert await texts(limit=2, after=places[4]) == ["message 5", "message 6"]
        assert await texts(limit=2, before=places[4], newest=True) == ["message 2", "message 3"]
        assert await texts(limit=9, after=places[2], before=places[4]) == ["message 3"]
        assert await texts(limit=0) == []
        assert await texts(limit=0, newest=True) == []


@pytest.mark.trio
async def test_the_same_entry_again_changes_nothing(open_vault: OpenVault) -> None:
    entry = an_entry(1, text="السلام عليكم", recipients=(M2,), is_mine=True)
    async with open_vault() as vault:
        await vault.commit((entry, an_entry(2)))
        before = (await vault.entries(C1, limit=9), await vault.entry(C1, entry.mid))
        await vault.commit((entry, entry))
        assert (await vault.entries(C1, limit=9), await vault.entry(C1, entry.mid)) == before
        assert len(await vault.search(C1, "سلام", limit=9)) == 1


@pytest.mark.trio
async def test_a_changed_entry_keeps_its_place_and_is_found_by_its_new_words_only(
    open_vault: OpenVault,
) -> None:
    async with open_vault() as vault:
        await vault.commit((an_entry(1, text="قبل", passed_on_by=M3), an_entry(2)))
        await vault.commit((an_entry(1, text="بعد"),))
        first, _second = await vault.entries(C1, limit=9)
        assert (first.text, first.passed_on_by) == ("بعد", None)
        assert await vault.search(C1, "قبل", limit=9) == ()
        assert await vault.search(C1, "بعد", limit=9) == (first,)
        await vault.commit((an_entry(1, text=""),))
        assert await vault.search(C1, "بعد", limit=9) == ()


@pytest.mark.trio
async def test_two_stories_of_one_author_are_both_told(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit(
            (
                an_entry(1, author=M2, author_seq=2),
                an_entry(2, author=M2, author_seq=1),
                an_entry(3, author=M2, author_seq=2),
                an_entry(4, author=M3, author_seq=1),
            )
        )
        m1, m2, m3 = message_id(1), message_id(2), message_id(3)
        assert await vault.ids_by_author(C1, M2, Audience.CIRCLE, after=0, limit=9) == (
            (1, m2),
            (2, m1),
            (2, m3),
        )
        assert await vault.ids_by_author(C1, M2, Audience.CIRCLE, after=1, limit=1) == ((2, m1),)


@pytest.mark.trio
async def test_acts_have_the_time_at_which_they_came_for_the_first_time(
    open_vault: OpenVault,
) -> None:
    async with open_vault() as vault:
        removal, addition = bytes([1]) * 32, bytes([2]) * 32
        await vault.commit(
            (
                an_entry(1, author=M2, kind="remove", text=removal.hex()),
                an_entry(2, author=M2, author_seq=2, kind="joined", text=addition.hex()),
                an_entry(3, author=M3, author_seq=1, kind="remove", text=removal.hex()),
                an_entry(4, author=M3, author_seq=2, kind="second", text=bytes(32).hex()),
                an_entry(5, author=M3, author_seq=3, text="words"),
            )
        )
        assert await vault.operation_times(C1) == {
            removal: 1_700_000_002,
            addition: 1_700_000_003,
        }
        assert await vault.operation_times(C2) == {}


@pytest.mark.trio
async def test_deliveries_say_for_each_recipient_where_a_message_is(
    open_vault: OpenVault,
) -> None:
    m4 = member_id(4)
    ours = an_entry(1, is_mine=True, recipients=(M1, M2, M3, m4))
    async with open_vault() as vault:
        await vault.commit(
            (
                ours,
                *(an_owed(1, member=number, mid=1) for number in (1, 2, 3, 4)),
                an_owed(2, member=2),
                MarkAtRelay(C1, M2, (1,), b"boot"),
                DropOwed(C1, M3, 1, ()),
                GiveUpOwed(C1, m4),
                an_entry(2),
            )
        )
        rows = await vault.deliveries(C1, ours.mid, limit=1)
        assert [(row.member, row.state) for row in rows] == [
            (M1, "sealed"),
            (M2, "at_relay"),
            (M3, "delivered"),
            (m4, "undelivered"),
        ]
        assert await vault.deliveries(C1, message_id(2), limit=1) == ()
        assert await vault.deliveries(C2, ours.mid, limit=1) == ()
        assert await vault.owed(C1, m4, after=-1, limit=9) == ()


@pytest.mark.trio
async def test_what_was_given_up_can_be_owed_again(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit(
            (
                an_entry(1, is_mine=True, recipients=(M2,)),
                an_owed(1, mid=1),
                GiveUpOwed(C1, M2),
                GiveUpOwed(C1, M2),
                an_owed(9, mid=1),
            )
        )
        (row,) = await vault.deliveries(C1, None, limit=9)
        assert row.state == "sealed"
        await vault.commit((DropOwed(C1, M2, 9),))
        (row,) = await vault.deliveries(C1, None, limit=9)
        assert row.state == "delivered"


@pytest.mark.trio
async def test_what_was_unsaid_can_be_owed_again(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit(
            (
                an_entry(1, is_mine=True, recipients=(M2,)),
                an_owed(1, mid=1, item=bytes(9)),
                UnsayOwed(C1, message_id(1), bytes(8)),
                an_owed(2, mid=1),
            )
        )
        await vault.commit((DropOwed(C1, M2, 9),))
        (row,) = await vault.deliveries(C1, None, limit=9)
        assert row.state == "delivered"


@pytest.mark.trio
async def test_deliveries_of_the_newest_messages_come_oldest_first(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit(
            [an_entry(n, is_mine=n % 2 == 1, recipients=(M2, M3)) for n in range(10)]
        )
        rows = await vault.deliveries(C1, None, limit=2)
        assert [(row.mid, row.member) for row in rows] == [
            (message_id(7), M2),
            (message_id(7), M3),
            (message_id(9), M2),
            (message_id(9), M3),
        ]


@pytest.mark.trio
async def test_search_finds_the_newest_first_in_one_circle_or_all(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit(
            (
                an_entry(1, text="السَّلامُ عَلَيكُم"),
                an_entry(2, text="سلامي لكم", circle=C2),
                an_entry(3, text="والسلام ختام"),
                an_entry(4, text="something else"),
            )
        )

        async def found(query: str, *, everywhere: bool = False, limit: int = 9) -> list[int]:
            rows = await vault.search(None if everywhere else C1, query, limit=limit)
            return [row.author_seq for row in rows]

        assert await found("السلام") == [3, 1]
        assert await found("سلام", everywhere=True) == [3, 2, 1]
        assert await found("سلام", everywhere=True, limit=1) == [3]
        assert await found("سلام ختام") == [3]
        assert await found("ELSE some") == [4]
        assert await found("سلام else") == []
        assert await found('"; OR * NEAR(') == []
        assert await found("😀") == []
        assert await vault.search(circle_id(3), "سلام", limit=9) == ()


@pytest.mark.trio
async def test_a_dropped_circle_leaves_nothing_and_takes_nothing_else(
    open_vault: OpenVault,
) -> None:
    def everything(circle: Any, first: int) -> list[Write]:
        return [
            PutCircle(circle, b"cold"),
            PutLog(circle, b"log"),
            PutPair(circle, M1, b"pair"),
            PutHeld(circle, message_id(first + 1), b"held"),
            an_entry(first, circle=circle, text="كلمة", is_mine=True, recipients=(M1, M2)),
            an_owed(1, circle=circle, member=1, mid=first),
            an_owed(2, circle=circle, member=2, mid=first),
            GiveUpOwed(circle, M2),
        ]

    async with open_vault() as vault:
        await vault.commit(everything(C1, 10) + everything(C2, 20))
        (kept,) = await vault.entries(C2, limit=9)
        await vault.commit((DropCircle(C1), DropCircle(C1), DropCircle(circle_id(9))))
        assert [one.circle for one in (await vault.load()).circles] == [C2]
        assert await vault.entries(C1, limit=9) == ()
        assert await vault.owed(C1, M1, after=-1, limit=9) == ()
        assert await vault.search(None, "كلمة", limit=9) == (kept,)
        assert len(await vault.deliveries(C2, None, limit=9)) == 2
        assert await vault.owed(C2, M1, after=-1, limit=9) != ()

        await vault.commit(everything(C1, 10))
        assert [row.state for row in await vault.deliveries(C1, None, limit=9)] == [
            "sealed",
            "undelivered",
        ]


@pytest.mark.trio
async def test_a_position_is_never_used_twice(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit([an_entry(1)])
        (first,) = await vault.entries(C1, limit=9)
        await vault.commit([DropCircle(C1)])
        await vault.commit([an_entry(2)])
        (second,) = await vault.entries(C1, limit=9)
        assert second.position > first.position


@pytest.mark.trio
async def test_one_message_id_in_two_circles_is_two_messages(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        for circle in (C1, C2):
            await vault.commit([an_entry(1, circle=circle, is_mine=True, recipients=(M2,))])
        await vault.commit([an_owed(1, mid=1)])
        states = [(await vault.deliveries(circle, None, limit=9))[0].state for circle in (C1, C2)]
        assert states == ["sealed", "delivered"]


@pytest.mark.trio
async def test_a_closed_vault_says_so(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.aclose()
        await vault.aclose()
        with pytest.raises(VaultClosed):
            await vault.load()
        with pytest.raises(VaultClosed):
            await vault.commit((PutCircle(C1, b""),))


@pytest.mark.trio
async def test_a_commit_is_whole_in_a_cancelled_scope(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        with trio.CancelScope() as scope:
            scope.cancel()
            await vault.commit((PutCircle(C1, b"x"),))
        assert len((await vault.load()).circles) == 1


@pytest.mark.real
@given(st.lists(st.lists(some_write, max_size=12), max_size=5))
@settings(max_examples=40)
def test_the_vault_in_memory_and_the_real_one_answer_alike(groups: list[list[Write]]) -> None:
    async def compare(home: Path) -> None:
        memory = MemoryVault()
        async with real_vault(home) as real:
            for group in groups:
                await memory.commit(group)
                await real.commit(group)
                assert await everything(real) == await everything(memory)
        async with real_vault(home) as real:
            assert await everything(real) == await everything(memory)

    with TemporaryDirectory() as folder:
        trio.run(compare, Path(folder) / "home")
