"""Ready-made peers for tests: a persona with one prekey and its card, and a handshake between two."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from tests.support.entropy import SeededEntropy
from toheal_protocol.crypto import Entropy
from toheal_protocol.handshake import (
    Answered,
    Finished,
    Opened,
    Purpose,
    Started,
    answer_opening,
    finish_handshake,
    read_opening,
    start_handshake,
)
from toheal_protocol.identity import (
    Card,
    PersonaKeys,
    PersonaSecrets,
    PrekeySecrets,
    draw_persona,
    draw_prekey,
    make_card,
)
from toheal_protocol.model import MemberId, WallTime

CIRCLE = bytes(range(32))
PSK = bytes(range(100, 132))
NOT_AFTER = WallTime(1_900_000_000)


@frozen
class Person:
    """Somebody with one persona and one prekey."""

    persona: PersonaSecrets
    prekey: PrekeySecrets
    card: Card = field()

    @property
    def member_id(self) -> MemberId:
        return self.persona.keys.member_id


def person(seed: int, *, prekey_id: int = 1) -> Person:
    """Make somebody; one seed is one person."""
    return person_from(SeededEntropy(seed), prekey_id=prekey_id)


def person_from(entropy: Entropy, *, prekey_id: int = 1) -> Person:
    """Make somebody out of a source of bytes."""
    persona = draw_persona(entropy)
    prekey = draw_prekey(entropy, id=prekey_id, not_after=NOT_AFTER)
    return Person(persona, prekey, make_card(persona, prekey))


def start(
    ours: Person,
    theirs: Person,
    *,
    entropy: Entropy,
    introduce: bool = False,
    payload: bytes = b"join",
    **changed: Any,
) -> tuple[Started, bytes]:
    """Make an F1 from `ours` to `theirs`; `changed` replaces any argument."""
    arguments: dict[str, Any] = {
        "circle_id": CIRCLE,
        "purpose": Purpose.JOIN,
        "psk": PSK,
        "ours": ours.persona,
        "our_card": ours.card,
        "their_card": theirs.card,
        "introduce": introduce,
        "payload": payload,
        "entropy": entropy,
    }
    return start_handshake(**{**arguments, **changed})


def read(f1: bytes, ours: Person, *friends: Person, **changed: Any) -> Opened:
    """Open an F1 as `ours`, who knows `friends`; `changed` replaces any argument."""
    arguments: dict[str, Any] = {
        "circle_id": CIRCLE,
        "purpose": Purpose.JOIN,
        "psk": PSK,
        "ours": ours.persona,
        "prekey": ours.prekey,
        "our_card": ours.card,
        "known": knows(*friends),
    }
    return read_opening(f1, **{**arguments, **changed})


def knows(*friends: Person) -> Any:
    """Return what `read_opening` takes as `known`."""
    keys: dict[MemberId, PersonaKeys] = {
        friend.member_id: friend.persona.keys for friend in friends
    }
    return keys.get


def shake_hands(
    initiator: Person, responder: Person, *, entropy: Entropy, introduce: bool = False
) -> tuple[Finished, Answered]:
    """Run a whole handshake and return what both sides have."""
    started, f1 = start(initiator, responder, entropy=entropy, introduce=introduce)
    answered = answer_opening(read(f1, responder, initiator), entropy=entropy)
    return finish_handshake(started, answered.f2), answered
