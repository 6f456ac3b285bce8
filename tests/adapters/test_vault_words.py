"""Searching shelf by shelf finds what one look at everything would find."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest

from tests.support.vaults import an_entry, circle_id, message_id, real_vault
from toheal_p2p.adapters.vault import SqliteVault
from toheal_p2p.adapters.vault.words import SHELF_SIZE
from toheal_protocol.machines.records import DropCircle, PutEntry
from toheal_protocol.model import CircleId

pytestmark = pytest.mark.trio

C1, C2, C3 = circle_id(1), circle_id(2), circle_id(3)


@asynccontextmanager
async def a_vault(home: Path) -> AsyncIterator[SqliteVault]:
    async with real_vault(home) as vault:
        assert isinstance(vault, SqliteVault)
        yield vault


async def go_on_at(vault: SqliteVault, position: int) -> None:
    """Let the next message have this place: places may leave gaps."""

    def leave_out(db: apsw.Connection) -> None:
        db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'entries'", (position - 1,))

    await vault._store.run(leave_out)


async def numbers(
    vault: SqliteVault, circle: CircleId | None, query: str, *, limit: int = 99
) -> list[int]:
    """Return the numbers of what is found, in its order."""
    return [row.author_seq for row in await vault.search(circle, query, limit=limit)]


async def test_every_shelf_is_searched_newest_first(tmp_path: Path) -> None:
    async with a_vault(tmp_path / "home") as vault:
        await vault.commit([an_entry(99, text="before")])
        places = [2, SHELF_SIZE - 1, SHELF_SIZE, SHELF_SIZE + 1, 5 * SHELF_SIZE]
        for number, place in enumerate(places, 1):
            await go_on_at(vault, place)
            rare = "الفجر" if number in (1, 4) else ""
            entry = an_entry(number, circle=(C1, C2)[number % 2], text=f"صباح النور {rare}")
            await vault.commit([entry])
        assert [row.position for row in await vault.search(None, "نور", limit=9)] == places[::-1]
        assert await numbers(vault, None, "صباح", limit=3) == [5, 4, 3]
        assert await numbers(vault, C1, "صباح") == [4, 2]
        assert await numbers(vault, C2, "صباح") == [5, 3, 1]
        assert await numbers(vault, None, "صباح فجر") == [4, 1]
        assert await numbers(vault, None, "فجر صباح نور") == [4, 1]
        assert await numbers(vault, C2, "الفجر صباح") == [1]
        assert await numbers(vault, None, "صباح مساء") == []
        assert await numbers(vault, C3, "صباح") == []
        many = [an_entry(1000 + number, text="صباح مساء") for number in range(80)]
        await vault.commit([*many, an_entry(2000, text="مساء الفجر")])
        assert await numbers(vault, C1, "مساء فجر") == [2000]
        assert await numbers(vault, C1, "صباح فجر") == [4]
        assert await numbers(vault, C1, "مساء صباح", limit=2) == [1079, 1078]
        await vault.commit([DropCircle(C2)])
        assert await numbers(vault, None, "نور") == [4, 2]


async def test_it_finds_what_a_look_at_every_text_finds(tmp_path: Path) -> None:
    chance = random.Random(5)
    words = ["sun", "sunny", "moon", "mist", "s", "rain", "rainbow"]
    async with a_vault(tmp_path / "home") as vault:
        said: list[PutEntry] = []
        for number in range(1, 61):
            text = " ".join(chance.sample(words, 3))
            circle = (C1, C2, C3)[chance.randrange(3)]
            said.append(an_entry(number, circle=circle, text=text))
            await go_on_at(vault, number * SHELF_SIZE // 7)
            await vault.commit([said[-1]])
        for circle in (None, C1, C2, C3):
            for query in ("sun", "s", "rain moon", "m s", "mist sunny rain", "rainbow", "none s"):
                wanted = [
                    one.author_seq
                    for one in reversed(said)
                    if circle in (None, one.circle)
                    and all(
                        any(word.startswith(asked) for word in one.text.split())
                        for asked in query.split()
                    )
                ]
                assert await numbers(vault, circle, query) == wanted
                assert await numbers(vault, circle, query, limit=4) == wanted[:4]


async def test_what_is_taken_back_leaves_its_shelf(tmp_path: Path) -> None:
    async with a_vault(tmp_path / "home") as vault:
        await vault.commit([an_entry(1, text="before")])
        await go_on_at(vault, SHELF_SIZE)
        await vault.commit([an_entry(2, text="secret words")])
        assert await numbers(vault, None, "secret") == [2]
        back = an_entry(3, kind="retraction", text="", reply=message_id(2))
        await vault.commit([back])
        assert await numbers(vault, None, "secret") == []

        def left(db: apsw.Connection) -> int:
            db.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, words, row)")
            return len(db.execute("SELECT term FROM temp.terms").fetchall())

        assert await vault._store.run(left) == 1


async def test_nobody_writes_the_name_of_a_shelf(tmp_path: Path) -> None:
    async with a_vault(tmp_path / "home") as vault:
        names = "".join(chr(0xE000 + number) for number in (0, 1, 0, 0))
        await vault.commit([an_entry(1, text="ours"), an_entry(2, circle=C2, text=names + "ours")])
        assert await numbers(vault, C1, "ours") == [1]
        assert await numbers(vault, C2, "ours") == [2]
        assert await numbers(vault, None, names + "ours") == [2, 1]
