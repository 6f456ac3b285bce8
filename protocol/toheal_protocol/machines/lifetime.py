"""Lifetimes: how long what was said stays on a device, by two counts of time that passed.

No clock is believed for long. Both counts go on with the wall clock, look by look; they differ in
what they make of a long step, which may be a device that was off or a clock that is wrong.

| count | for | a long step |
|---|---|---|
| seen | what a person was shown: it may go | counts, at most `HARD_END` |
| unseen | what nobody was shown yet: it must not go by mistake | counts for nothing |

A clock that goes back stops both.

Spec: docs/protocol/circle.md, section 7.4.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from toheal_protocol.model import WallTime

DAY: Final = 24 * 3600

DEFAULT_TTL: Final = 7 * DAY
"""Seconds a message stays after it was shown, unless its author chose otherwise."""

HARD_END: Final = 30 * DAY
"""Seconds after its acceptance when a message that is to disappear does, shown or not."""

LONGEST_SURE: Final = 7 * DAY
"""Seconds between two looks at the clock up to which a step is taken for time that passed."""


@frozen
class Ages:
    """The two counts in seconds, and what the wall clock said when they were made; 0: never."""

    seen: int = 0
    unseen: int = 0
    wall: WallTime = WallTime(0)


def pass_time(ages: Ages, wall_now: WallTime) -> Ages:
    """Let both counts go on to now."""
    step = max(0, wall_now - ages.wall) if ages.wall else 0
    return Ages(
        seen=ages.seen + min(step, HARD_END),
        unseen=ages.unseen + (step if step <= LONGEST_SURE else 0),
        wall=wall_now,
    )


def is_over(ages: Ages, *, ttl: int, came: int, shown: int | None) -> bool:
    """Say whether a message is to be forgotten.

    Args:
        ttl: seconds after it was shown; 0: never.
        came: the unseen count when it was accepted.
        shown: the seen count when it was shown first; None: it was not.
    """
    is_read_long_ago = shown is not None and ages.seen - shown >= ttl
    return ttl > 0 and (is_read_long_ago or ages.unseen - came >= HARD_END)
