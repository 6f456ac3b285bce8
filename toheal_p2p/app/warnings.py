"""What a person is told of a circle until they say that they have seen it: copies at work.

A session heals within a moment after two copies were noticed. The person has to hear of it all the
same, however often the program is started meanwhile; so it lies in the vault.

The mark and what the circle's machine writes are two transactions. A crash between them loses the
mark and not the fork: the machine marks the peer too, until the session is begun anew.

Docs: docs/command-line.md, section 4.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from attrs import evolve, frozen

from toheal_p2p.app.refusals import Refused
from toheal_protocol.machines.records import PutSetting
from toheal_protocol.machines.state import Cold
from toheal_protocol.model import CircleId, MemberId

_KEY: Final = "warnings."


@frozen
class Warnings:
    """The state of one circle's warnings.

    Attributes:
        forked: of whom two copies were seen and not confirmed, ourselves perhaps among them.
        confirmed: of whom the person has seen it, while the machine still marks them.
        seen_at: until when sessions that were begun anew have been seen.
        differing: under whose name two different messages have one number.
    """

    forked: frozenset[MemberId] = frozenset()
    confirmed: frozenset[MemberId] = frozenset()
    seen_at: int = 0
    differing: frozenset[MemberId] = frozenset()

    def with_differing(self, member: MemberId) -> Warnings:
        """Note that two members have different words of this one."""
        return evolve(self, differing=self.differing | {member})

    def with_fork(self, member: MemberId) -> Warnings:
        """Note that two copies were seen (again)."""
        return evolve(self, forked=self.forked | {member}, confirmed=self.confirmed - {member})

    def seen(self, cold: Cold, *, wall_now: int) -> Warnings:
        """Note that the person has seen all of it."""
        marked = frozenset(member for member, peer in cold.peers.items() if peer.is_forked)
        return Warnings(frozenset(), marked, wall_now)

    def of(self, cold: Cold) -> frozenset[MemberId]:
        """Return of whom the person has to be told that two copies are at work."""
        marked = {member for member, peer in cold.peers.items() if peer.is_forked}
        return self.forked | (marked - self.confirmed)


def put_warnings(circle: CircleId, warnings: Warnings) -> PutSetting:
    """Return the record that keeps a circle's warnings."""
    kept = {
        "forked": sorted(member.hex() for member in warnings.forked),
        "confirmed": sorted(member.hex() for member in warnings.confirmed),
        "seen_at": warnings.seen_at,
        "differing": sorted(member.hex() for member in warnings.differing),
    }
    return PutSetting(_KEY + circle.hex(), json.dumps(kept).encode("ascii"))


def warnings_in(settings: Mapping[str, bytes], circle: CircleId) -> Warnings:
    """Return what the vault keeps of a circle's warnings.

    Raises:
        Refused: vault_damaged. A warning must not vanish because it cannot be read.
    """
    kept = settings.get(_KEY + circle.hex())
    if kept is None:
        return Warnings()
    try:
        read = json.loads(kept)
        forked, confirmed, differing = (
            frozenset(MemberId(bytes.fromhex(member)) for member in read[name])
            for name in ("forked", "confirmed", "differing")
        )
        return Warnings(forked, confirmed, int(read["seen_at"]), differing)
    except (ValueError, TypeError, KeyError):
        raise Refused("vault_damaged") from None
