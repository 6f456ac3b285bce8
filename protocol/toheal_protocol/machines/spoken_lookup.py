"""The joiner's side of a spoken code: one guess, and the invitation's link if it was right.

```
  approached ── the first answer ──> proved ── handover ──> found
       └──────── refusal ───────────────┴──> turned away
```
Only the first answer counts: whoever could send a second one could test a second guess. Nothing of
the inviter's is believed before its proof fits. The machine knows no relay; see `spoken_offer`.

Spec: docs/protocol/spoken.md, section 6.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

from attrs import evolve, field, frozen

from toheal_protocol.crypto import (
    CPACE_SHARE_SIZE,
    NONCE_SIZE,
    CPaceSecret,
    Entropy,
    cpace_share,
    equal,
    open_sealed,
)
from toheal_protocol.errors import ForgedMessage, MalformedFrame, RemoteError
from toheal_protocol.identity import SpokenCode
from toheal_protocol.machines.spoken_keys import (
    Channel,
    SpokenKeys,
    spoken_generator,
    spoken_keys,
)
from toheal_protocol.messages.spoken import (
    SPOKEN_ID_SIZE,
    RunId,
    SpokenAnnouncement,
    SpokenAnswer,
    SpokenApproach,
    SpokenHandover,
    SpokenProof,
    SpokenRefusal,
    SpokenTurnedAway,
    Way,
    decode_spoken,
    encode_spoken,
)
from toheal_protocol.wire.invitation_link import InvitationLink, parse_invitation_link


@frozen
class Send:
    """Send a frame by the way the announcement named."""

    frame: bytes = field(repr=False)


@frozen
class Found:
    """The words were right, and this is the invitation."""

    link: InvitationLink


@frozen
class TurnedAway:
    """There is no invitation for this try."""

    reason: SpokenRefusal
    tries_left: int


Effect: TypeAlias = Send | Found | TurnedAway


@frozen
class Lookup:
    """One try with one announcement. `secret` is None once it was used."""

    approach: SpokenApproach
    secret: CPaceSecret | None = field(repr=False)
    keys: SpokenKeys | None = field(default=None, repr=False)
    is_over: bool = False


def begin_lookup(
    code: SpokenCode,
    announcement: SpokenAnnouncement,
    *,
    channel: Channel,
    way: Way,
    entropy: Entropy,
) -> tuple[Lookup, tuple[Effect, ...]]:
    """Approach whoever announced themselves.

    Args:
        code: what was heard; only its words matter here.
        announcement: what lay where the nameplate points.
        channel: where that was.
        way: how we want to be answered; bound into the key.
        entropy: draws 48 bytes.
    """
    run = RunId(entropy.draw(SPOKEN_ID_SIZE))
    secret = CPaceSecret(entropy.draw(CPACE_SHARE_SIZE))
    generator = spoken_generator(code.secret, channel=channel, offer=announcement.offer, run=run)
    share = cpace_share(secret, generator)
    approach = SpokenApproach(announcement.offer, run, share, way)
    return Lookup(approach, secret), (Send(encode_spoken(approach)),)


def step(lookup: Lookup, frame: bytes) -> tuple[Lookup, tuple[Effect, ...]]:
    """Take one frame that arrived by our way and return the next state and the effects.

    Raises:
        RemoteError: the frame is none, is forged, or comes out of turn. The state is as it was.
    """
    message = decode_spoken(frame)
    if isinstance(message, SpokenAnnouncement) or message.run != lookup.approach.run:
        raise MalformedFrame("not about our try")
    if lookup.is_over:
        return lookup, ()
    match message:
        case SpokenAnswer():
            return _prove(lookup, message)
        case SpokenHandover():
            return _open(lookup, message)
        case SpokenTurnedAway(_, reason, tries_left):
            return evolve(lookup, is_over=True), (TurnedAway(reason, tries_left),)
        case SpokenApproach() | SpokenProof():
            raise RemoteError("a message that only a joiner sends")
        case _:
            assert_never(message)


def _prove(lookup: Lookup, answer: SpokenAnswer) -> tuple[Lookup, tuple[Effect, ...]]:
    if lookup.secret is None:
        return lookup, ()  # a repeat, or somebody's second guess
    approach = lookup.approach
    keys = spoken_keys(
        lookup.secret,
        answer.share,
        joiner=approach.share,
        inviter=answer.share,
        way=approach.way,
        offer=approach.offer,
        run=approach.run,
    )
    proof = encode_spoken(SpokenProof(approach.run, keys.joiner_proof))
    return evolve(lookup, secret=None, keys=keys), (Send(proof),)


def _open(lookup: Lookup, handover: SpokenHandover) -> tuple[Lookup, tuple[Effect, ...]]:
    if lookup.keys is None:
        raise RemoteError("a handover before an answer")
    if not equal(lookup.keys.inviter_proof, handover.proof):
        raise ForgedMessage("whoever hands this over does not have the key")
    plain = open_sealed(lookup.keys.seal_key, bytes(NONCE_SIZE), handover.sealed)
    try:
        link = parse_invitation_link(plain.decode("ascii"))
    except UnicodeDecodeError:
        raise MalformedFrame("no link was handed over") from None
    return evolve(lookup, is_over=True, keys=None), (Found(link),)
