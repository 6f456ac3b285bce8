"""Disappearing in every vault: everything of a message goes at once, and it does not come back."""

from __future__ import annotations

import pytest

from tests.adapters.test_vault_contract import C1, M1, M2, OpenVault, open_vault
from tests.support.vaults import an_entry, an_owed, message_id
from toheal_p2p.ports.vault import Vault
from toheal_protocol.machines.lifetime import HARD_END, Ages
from toheal_protocol.machines.records import DropOwed, MarkShown, PutAges
from toheal_protocol.model import WallTime

__all__ = ["open_vault"]

pytestmark = pytest.mark.trio

MID = message_id(1)
WEEK = 7 * 24 * 3600
RECEIVED = an_entry(1, text="passing words", ttl=WEEK)


def at(seen: int, unseen: int | None = None) -> PutAges:
    return PutAges(Ages(seen, seen if unseen is None else unseen, WallTime(1_800_000_000 + seen)))


async def is_there(vault: Vault) -> bool:
    """Say whether anything shows it; a message is there as a whole or not at all."""
    shows = {
        bool(await vault.entries(C1, limit=9)),
        bool(await vault.rows(C1, [MID])),
        await vault.entry(C1, MID) is not None,
        bool(await vault.search(C1, "passing", limit=9)),
    }
    assert len(shows) == 1
    return shows.pop()


async def test_the_time_runs_from_the_first_showing(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit((at(100), RECEIVED, at(100 + WEEK)))
        assert await is_there(vault)
        assert not (await vault.rows(C1, [MID]))[MID].is_shown
        await vault.commit((MarkShown(C1, (MID, message_id(2))),))
        assert (await vault.rows(C1, [MID]))[MID].is_shown
        await vault.commit((at(100 + 2 * WEEK - 1), MarkShown(C1, (MID,))))
        assert await is_there(vault)
        await vault.commit((at(100 + 2 * WEEK),))
        assert not await is_there(vault)


async def test_what_is_left_is_told_from_the_first_showing_on(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        kept = an_entry(2, text="kept words", ttl=0)
        await vault.commit((at(100), RECEIVED, kept, at(100 + WEEK)))

        async def told() -> list[tuple[int, int | None]]:
            return [(row.stays, row.left) for row in await vault.entries(C1, limit=9)]

        assert await told() == [(WEEK, None), (0, None)]
        await vault.commit((MarkShown(C1, (MID, message_id(2))),))
        assert await told() == [(WEEK, WEEK), (0, None)]
        await vault.commit((at(100 + 2 * WEEK - 60),))
        assert await told() == [(WEEK, 60), (0, None)]


async def test_what_nobody_opened_goes_at_the_hard_end(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit((at(0, 7), RECEIVED, at(100 * WEEK, 7 + HARD_END - 1)))
        assert await is_there(vault)
        await vault.commit((at(100 * WEEK, 7 + HARD_END),))
        assert not await is_there(vault)


async def test_a_message_is_dated_by_the_time_that_has_passed_when_it_comes(
    open_vault: OpenVault,
) -> None:
    async with open_vault() as vault:
        mine = an_entry(1, text="passing words", ttl=WEEK, is_mine=True)
        await vault.commit((an_entry(2, text="before"), at(WEEK)))
        await vault.commit((mine, at(2 * WEEK - 1)))
        assert await is_there(vault)
        await vault.commit((at(2 * WEEK),))
        assert not await vault.rows(C1, [MID])


async def test_what_never_disappears_stays(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        kept = an_entry(1, text="passing words", ttl=0)
        await vault.commit((kept, MarkShown(C1, (MID,)), at(100 * HARD_END)))
        assert await is_there(vault)


async def test_what_has_disappeared_does_not_come_again(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit((RECEIVED, MarkShown(C1, (MID,)), at(WEEK), RECEIVED))
        assert not await is_there(vault)


async def test_what_is_owed_is_delivered_and_shown_no_more(open_vault: OpenVault) -> None:
    mine = an_entry(1, author=M1, text="passing words", ttl=WEEK, is_mine=True, recipients=(M2,))
    async with open_vault() as vault:
        owed = an_owed(1, mid=1, frame=b"wrap" + mine.common)
        await vault.commit((mine, owed, at(WEEK)))
        assert not await is_there(vault)
        [row] = await vault.owed(C1, M2, after=0, limit=9)
        assert row.frame == owed.frame
        [delivery] = await vault.deliveries(C1, MID, limit=9)
        assert delivery.state == "sealed"
        await vault.commit((mine,))
        assert not await is_there(vault)
        await vault.commit((DropOwed(C1, M2, 1),))
        assert await vault.deliveries(C1, MID, limit=9) == ()
        await vault.commit((mine,))
        assert not await is_there(vault)


async def test_an_edit_that_went_before_its_message_does_not_bring_the_first_words_back(
    open_vault: OpenVault,
) -> None:
    edit = an_entry(2, kind="edit", text="other words", reply=MID, ttl=WEEK)
    kept = an_entry(1, text="passing words", ttl=4 * WEEK)
    async with open_vault() as vault:
        await vault.commit((kept, edit, MarkShown(C1, (MID, message_id(2))), at(WEEK)))
        assert [row.mid for row in await vault.entries(C1, limit=9)] == [MID]
        await vault.commit((kept,))
        assert [row.text for row in await vault.entries(C1, limit=9)] == ["other words"]


async def test_a_retraction_stays_until_what_it_takes_back_has_come(open_vault: OpenVault) -> None:
    back = an_entry(2, kind="retraction", text="", reply=MID, ttl=WEEK)
    async with open_vault() as vault:
        await vault.commit((back, MarkShown(C1, (message_id(2),)), at(WEEK)))
        await vault.commit((RECEIVED,))
        assert [row.kind for row in await vault.entries(C1, limit=9)] == ["retraction", "retracted"]
        await vault.commit((MarkShown(C1, (MID,)), at(2 * WEEK)))
        assert await vault.entries(C1, limit=9) == ()


async def test_the_counts_are_read_at_the_start(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit((at(5, 3),))
        assert (await vault.load()).ages == at(5, 3).ages
