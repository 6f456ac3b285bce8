"""How patient to be with the way to a relay, and how long to wait before it is tried again."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from toheal_p2p.ports.relays import Reason

DIAL_DEADLINE: Final = 10.0
"""Seconds from dialling to the relay's hello: five round trips of a bad line, and one repeat."""

SHORTEST_PAUSE: Final = 0.2
"""Seconds before the first new attempt: a relay that restarts is back in half a second."""

LONGEST_PAUSE: Final = 30.0
"""Seconds between attempts at most: longer would make a person wait for nothing."""

UNWELCOME_PAUSE: Final = 5.0
"""Seconds before an attempt where we were told to go away, and before an `Open` is repeated."""

DOUBT: Final = 2.5
"""Seconds without a word from a relay that owes us one, after which another is used beside it: half of
the five seconds in which a conversation has to go on, and ten round trips of a bad line."""

PATIENCE: Final = 5.0
"""Seconds without a word from a relay that owes us one, after which it is lost."""

SUSPICION: Final = 2.0
"""Seconds for a word from the relay after the network changed: a round trip, and one repeat of it.
Dialling anew costs less than waiting for a line that is gone."""


@frozen
class Line:
    """How patient to be with a way to a relay, in seconds.

    Attributes:
        dialling: from the first packet to the relay's hello.
        doubt: without an answer, until another relay is used beside it.
        patience: without an answer, until it is lost.
        suspicion: without a word after the network changed, until it is dialled anew.
    """

    dialling: float
    doubt: float
    patience: float
    suspicion: float

    @property
    def slack(self) -> float:
        """Seconds that this way takes longer than a direct one at most, until it is open."""
        return self.dialling - DIAL_DEADLINE


DIRECT_LINE: Final = Line(DIAL_DEADLINE, DOUBT, PATIENCE, SUSPICION)

PROXY_LINE: Final = Line(dialling=60.0, doubt=6.0, patience=15.0, suspicion=6.0)
"""Through Tor: a first circuit takes up to half a minute, and one in use may stall for seconds."""


def pause_before(attempt: int, reason: Reason, *, luck: float) -> float:
    """Return how many seconds to wait before the next attempt.

    Args:
        attempt: counted since a connection lived for long, from 0.
        reason: why there is no connection any more.
        luck: from [0, 1): a relay's clients must not come back all at once.
    """
    base = min(LONGEST_PAUSE, SHORTEST_PAUSE * float(2 ** min(attempt, 16)))
    if reason == "wrong_fingerprint":  # nothing gets better by asking often
        base = LONGEST_PAUSE
    elif reason in ("full", "refused"):
        base = max(base, UNWELCOME_PAUSE)
    return base * (0.5 + luck)
