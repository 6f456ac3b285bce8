"""An older vault lies where the newer one was: the application begins every session anew."""

from __future__ import annotations

import copy

import pytest
import trio
from attrs import fields

from tests.support.applications import a_village, circle_of_two, eventually
from tests.support.vaults import MemoryVault
from toheal_p2p.app.application import Application

pytestmark = pytest.mark.trio


def as_it_is(vault: MemoryVault) -> MemoryVault:
    """A copy of everything a vault holds now."""
    older = MemoryVault()
    for name in vars_of(vault):
        setattr(older, name, copy.deepcopy(getattr(vault, name)))
    return older


def vars_of(vault: MemoryVault) -> list[str]:
    """Name everything a vault holds."""
    states = ("_is_closed", "_is_broken")
    return [one.name for one in fields(type(vault)) if not one.init and one.name not in states]


async def say(app: Application, circle: str, text: str) -> None:
    await app.say(circle, text, notes=(), to_facilitators=False)


async def reads(app: Application, circle: str, text: str) -> None:
    async def is_there() -> bool:
        return [entry.text for entry in await app.read(circle, limit=1000)].count(text) == 1

    await eventually(is_there, within=300)


@pytest.mark.parametrize("direct", [True, False])
async def test_after_an_older_vault_was_put_back_both_talk_on(
    autojump_clock: object, *, direct: bool
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village, direct=direct)
        await say(ours, circle, "before")
        await reads(theirs, circle, "before")
        await trio.sleep(5)
        older = as_it_is(village.vaults["نورس"])
        for number in range(3):
            await say(ours, circle, f"lost here {number}")
            await say(theirs, circle, f"lost there {number}")
            await trio.sleep(5)
        await reads(theirs, circle, "lost here 2")
        village.stop("نورس")
        await trio.sleep(1)
        older.was_put_back = True
        village.vaults["نورس"] = older
        ours = await village.start("نورس")
        assert not older.was_put_back, "its consequences are drawn and committed"
        await trio.sleep(30)
        await say(ours, circle, "back again")
        await reads(theirs, circle, "back again")
        await say(theirs, circle, "good to hear")
        await reads(ours, circle, "good to hear")
        checks = await theirs.doctor()
        assert "fork_seen" not in [check.code for check in checks]
