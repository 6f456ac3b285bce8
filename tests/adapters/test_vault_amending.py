"""Edits and retractions in every vault: the same outcome in whatever order things arrive."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from tests.adapters.test_vault_contract import C1, M1, M2, OpenVault, open_vault
from tests.support.vaults import an_entry, an_owed, message_id
from toheal_p2p.ports.vault import EntryRow, Vault
from toheal_protocol.machines.records import DropOwed, GiveUpOwed, PutEntry
from toheal_protocol.model import Audience

__all__ = ["open_vault"]

pytestmark = pytest.mark.trio

TARGET = message_id(1)


def said(number: int = 1, text: str = "first words", **changes: object) -> PutEntry:
    return an_entry(number, text=text, **changes)


def an_edit(number: int, text: str, **changes: object) -> PutEntry:
    return an_entry(number, kind="edit", text=text, reply=TARGET, **changes)


def a_retraction(number: int, **changes: object) -> PutEntry:
    return an_entry(number, kind="retraction", text="", reply=TARGET, **changes)


async def shown(vault: Vault) -> EntryRow:
    return (await vault.rows(C1, [TARGET]))[TARGET]


async def found(vault: Vault, word: str) -> list[bytes]:
    return [row.mid for row in await vault.search(C1, word, limit=9)]


EDITS = (said(), an_edit(2, "second words"), an_edit(3, "third words"))

TAKEN_BACK = (*EDITS, a_retraction(4))

OTHERS = (
    said(),
    an_edit(2, "somebody else", author=M2),
    a_retraction(3, author=M2),
    an_edit(4, "for fewer", audience=Audience.FACILITATORS),
    a_retraction(5, audience=Audience.FACILITATORS),
)


@pytest.mark.parametrize("order", list(permutations(range(len(EDITS)))))
async def test_the_last_edit_of_the_author_counts_in_every_order(
    open_vault: OpenVault, order: tuple[int, ...]
) -> None:
    async with open_vault() as vault:
        for place in order:
            await vault.commit((EDITS[place],))
        row = await shown(vault)
        assert (row.text, row.is_edited, row.kind) == ("third words", True, "text")
        assert await found(vault, "third") == [TARGET]
        assert await found(vault, "first") == await found(vault, "second") == []


@pytest.mark.parametrize("order", list(permutations(range(len(TAKEN_BACK)))))
async def test_what_was_taken_back_leaves_no_word_and_no_key_in_every_order(
    open_vault: OpenVault, order: tuple[int, ...]
) -> None:
    async with open_vault() as vault:
        for place in order:
            await vault.commit((TAKEN_BACK[place],))
        for place in order:  # everything comes again
            await vault.commit((TAKEN_BACK[place],))
        row = await shown(vault)
        assert (row.text, row.notes, row.kind, row.is_edited) == ("", (), "retracted", False)
        assert await found(vault, "words") == []
        for number in (1, 2, 3):
            kept = await vault.entry(C1, message_id(number))
            assert kept is not None
            assert (kept.key, kept.common, kept.row.text) == (b"", b"", "")


@pytest.mark.parametrize("seed", range(12))
async def test_nobody_else_changes_a_message_and_no_other_audience_does(
    open_vault: OpenVault, seed: int
) -> None:
    order = random.Random(seed).sample(range(len(OTHERS)), len(OTHERS))
    async with open_vault() as vault:
        for place in order:
            await vault.commit((OTHERS[place],))
        row = await shown(vault)
        assert (row.text, row.is_edited, row.kind) == ("first words", False, "text")
        assert await found(vault, "first") == [TARGET]


async def test_what_is_owed_keeps_what_it_takes_until_it_is_delivered(
    open_vault: OpenVault,
) -> None:
    mine = said(author=M1, is_mine=True, recipients=(M2,), common=b"common" * 50)
    async with open_vault() as vault:
        owed = an_owed(1, mid=1, frame=b"wrap" + mine.common)
        other = an_owed(2, member=3, mid=1, frame=b"other" + mine.common)
        await vault.commit((mine, owed, other, a_retraction(2, author=M1)))
        assert (await shown(vault)).text == ""
        [row] = await vault.owed(C1, M2, after=0, limit=9)
        assert row.frame == owed.frame
        await vault.commit((DropOwed(C1, M2, 1),))
        kept = await vault.entry(C1, TARGET)
        assert kept is not None and kept.common == mine.common
        await vault.commit((GiveUpOwed(C1, other.member),))
        kept = await vault.entry(C1, TARGET)
        assert kept is not None and (kept.key, kept.common) == (b"", b"")
        [delivery] = await vault.deliveries(C1, TARGET, limit=9)
        assert delivery.state == "delivered"


async def test_an_edit_waits_unseen_for_its_message(open_vault: OpenVault) -> None:
    async with open_vault() as vault:
        await vault.commit((an_edit(2, "early words"),))
        assert await found(vault, "early") == []
        await vault.commit((said(),))
        assert (await shown(vault)).text == "early words"
