"""What a member asks for, in every vault: all of it that can be passed on, page by page."""

from __future__ import annotations

import random

import pytest

from tests.adapters.test_vault_contract import C1, C2, M1, M2, OpenVault, open_vault
from tests.support.vaults import an_entry, message_id
from toheal_p2p.ports.vault import Vault
from toheal_protocol.messages.asking import Range
from toheal_protocol.model import Audience, CircleId, MessageId

__all__ = ["open_vault"]

pytestmark = pytest.mark.trio


async def paged(
    vault: Vault, circle: CircleId, ranges: list[Range], mids: list[MessageId], *, limit: int
) -> list[MessageId]:
    """Ask until there is no more."""
    found: list[MessageId] = []
    after, has_more = 0, True
    while has_more:
        page = await vault.asked_entries(
            circle, ranges, mids, after=after, limit=limit, most=1 << 20
        )
        assert len(page.entries) <= limit
        assert page.entries or not page.has_more
        found += [one.mid for one in page.entries]
        after, has_more = page.upto, page.has_more
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_what_cannot_be_passed_on_hides_nothing_behind_it(
    open_vault: OpenVault, limit: int
) -> None:
    everything = Range(M1, Audience.CIRCLE, 1, 99)
    async with open_vault() as vault:
        for number in range(1, 13):
            kind = "gap" if number in (1, 2, 3, 4, 9) else "text"
            await vault.commit([an_entry(number, kind=kind)])
        for number in (5, 6, 7):
            back = an_entry(100 + number, author=M1, kind="retraction", reply=message_id(number))
            await vault.commit([back])
        wanted = [message_id(number) for number in (8, 10, 11, 12)]
        assert await paged(vault, C1, [everything], [], limit=limit) == wanted


@pytest.mark.parametrize("limit", [1, 4, 50])
async def test_all_of_it_comes_once_in_the_order_of_acceptance(
    open_vault: OpenVault, limit: int
) -> None:
    chance = random.Random(limit)
    numbers = list(range(1, 31))
    chance.shuffle(numbers)
    async with open_vault() as vault:
        for number in numbers:
            await vault.commit([an_entry(number, author=(M1, M2)[number % 2])])
        await vault.commit([an_entry(99, circle=C2, author=M1, author_seq=4)])
        ranges = [Range(M1, Audience.CIRCLE, 3, 12), Range(M2, Audience.CIRCLE, 1, 7)]
        ranges.append(Range(M1, Audience.CIRCLE, 10, 20))
        mids = [message_id(number) for number in (6, 29, 77)]
        wanted = {n for n in range(3, 21) if n % 2 == 0} | {n for n in range(1, 8) if n % 2} | {29}
        found = await paged(vault, C1, ranges, mids, limit=limit)
        assert found == [message_id(number) for number in numbers if number in wanted]
