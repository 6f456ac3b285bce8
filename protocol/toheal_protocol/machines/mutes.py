"""Mutes: who may not write to the circle just now, and until when.

The merge reads no clock: a mute is over with a signed act. When to sign it is asked of a clock,
on the device of the one it is about: at the time the mute names, and never later than a day after
this device took it. So neither a wrong clock nor a facilitator who is away keeps anybody silent.

Spec: docs/protocol/membership.md, section 4.2; docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.ledgers import membership_of
from toheal_protocol.machines.state import Cold
from toheal_protocol.membership import Membership, Silence
from toheal_protocol.model import MemberId, OperationId, WallTime

MUTE_LONGEST: Final = 24 * 3600
"""Seconds of one mute; renewed once it is twice as long, counted from the first."""

MUTES_IN_A_ROW: Final = 2
"""A mute and its renewal."""


def open_mutes(now: Membership, member: MemberId) -> tuple[Silence, ...]:
    """Return the mutes of somebody that stand and are not over."""
    silences = now.silences.get(member, ())
    return tuple(one for one in silences if one.until is not None and not one.is_over)


def muted_until(cold: Cold, member: MemberId) -> WallTime | None:
    """Return when a member's mute should be over, as this device knows; None: there is none.

    It may be over by the clock already: then its end is still to be signed.
    """
    if not cold.mutes:
        return None
    mutes = open_mutes(membership_of(cold.id, cold.operations), member)
    taken = [since for one in mutes if (since := cold.mutes.get(one.act)) is not None]
    if not mutes or not taken:
        return None
    ends = (min(one.until or 0, cold.mutes.get(one.act, 0) + MUTE_LONGEST) for one in mutes)
    return WallTime(min(max(ends), min(taken) + MUTES_IN_A_ROW * MUTE_LONGEST))


def note_mutes(draft: Draft, now: Membership) -> None:
    """Note when each mute was taken that stands now, and forget those that are over."""
    there: set[OperationId] = {one.act for who in now.silences for one in open_mutes(now, who)}
    if there != set(draft.cold.mutes):
        mutes = {act: draft.cold.mutes.get(act, draft.wall_now) for act in sorted(there)}
        draft.set_cold(mutes=mutes)
