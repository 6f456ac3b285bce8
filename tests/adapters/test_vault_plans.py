"""What a message costs the store does not grow with what was said before, and no question goes through it all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.support.vaults import an_entry, an_owed, circle_id, member_id, message_id, real_vault
from toheal_p2p.adapters.vault import SqliteVault
from toheal_protocol.machines.lifetime import Ages
from toheal_protocol.machines.records import ConfirmEntries, DropOwed, MarkShown, PutAges, Write
from toheal_protocol.messages.asking import Range
from toheal_protocol.model import Audience, WallTime

LARGE = ("entries", "envelopes", "owed", "author", "passer", "chunks")
"""Tables, and names of them, that no statement goes through."""


SORTED = ("entries_about", "INDEXED BY entries_by_author")
"""Statements that may sort: what is said about one message, and places of a range, by their index alone."""


def written() -> list[list[Write]]:
    """Return what is written when somebody says something, changes it, and takes it back."""
    said = an_entry(1, is_mine=True)
    edit = an_entry(2, is_mine=True, kind="edit", reply=said.mid)
    back = an_entry(3, is_mine=True, kind="retraction", reply=said.mid)
    theirs = an_entry(4, author=member_id(2), passed_on_by=member_id(3), ttl=9)
    owed = an_owed(1)
    acked = DropOwed(owed.circle, owed.member, owed.seq, ())
    aged = PutAges(Ages(10, 10, WallTime(10)))
    return [
        [said, owed],
        [theirs, MarkShown(theirs.circle, (theirs.mid,)), aged],
        [theirs, ConfirmEntries(theirs.circle, theirs.mid)],
        [edit],
        [acked],
        [back],
    ]


@asynccontextmanager
async def watched(
    tmp_path: Path, plans: list[str]
) -> AsyncIterator[tuple[SqliteVault, Callable[[], None]]]:
    """Open a vault, and gather how SQLite goes about each statement until the end."""
    asked: dict[str, Any] = {}

    def trace(_cursor: Any, statement: str, bindings: Any) -> bool:
        asked[statement] = bindings
        return True

    def watch(db: apsw.Connection) -> None:
        db.exec_trace = trace

    def explain(db: apsw.Connection) -> None:
        db.exec_trace = None
        for one, bindings in asked.items():
            if one.split()[0] in ("SELECT", "UPDATE", "DELETE", "WITH"):
                steps = db.execute(f"EXPLAIN QUERY PLAN {one}", bindings).fetchall()
                plans.extend(f"{step[3]} <- {one}" for step in steps)

    async with real_vault(tmp_path / "home") as vault:
        assert isinstance(vault, SqliteVault)
        await vault._store.run(watch)
        yield vault, asked.clear
        await vault._store.run(explain)


def require_quick(plans: list[str]) -> None:
    """Insist that nothing goes through all of what grows."""
    for plan in plans:
        step = plan.split(" <- ")[0]
        assert not step.startswith(tuple(f"SCAN {table}" for table in LARGE)), plan
        assert "TEMP B-TREE" not in step or any(few in plan for few in SORTED), plan


@pytest.mark.trio
async def test_no_statement_of_a_write_goes_through_all_messages(tmp_path: Path) -> None:
    plans: list[str] = []
    async with watched(tmp_path, plans) as (vault, _):
        for writes in written():
            await vault.commit(writes)
    assert any("entries_about" in plan for plan in plans)
    assert any("owed" in plan for plan in plans)
    assert any("INDEX entries_shown (<expr><?)" in plan for plan in plans)
    assert any("INDEX entries_unseen (came<?)" in plan for plan in plans)
    require_quick(plans)
    for plan in plans:
        assert not plan.startswith("SCAN words")
        assert "entries_by_author" not in plan.split(" <- ")[0]


@pytest.mark.trio
async def test_no_question_goes_through_all_messages(tmp_path: Path) -> None:
    plans: list[str] = []
    circle, ours, theirs = circle_id(1), message_id(1), member_id(1)
    async with watched(tmp_path, plans) as (vault, forget):
        for writes in written():
            await vault.commit(writes)
        forget()
        one = Range(theirs, Audience.CIRCLE, 1, 9)
        await vault.entries(circle, limit=50, newest=True)
        await vault.entries(circle, after=7, before=99, limit=50)
        await vault.rows(circle, [ours, message_id(2)])
        await vault.entry(circle, ours)
        await vault.ids_by_author(circle, theirs, Audience.CIRCLE, after=0, limit=9)
        await vault.asked_entries(circle, [one], [ours], after=0, limit=9, most=9_000)
        await vault.stories(circle, theirs, Audience.CIRCLE, 4)
        await vault.operation_times(circle)
        await vault.deliveries(circle, None, limit=9)
        await vault.deliveries(circle, ours, limit=9)
        await vault.search(None, "message", limit=9)
        await vault.search(circle, "message words", limit=9)
        await vault.owed(circle, theirs, after=0, limit=9)
    assert any("entries_by_circle" in plan for plan in plans)
    assert any("INDEX entries_of_acts (circle=?)" in plan for plan in plans)
    assert any("VIRTUAL TABLE" in plan for plan in plans)
    assert any("COVERING INDEX entries_by_author" in plan for plan in plans)
    require_quick(plans)
