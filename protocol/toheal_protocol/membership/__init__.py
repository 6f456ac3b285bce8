"""Membership: who is in a circle and what holds there, from signed operations alone.

| module | what |
|---|---|
| `ledger` | operations taken in, and what each knows |
| `quorum` | how many people an act takes |
| `rights` | what may be taken in at all |
| `merging` | what stands, and who is in |
| `reading` | from a heap of operations to a ledger |
| `outcome` | what it all comes to |

Spec: docs/protocol/membership.md. Vectors: tests/vectors/membership.json.
"""

from toheal_protocol.membership.ledger import (
    MAX_BY_ONE,
    MAX_HELD,
    MAX_OPERATIONS,
    Bits,
    Entry,
    Ledger,
    Place,
    Roll,
)
from toheal_protocol.membership.merging import roll_at
from toheal_protocol.membership.outcome import (
    Membership,
    Outcome,
    Silence,
    Standing,
    conclude,
    merge,
)
from toheal_protocol.membership.reading import extend_ledger, read_ledger
from toheal_protocol.membership.rights import check_foundation

__all__ = [
    "MAX_BY_ONE",
    "MAX_HELD",
    "MAX_OPERATIONS",
    "Bits",
    "Entry",
    "Ledger",
    "Membership",
    "Outcome",
    "Place",
    "Roll",
    "Silence",
    "Standing",
    "check_foundation",
    "conclude",
    "extend_ledger",
    "merge",
    "read_ledger",
    "roll_at",
]
