"""Secrets of the local network: what the members share and who is gone does not.

```
  somebody goes -> not covered -> who removed them, or the lowest id, draws one at once
                                  anybody after a day
  LanSecret    -> kept; of those we have, the one that leaves out most of who is gone is in use
```
There is no server and nobody in charge: everybody who stays may draw, and the same order on every
device says which one is in use. The others are heard, never said.

Spec: docs/protocol/lan.md, section 2.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import ForgedMessage, MalformedFrame
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.lan_kept import LanSecretKept
from toheal_protocol.machines.ledgers import ledger_of, members, membership_of
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.state import Cold, Stage, Standing
from toheal_protocol.membership import Membership
from toheal_protocol.messages.door_notes import GONE_MARK_SIZE, LanSecret
from toheal_protocol.model import MemberId, Role, WallTime

SECRETS_HEARD: Final = 4
"""Secrets that are not in use any more and are still listened for."""

HEARD_FOR: Final = 30 * 24 * 3600
"""Seconds after which nobody is expected to say an earlier secret any more."""

DRAWN_BY_ANYBODY_AFTER: Final = 24 * 3600
"""Seconds until a member draws whose turn it is not: whose turn it was may be away for long."""

TURNS_AHEAD: Final = 1024
"""How far one secret may be ahead of ours: nobody can carry the count to its end."""

_TURNS: Final = 1 << 32


def first_secret(drawer: MemberId, *, entropy: Entropy, wall_now: WallTime) -> LanSecretKept:
    """Draw what a circle begins with."""
    return LanSecretKept(entropy.draw(32), 1, drawer, (), wall_now)


def in_use(cold: Cold) -> LanSecretKept | None:
    """Return the secret we are announced by; None where none has come yet."""
    now = membership_of(cold.id, cold.operations)
    return max(cold.lan_secrets, key=lambda one: _rank(one, now), default=None)


def heard(cold: Cold, *, wall_now: WallTime) -> tuple[LanSecretKept, ...]:
    """Return earlier secrets: who has not heard of a departure yet is announced by one of them."""
    used = in_use(cold)
    others = [one for one in cold.lan_secrets if one is not used]
    return tuple(one for one in others if wall_now - one.since < HEARD_FOR)


def follow_departures(draft: Draft) -> None:
    """Draw a new secret where somebody is gone who knows the one in use, and it is for us to do."""
    if draft.cold.stage is not Stage.ACTIVE or not (missed := _uncovered(draft.cold)):
        return
    known = [member for member in missed if member in draft.cold.peers]
    waited = [draft.wall_now - draft.cold.peers[member].gone_at for member in known]
    is_overdue = any(seconds >= DRAWN_BY_ANYBODY_AFTER for seconds in waited)
    if is_overdue or (known and _is_ours_to_draw(draft, known)):
        _draw(draft)


def hand_over(draft: Draft, member: MemberId) -> None:
    """Give somebody who comes in the secret in use."""
    used = in_use(draft.cold)
    if used is not None:
        owe_note(draft, member, _note(used))


def bring_ours(draft: Draft, member: MemberId) -> None:
    """Bring the secret in use to a member of whom we did not know when we drew it."""
    used = in_use(draft.cold)
    if used is not None and used.drawer == draft.our_id and used.turn > 1:
        owe_note(draft, member, _note(used))


def take_secret(draft: Draft, member: MemberId, said: LanSecret) -> None:
    """Take a secret that a member drew, or that a facilitator hands on.

    Raises:
        ForgedMessage: whoever says it is not in, or hands on somebody else's without being asked to.
        MalformedFrame: too far ahead.
    """
    sender = draft.peer(member)
    if draft.cold.stage is Stage.LEFT:
        return
    if sender.standing not in (Standing.MEMBER, Standing.HOST, Standing.EXPECTED):
        raise ForgedMessage("a secret of the network by somebody who is not in")
    if said.drawer != member and sender.role is not Role.FACILITATOR:
        raise ForgedMessage("a secret of the network in somebody else's name")
    newest = max((one.turn for one in draft.cold.lan_secrets), default=said.turn)
    if said.turn > newest + TURNS_AHEAD:
        raise MalformedFrame("a secret of the network too far ahead")
    if all(one.value != said.value for one in draft.cold.lan_secrets):
        kept = LanSecretKept(said.value, said.turn, said.drawer, said.without, draft.wall_now)
        _keep(draft, kept)


def forget_old(draft: Draft) -> None:
    """Drop secrets that nobody is expected to say any more."""
    used = in_use(draft.cold)
    kept = heard(draft.cold, wall_now=draft.wall_now)
    if used is not None and len(kept) + 1 < len(draft.cold.lan_secrets):
        draft.set_cold(lan_secrets=(used, *kept))


def _draw(draft: Draft) -> None:
    now = membership_of(draft.cold.id, draft.cold.operations)
    turn = 1 + max((one.turn for one in draft.cold.lan_secrets), default=0)
    if turn >= _TURNS:
        return
    without = tuple(sorted(map(_mark, now.gone)))
    value = draft.entropy.draw(32)
    kept = LanSecretKept(value, turn, draft.our_id, without, draft.wall_now)
    _keep(draft, kept)
    for member in members(draft)[1:]:
        owe_note(draft, member, _note(kept))


def _keep(draft: Draft, fresh: LanSecretKept) -> None:
    """Keep one more. The time of those that are not in use runs from now, for the one that was."""
    before = in_use(draft.cold)
    draft.set_cold(lan_secrets=(fresh, *draft.cold.lan_secrets))
    used = in_use(draft.cold)
    assert used is not None  # there is at least the fresh one
    others = [
        evolve(one, since=draft.wall_now) if one is before else one
        for one in draft.cold.lan_secrets
        if one is not used
    ]
    others.sort(key=lambda one: one.since, reverse=True)
    draft.set_cold(lan_secrets=(used, *others[:SECRETS_HEARD]))


def _uncovered(cold: Cold) -> tuple[MemberId, ...]:
    """Return who is gone and may know the secret in use."""
    gone = membership_of(cold.id, cold.operations).gone
    used = in_use(cold)
    without = frozenset(used.without if used is not None else ())
    return tuple(
        member
        for member in gone
        if _mark(member) not in without or (used is not None and member == used.drawer)
    )


def _is_ours_to_draw(draft: Draft, missed: list[MemberId]) -> bool:
    """Say whether we signed what put one of them out, or have the lowest id of those who stay."""
    if draft.our_id == min(membership_of(draft.cold.id, draft.cold.operations).members):
        return True
    ledger = ledger_of(draft)
    for member in missed:
        for silence in draft.peer(member).silences:
            number = ledger.numbers[silence.act]
            signed = (number, *ledger.seconds.get(number, ()))
            if any(ledger.entries[one].author == draft.our_id for one in signed):
                return True
    return False


def _rank(one: LanSecretKept, now: Membership) -> tuple[bool, int, int, bytes]:
    """Return what sorts secrets: those of the removed first, whatever they claim; the last one is in use."""
    is_of_removed = one.drawer in now.gone and one.drawer not in now.left
    covered = len({_mark(member) for member in now.gone - {one.drawer}}.intersection(one.without))
    inverted = bytes(255 - byte for byte in one.value)
    return not is_of_removed, covered, one.turn, inverted


def _mark(member: MemberId) -> bytes:
    return member[:GONE_MARK_SIZE]


def _note(kept: LanSecretKept) -> LanSecret:
    return LanSecret(kept.turn, kept.drawer, kept.value, kept.without)
