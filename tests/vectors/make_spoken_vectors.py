"""Make spoken.json. Run from the root:

    python -m tests.vectors.make_spoken_vectors

Everything comes from seeds, so a second run changes nothing. If it does, the protocol changed:
then the specification changes first.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from tests.support.entropy import SeededEntropy
from tests.support.spoken_pair import LINK, RELAY, WAY
from toheal_protocol.crypto import (
    CPaceSecret,
    cpace_agree,
    cpace_key,
    cpace_share,
    cpace_transcript,
    verify_key,
)
from toheal_protocol.identity import parse_spoken_code
from toheal_protocol.identity.spoken_words import SPOKEN_LISTS
from toheal_protocol.machines import spoken_lookup, spoken_offer
from toheal_protocol.machines.spoken_keys import (
    nameplate_mailbox,
    relay_channel,
    room_channel,
    spoken_generator,
    spoken_keys,
)
from toheal_protocol.messages.spoken import (
    OfferId,
    RunId,
    SpokenAnnouncement,
    encode_spoken,
)
from toheal_protocol.model import Instant
from toheal_protocol.wire.mailbox import address_of

FOLDER: Final = Path(__file__).parent
TYPED: Final = (
    "7421 lantern giraffe marble",
    "MARB, lant-gira 7 4 2 1",
    "٧٤٢١ فانوس، زَرافه، رخام",
    "7421 فانوس زرافة رخام",
)


def document() -> dict[str, Any]:
    """Return the whole file."""
    return {
        "about": "docs/protocol/spoken.md. All bytes are hex. A run with the joiner's and the inviter's 32 secret bytes; frames are whole and padded.",
        "lists": {
            language: sha256("\n".join(words).encode()).hexdigest()
            for language, words in SPOKEN_LISTS.items()
        },
        "codes": [_code(typed) for typed in TYPED],
        "nameplates": [_nameplate(number) for number in ("1000", "7421", "9999")],
        "rooms": [{"room": room, "channel": room_channel(room).hex()} for room in ("7", "7421")],
        "runs": [_run(code, seed) for seed, code in enumerate(TYPED[::2])],
    }


def _code(typed: str) -> dict[str, Any]:
    code = parse_spoken_code(typed)
    return {
        "typed": typed,
        "nameplate": code.nameplate,
        "language": code.language,
        "positions": list(code.positions),
        "PRS": code.secret.hex(),
    }


def _nameplate(number: str) -> dict[str, str]:
    seed, token = nameplate_mailbox(RELAY.fingerprint, number)
    return {
        "fingerprint": RELAY.fingerprint.hex(),
        "nameplate": number,
        "channel": relay_channel(RELAY.fingerprint, number).hex(),
        "read_seed": seed.hex(),
        "token": token.hex(),
        "address": address_of(verify_key(seed)).hex(),
    }


def _run(typed: str, seed: int) -> dict[str, str]:
    code, draws = parse_spoken_code(typed), SeededEntropy(700 + seed)
    channel = relay_channel(RELAY.fingerprint, code.nameplate)
    offer = spoken_offer.begin_offer(code, entropy=draws, now=Instant(0))
    announcement = SpokenAnnouncement(offer.id, WAY)
    lookup, [send] = spoken_lookup.begin_lookup(
        code, announcement, channel=channel, way=WAY, entropy=draws
    )
    assert isinstance(send, spoken_lookup.Send)
    secret = lookup.secret
    assert secret is not None
    offer, answer = _arrive(offer, channel, send.frame, draws)
    lookup, [proof] = spoken_lookup.step(lookup, answer)
    assert isinstance(proof, spoken_lookup.Send)
    offer, _ = spoken_offer.step(
        offer, spoken_offer.Arrived(channel, proof.frame), now=Instant(0), entropy=draws
    )
    made = spoken_offer.SeatMade(str(LINK))
    offer, [handover, _] = spoken_offer.step(offer, made, now=Instant(0), entropy=draws)
    assert isinstance(handover, spoken_offer.Answer)
    frames = {
        "announcement": encode_spoken(announcement),
        "approach": send.frame,
        "answer": answer,
        "proof": proof.frame,
        "handover": handover.frame,
    }
    inside = _inside(lookup.approach.run, offer.id, code.secret, channel, draws.drawn)
    return {
        "code": str(code),
        "link": str(LINK),
        "way": WAY.hex(),
        **{name: value.hex() for name, value in (inside | frames).items()},
    }


def _arrive(
    offer: spoken_offer.Offer, channel: Any, frame: bytes, draws: SeededEntropy
) -> tuple[spoken_offer.Offer, bytes]:
    arrived = spoken_offer.Arrived(channel, frame)
    offer, [answer] = spoken_offer.step(offer, arrived, now=Instant(0), entropy=draws)
    assert isinstance(answer, spoken_offer.Answer)
    return offer, answer.frame


def _inside(
    run: RunId, offer: OfferId, words: bytes, channel: Any, drawn: list[bytes]
) -> dict[str, bytes]:
    """Return what never leaves the two devices: drawn were offer, run, and the two secrets."""
    ours, theirs = CPaceSecret(drawn[2]), CPaceSecret(drawn[3])
    generator = spoken_generator(words, channel=channel, offer=offer, run=run)
    joiner, inviter = cpace_share(ours, generator), cpace_share(theirs, generator)
    shared = cpace_agree(ours, inviter)
    transcript = cpace_transcript(joiner, b"joiner\x01" + WAY, inviter, b"inviter\x01")
    keys = spoken_keys(
        theirs, joiner, joiner=joiner, inviter=inviter, way=WAY, offer=offer, run=run
    )
    return {
        "CI": channel,
        "sid": offer + run,
        "PRS": words,
        "joiner_secret": ours,
        "inviter_secret": theirs,
        "eight_times_g": generator,
        "Ya": joiner,
        "Yb": inviter,
        "K": shared,
        "ISK": cpace_key(shared, session=offer + run, transcript=transcript),
        "joiner_proof": keys.joiner_proof,
        "inviter_proof": keys.inviter_proof,
        "seal_key": keys.seal_key,
    }


def text_of(made: dict[str, Any]) -> str:
    """Return a document as it stands in its file."""
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write the file."""
    (FOLDER / "spoken.json").write_text(text_of(document()), encoding="utf-8")


if __name__ == "__main__":
    main()
