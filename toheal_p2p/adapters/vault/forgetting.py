"""Forgetting: what has been shown long enough, or lay here too long, disappears.

Spec: docs/protocol/circle.md, section 7.4; docs/vault.md, section 6.
"""

from __future__ import annotations

from typing import cast

import apsw

from toheal_p2p.adapters.vault.amending import erase
from toheal_protocol.machines.lifetime import HARD_END, Ages


def forget_what_is_over(db: apsw.Connection, ages: Ages) -> None:
    """Erase everything whose time is over.

    A retraction stays until what it takes back has come: without it, that would be shown.
    """
    over = db.execute(
        "SELECT circle, position, kind, text FROM entries WHERE position IN"
        " (SELECT position FROM entries WHERE ttl > 0 AND shown IS NOT NULL AND shown + ttl <= ?1"
        " UNION ALL SELECT position FROM entries WHERE ttl > 0 AND came <= ?2)"
        " AND kind <> 'forgotten'"
        " AND (kind <> 'retraction' OR EXISTS (SELECT 1 FROM entries AS target"
        " WHERE target.circle = entries.circle AND target.mid = entries.reply)"
        " OR EXISTS (SELECT 1 FROM forgotten"
        " WHERE forgotten.circle = entries.circle AND forgotten.mid = entries.reply))",
        (ages.seen, ages.unseen - HARD_END),
    ).fetchall()
    for circle, position, kind, text in over:
        place = cast(int, position)
        db.execute(
            "UPDATE entries SET kind = 'forgotten', reply = NULL WHERE position = ?", (place,)
        )
        erase(db, cast(int, circle), place, cast(str, text) if kind != "edit" else "")
