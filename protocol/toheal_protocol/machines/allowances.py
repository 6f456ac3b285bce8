"""Allowances: how much one member may write into the vaults of the others.

The limit is one that nobody meets who writes with their hands. What is beyond it is not lost: it is
not acknowledged, so it stays with who sent it and is taken later. Counted by the clock that nobody
sets, in memory: a restart forgets it.

Spec: docs/protocol/circle.md, section 7.5.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.envelope import Content
from toheal_protocol.errors import TooFarAhead
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.state import Live
from toheal_protocol.machines.streams import Taken
from toheal_protocol.messages.bodies import ContentKind
from toheal_protocol.model import Instant, MemberId

WORDS_A_DAY: Final = 64 << 20
"""Bytes of sealed messages taken from one member in a day: a book of thirty million letters."""

DAY: Final = 24 * 3600.0


def is_spent(live: Live, member: MemberId, *, now: Instant) -> bool:
    """Say whether no more words are taken from somebody (or written by us) today."""
    return _is_spent(live.taken.get(member), now)


def count_words(
    draft: Draft, author: MemberId, content: Content, size: int, *, passer: MemberId | None
) -> None:
    """Count a message that came, for who brought it; operations have bounds of their own.

    What is passed on is counted apart: else whoever writes too much would use up the allowance of
    those who pass it on, and whoever makes words up that of the one whose name they bear.

    Raises:
        TooFarAhead: too much came within a day; it has to come again.
    """
    if content.type == ContentKind.OPERATION:
        return
    brought = [draft.live.taken.get(author)]
    if passer is not None:
        brought.append(draft.live.passed.get(passer))
    if any(_is_spent(taken, draft.now) for taken in brought):
        raise TooFarAhead("more words than one member may write in a day")
    if passer is None:
        add_words(draft, author, size)
    else:
        passed = _with(draft.live.passed.get(passer), size, draft.now)
        draft.set_live(passed={**draft.live.passed, passer: passed})


def add_words(draft: Draft, member: MemberId, size: int) -> None:
    """Count a message, whether it is too much or not: of ours the application asked before."""
    taken = _with(draft.live.taken.get(member), size, draft.now)
    draft.set_live(taken={**draft.live.taken, member: taken})


def _is_spent(taken: Taken | None, now: Instant) -> bool:
    return taken is not None and taken.size >= WORDS_A_DAY and now < taken.since + DAY


def _with(taken: Taken | None, size: int, now: Instant) -> Taken:
    if taken is None or now >= taken.since + DAY:
        return Taken(now, size)
    return Taken(taken.since, taken.size + size)
