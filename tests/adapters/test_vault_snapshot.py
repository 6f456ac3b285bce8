"""One moment of a vault, written into another one: the same in every answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from tests.adapters.test_vault_contract import C1, M1, M2, OpenVault, open_vault
from tests.support.vaults import MemoryVault, an_entry, an_owed, message_id, real_vault
from toheal_p2p.ports.vault import Vault
from toheal_protocol.machines.lifetime import HARD_END, Ages
from toheal_protocol.machines.records import (
    GiveUpOwed,
    MarkShown,
    PutAges,
    PutAttachment,
    PutCircle,
    PutHeld,
    PutLog,
    PutPair,
    PutSetting,
    Write,
)
from toheal_protocol.messages.file_chunks import FileKey
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.messages.frames import Envelope, encode_frame
from toheal_protocol.model import MessageId, WallTime

__all__ = ["open_vault"]

pytestmark = pytest.mark.trio

COMMON = b"common part" * 20
TTL = 1000


def _owed(seq: int, member: int, mid: int) -> Write:
    frame = encode_frame(Envelope(b"wrap", COMMON))
    return an_owed(seq, member=member, mid=mid, frame=frame)


HISTORY: tuple[Write, ...] = (
    PutSetting("nickname", b"Nawras"),
    PutCircle(C1, b"cold"),
    PutLog(C1, b"log"),
    PutPair(C1, M2, b"pair"),
    PutHeld(C1, message_id(50), b"held"),
    PutAges(Ages(10, 10, WallTime(100))),
    an_entry(1, text="first words", ttl=TTL),
    an_entry(2, kind="edit", text="second words", reply=message_id(1), ttl=TTL),
    an_entry(3, text="to be taken back", is_mine=True, recipients=(M2,), common=COMMON),
    an_entry(4, text="for ever", is_mine=True, recipients=(M1, M2), common=COMMON),
    _owed(1, 2, 3),
    _owed(2, 2, 4),
    _owed(1, 1, 4),
    GiveUpOwed(C1, M1),
    an_entry(5, kind="retraction", text="", reply=message_id(3), is_mine=True),
    an_entry(6, text="soon over", ttl=TTL),
    PutAttachment(C1, message_id(4), FileId(b"f" * 32), FileKey(b"k" * 32), 12, 1),
    PutAges(Ages(500, 500, WallTime(600))),
    MarkShown(C1, (message_id(6),)),
    PutAges(Ages(700, 700, WallTime(800))),
)


async def answers(vault: Vault) -> list[object]:
    stored = await vault.load()
    rows = await vault.entries(C1, limit=100)
    return [
        stored,
        [evolve(row, position=place) for place, row in enumerate(rows)],
        await vault.owed(C1, M2, after=0, limit=10),
        await vault.deliveries(C1, None, limit=10),
        [row.mid for row in await vault.search(C1, "words", limit=9)],
        await vault.attachments(C1, [message_id(4)]),
        await vault.ids_by_author(C1, M1, rows[0].audience, after=0, limit=99),
    ]


async def test_another_vault_gets_everything_and_forgets_at_the_same_time(
    open_vault: OpenVault, tmp_path: Path
) -> None:
    async with open_vault() as vault, real_vault(tmp_path / "other", seed=9) as other:
        await vault.commit(HISTORY)
        await _move(vault, other)
        assert await answers(other) == await answers(vault)
        for ages in (1499, 1500, 500 + HARD_END):  # the edit and its message were never shown
            later = PutAges(Ages(ages, ages, WallTime(ages + 100)))
            for one in (vault, other):
                await one.commit([later])
            assert await answers(other) == await answers(vault)
        assert message_id(6) not in await vault.rows(C1, [message_id(6)])


async def test_what_has_disappeared_does_not_come_back_with_a_repeat(
    open_vault: OpenVault, tmp_path: Path
) -> None:
    async with open_vault() as vault, real_vault(tmp_path / "other", seed=9) as other:
        await vault.commit(HISTORY)
        await vault.commit([PutAges(Ages(5000, 5000, WallTime(6000)))])
        await _move(vault, other)
        await other.commit([an_entry(6, text="soon over", ttl=TTL)])
        assert await other.rows(C1, [message_id(6)]) == {}


@pytest.mark.real
async def test_a_snapshot_is_of_one_moment_and_leaves_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with real_vault(home) as vault:
        await vault.commit(HISTORY)
        async with vault.snapshot() as snapshot:
            await vault.commit([an_entry(90, text="said meanwhile")])
            mids: list[MessageId] = []
            async for some in snapshot.records():
                mids += [one.entry.mid for one in some if hasattr(one, "entry")]
            assert message_id(90) not in mids and message_id(1) in mids
            [copy] = home.glob("store.copy")
            assert copy.stat().st_mode & 0o777 == 0o600
            assert b"SQLite format" not in copy.read_bytes() and b"words" not in copy.read_bytes()
        assert not list(home.glob("store.copy*"))
        (home / "store.copy").write_bytes(b"left by a crash")
    async with real_vault(home):
        assert not list(home.glob("store.copy*"))


async def _move(vault: MemoryVault | Vault, other: Vault) -> None:
    async with vault.snapshot() as snapshot:
        assert await snapshot.count() == len(await vault.entries(C1, limit=100))
        async for some in snapshot.records():
            await other.commit(some)
