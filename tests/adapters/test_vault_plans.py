"""What a message costs the store does not grow with what was said before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.support.vaults import an_entry, an_owed, member_id, real_vault
from toheal_protocol.machines.records import DropOwed, Write


def written() -> list[list[Write]]:
    """Return what is written when somebody says something, changes it, and takes it back."""
    said = an_entry(1, is_mine=True)
    edit = an_entry(2, is_mine=True, kind="edit", reply=said.mid)
    back = an_entry(3, is_mine=True, kind="retraction", reply=said.mid)
    owed = an_owed(1)
    acked = DropOwed(owed.circle, owed.member, owed.seq, ())
    return [[said, owed], [an_entry(4, author=member_id(2))], [edit], [acked], [back]]


@pytest.mark.trio
async def test_no_statement_of_a_write_goes_through_all_messages(tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    def trace(_cursor: Any, statement: str, bindings: Any) -> bool:
        asked[statement] = bindings
        return True

    def watch(db: apsw.Connection) -> None:
        db.exec_trace = trace

    def plans(db: apsw.Connection) -> list[str]:
        db.exec_trace = None
        found = []
        for one, bindings in asked.items():
            if one.split()[0] in ("SELECT", "UPDATE", "DELETE"):
                steps = db.execute(f"EXPLAIN QUERY PLAN {one}", bindings).fetchall()
                found += [f"{step[3]} <- {one}" for step in steps]
        return found

    async with real_vault(tmp_path / "home") as vault:
        await vault._store.run(watch)
        for writes in written():
            await vault.commit(writes)
        found = await vault._store.run(plans)
    assert any("entries_about" in plan for plan in found)
    assert any("owed" in plan for plan in found)
    for plan in found:
        assert not plan.startswith(("SCAN entries", "SCAN envelopes", "SCAN owed", "SCAN words"))
        assert "entries_by_author" not in plan.split(" <- ")[0]
