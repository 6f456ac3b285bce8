"""What members ask us to pass on, and what there is with one number. Synchronous, as `reads`.

Spec: docs/protocol/sync.md, sections 3.2 and 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import cast

import apsw

from toheal_p2p.ports.vault import FoundEntries, FoundEntry, Story
from toheal_protocol.messages.asking import Range
from toheal_protocol.model import Audience, CircleId, MemberId, MessageId

_CIRCLE = "(SELECT number FROM circles WHERE circle = ?)"

_IS_WHOLE = (
    "kind NOT IN ('gap', 'retracted', 'forgotten') AND EXISTS (SELECT 1 FROM envelopes"
    " WHERE envelopes.position = entries.position AND key != x'')"
)
"""What was taken back or is over is passed on by nobody, also while its key is kept for somebody it is owed to."""


def asked_entries(
    db: apsw.Connection,
    circle: CircleId,
    ranges: Sequence[Range],
    mids: Sequence[MessageId],
    after: int,
    limit: int,
    most: int,
) -> FoundEntries:
    """Read the first messages of what is asked for, in the order of their acceptance."""
    places: set[int] = set()
    for one in ranges:
        places.update(_places_in(db, circle, one, after, limit + 1))
    for mid in mids:
        places.update(_places_of(db, circle, mid, after))
    found: list[FoundEntry] = []
    size, upto = 0, after
    for position in islice(sorted(places), limit):
        entry = _found(db, position)
        if found and size + len(entry.common) > most:
            break
        size += len(entry.common)
        found.append(entry)
        upto = position
    return FoundEntries(tuple(found), has_more=len(found) < len(places), upto=upto)


def stories(
    db: apsw.Connection, circle: CircleId, author: MemberId, audience: Audience, seq: int
) -> tuple[Story, ...]:
    """Read which messages there are with one number of one stream."""
    rows = db.execute(
        "SELECT mid, passer.member FROM entries"
        " LEFT JOIN peers AS passer ON passer.number = entries.passed_on_by"
        f" WHERE entries.circle = {_CIRCLE} AND kind != 'gap' AND audience = ? AND author_seq = ? AND author ="
        f" (SELECT number FROM peers WHERE circle = {_CIRCLE} AND member = ?)"
        " ORDER BY entries.position",
        (circle, int(audience), seq, circle, author),
    )
    return tuple(
        Story(
            MessageId(cast(bytes, mid)),
            None if passer is None else MemberId(cast(bytes, passer)),
        )
        for mid, passer in rows
    )


def _places_in(
    db: apsw.Connection, circle: CircleId, one: Range, after: int, limit: int
) -> list[int]:
    """Return the first places of a range. A range can hold years: only the index is gone through."""
    found: list[int] = []
    while len(found) < limit:
        rows = db.execute(
            "SELECT position FROM entries INDEXED BY entries_by_author WHERE author ="
            f" (SELECT number FROM peers WHERE circle = {_CIRCLE} AND member = ?)"
            " AND audience = ? AND author_seq BETWEEN ? AND ? AND position > ?"
            " ORDER BY position LIMIT ?",
            (circle, one.author, int(one.audience), one.first, one.last, after, limit),
        ).fetchall()
        places = [cast(int, position) for (position,) in rows]
        found += [place for place in places if _is_whole(db, place)]
        if len(places) < limit:
            break
        after = places[-1]
    return found[:limit]


def _is_whole(db: apsw.Connection, position: int) -> bool:
    row = db.execute(f"SELECT 1 FROM entries WHERE position = ? AND {_IS_WHOLE}", (position,))
    return row.fetchone() is not None


def _places_of(
    db: apsw.Connection, circle: CircleId, mid: MessageId, after: int
) -> tuple[int, ...]:
    rows = db.execute(
        f"SELECT position FROM entries WHERE circle = {_CIRCLE} AND mid = ? AND position > ? AND {_IS_WHOLE}",
        (circle, mid, after),
    )
    return tuple(cast(int, position) for (position,) in rows)


def _found(db: apsw.Connection, position: int) -> FoundEntry:
    author, key, common, mid, passer = db.execute(
        "SELECT author.member, key, common, mid, passer.member FROM entries"
        " JOIN envelopes USING (position) JOIN peers AS author ON author.number = entries.author"
        " LEFT JOIN peers AS passer ON passer.number = passed_on_by WHERE position = ?",
        (position,),
    ).get
    return FoundEntry(
        author=MemberId(cast(bytes, author)),
        mid=MessageId(cast(bytes, mid)),
        key=cast(bytes, key),
        common=cast(bytes, common),
        passed_on_by=None if passer is None else MemberId(cast(bytes, passer)),
    )
