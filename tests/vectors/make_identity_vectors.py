"""Make conventions.json, identity.json, handshake.json and invitation.json. Run from the root:

    python -m tests.vectors.make_identity_vectors

Everything comes from seeds, ML-KEM encapsulations too (tests/support/fips203.py), so a second run
changes nothing. If it does, the protocol changed: then the specification changes first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from tests.support.entropy import RecordingEntropy, SeededEntropy
from tests.support.personas import Person, person, person_from
from toheal_protocol.crypto import (
    SealKey,
    derive_keys,
    hash_parts,
    length_prefixed,
    prf,
    seal_with_random_nonce,
)
from toheal_protocol.handshake import (
    Purpose,
    SessionSecrets,
    answer_opening,
    encode_started,
    read_opening,
    reset_psk,
    start_handshake,
)
from toheal_protocol.identity import (
    UnusableName,
    clean_name,
    encode_card,
    encode_persona,
    encode_prekey,
    fold_word,
    safety_positions,
)
from toheal_protocol.identity.words import WORD_LISTS
from toheal_protocol.messages.invitation import (
    InvitationContent,
    encode_invitation,
    invitation_mailbox,
    reply_mailbox,
    seal_invitation,
)
from toheal_protocol.model import CircleId, WallTime
from toheal_protocol.wire.invitation_link import InvitationLink
from toheal_protocol.wire.padding import pad_to_bucket
from toheal_protocol.wire.relay_address import RelayAddress

FOLDER: Final = Path(__file__).parent

NAMES: Final = (
    "نورس",
    "Jose\u0301",
    "  a \t\n\u3000b ",
    "admin \u202egnp.exe",
    "\u2066نو\u200bرس\u2069",
    "مُحَمَّد",
    "a" + "\u0335" * 9 + "b",
    "\u0301\u0301 a",
    "e\u200d\u0301",
    "س" * 48,
    "س" * 49,
    "",
    "\u202e\u200b",
    "\u3164\u2800",
    "\U000e0041x",
)

WORDS: Final = ("Apple ", "إِبْرِيق", "كــتــاب", "آنية", "مقهى", "شجرة", "ﻛﺘﺎﺏ")

LINKS_REFUSED: Final = {
    "no invitation": ["", "https://example.org/", "toheal", "toheal::x", "toheal-relay://a:1#b"],
    "newer": ["toheal:2:anything", "toheal:10:"],
    "mangled": ["toheal:1:", "toheal:1:a.b:1#:", "toheal:1:a:b:c"],
}


def conventions() -> dict[str, Any]:
    """What everything else is made of."""
    lists = [[], [b""], [b"", b""], [b"ab", b"c"], [b"a", b"bc"], [bytes(300)]]
    key = bytes(range(32))
    return {
        "about": "docs/protocol/conventions.md, sections 2, 3 and 5. All bytes are hex.",
        "lp": [{"parts": hexes(parts), "joined": length_prefixed(*parts).hex()} for parts in lists],
        "hash": [
            {"label": "th1/member", "parts": hexes(p), "hash": hash_parts("th1/member", *p).hex()}
            for p in lists
        ],
        "prf": [
            {
                "key": key.hex(),
                "label": "th1/content",
                "parts": hexes(p),
                "output": prf(key, "th1/content", *p).hex(),
            }
            for p in lists
        ],
        "hkdf": [
            {
                "salt": key.hex(),
                "secret": b"secret".hex(),
                "label": "th1/root",
                "keys": hexes(derive_keys(key, b"secret", "th1/root", count=count)),
            }
            for count in (1, 2, 3, 8)
        ],
        "seal_with_nonce_inside": [
            {
                "key": key.hex(),
                "plain": plain.hex(),
                "associated": associated.hex(),
                "sealed": seal_with_random_nonce(
                    SealKey(key), bytes(range(24)), plain, associated
                ).hex(),
            }
            for plain, associated in ((b"", b""), (b"hello", b""), (b"hello", b"there"))
        ],
        "padding": [
            {"plain": plain.hex(), "padded": pad_to_bucket(plain).hex()}
            for plain in (b"", b"hello", b"\x80", b"a\x00", bytes(255), bytes(256))
        ],
    }


def identity() -> dict[str, Any]:
    """Personas, prekeys, cards, safety words, names."""
    people = [person(seed, prekey_id=seed) for seed in (1, 2, 3)]
    return {
        "about": (
            "docs/protocol/identity.md. All bytes are hex. The safety words are at their real "
            "price, 256 MiB and 2 passes. A name or card without a result is refused."
        ),
        "personas": [persona_case(one) for one in people],
        "cards_refused": cards_refused(people[0], people[1]),
        "safety_words": [
            safety_case(ours, theirs)
            for ours, theirs in ((people[0], people[1]), (people[2], people[1]))
        ],
        "lists": {
            language: {
                "first": words[0],
                "last": words[-1],
                "sha256_of_words_joined_by_newlines": sha256("\n".join(words).encode()).hexdigest(),
            }
            for language, words in WORD_LISTS.items()
        },
        "folded": [{"typed": word, "folded": fold_word(word)} for word in WORDS],
        "names": [{"written": name, "shown": name_shown(name)} for name in NAMES],
    }


def persona_case(one: Person) -> dict[str, Any]:
    keys = one.persona.keys
    return {
        "signing_seed": one.persona.signing.hex(),
        "dh_secret": one.persona.dh.hex(),
        "kem_seed": one.persona.kem.hex(),
        "verify_key": keys.verify.hex(),
        "dh_public": keys.dh.hex(),
        "kem_public": keys.kem.hex(),
        "member_id": keys.member_id.hex(),
        "stored_persona": encode_persona(one.persona).hex(),
        "prekey": {
            "id": one.prekey.id,
            "dh_secret": one.prekey.dh.hex(),
            "kem_seed": one.prekey.kem.hex(),
            "not_after": one.prekey.not_after,
            "stored": encode_prekey(one.prekey).hex(),
        },
        "card": encode_card(one.card).hex(),
    }


def cards_refused(owner: Person, other: Person) -> list[dict[str, str]]:
    card = encode_card(owner.card)
    theirs = encode_card(other.card)
    return [
        {"why": "another version", "card": (b"\x02" + card[1:]).hex()},
        {"why": "cut off", "card": card[:-1].hex()},
        {"why": "something after the end", "card": (card + b"\x00").hex()},
        {"why": "somebody else's X25519 key", "card": mixed(card, theirs, 33, 65).hex()},
        {"why": "somebody else's prekey", "card": mixed(card, theirs, 1249, 2473).hex()},
        {"why": "somebody else's signature", "card": mixed(card, theirs, 2473, 2537).hex()},
        {"why": "an X25519 key of low order", "card": mixed(card, bytes(2537), 33, 65).hex()},
    ]


def mixed(frame: bytes, other: bytes, start: int, end: int) -> bytes:
    return frame[:start] + other[start:end] + frame[end:]


def safety_case(ours: Person, theirs: Person) -> dict[str, Any]:
    positions = safety_positions(ours.member_id, theirs.member_id)
    return {
        "ours": ours.member_id.hex(),
        "theirs": theirs.member_id.hex(),
        "positions": list(positions),
        "en": [WORD_LISTS["en"][at] for at in positions],
        "ar": [WORD_LISTS["ar"][at] for at in positions],
    }


def name_shown(name: str) -> str | None:
    try:
        return clean_name(name)
    except UnusableName:
        return None


def handshake() -> dict[str, Any]:
    """Three whole runs, and changes to their flights that must be refused."""
    return {
        "about": (
            "docs/protocol/handshake.md. All bytes are hex. The responder's side needs nothing "
            "but the keys: open f1, and from there f2 with responder_draws and the recorded "
            "encapsulations. To make f1, draw initiator_draws in order, and where the "
            "specification encapsulates, take the next entry of initiator_encapsulations: its m "
            "is the randomness of FIPS 203, algorithm 17, for libraries that accept it; its "
            "secret and ciphertext are the result, to be replayed by those that do not. Any "
            "such library can check that the ciphertext opens to the secret."
        ),
        "runs": [
            run(1, Purpose.JOIN, introduce=True, payload=b"the first mailboxes"),
            run(2, Purpose.MEET, introduce=False, payload=b"x" * 2048),
            run(3, Purpose.RESET, introduce=False, payload=b""),
        ],
        "refused": {
            "about": "XOR the byte at this place of this flight, in every run: it must be refused.",
            "changes": [
                {"flight": flight, "at": at, "xor": xor}
                for flight, places in (
                    ("f1", (0, 1, 4, 5, 36, 37, 1220, 1221, 2308, 2309, 3396, 3397, -17, -1)),
                    ("f2", (0, 1, 32, 33, 1120, 1121, 2208, 2209, -1)),
                )
                for at in places
                for xor in (0x01, 0x80)
            ],
        },
        "reset_psk": {
            "continuity": bytes(range(32)).hex(),
            "psk": reset_psk(bytes(range(32))).hex(),
        },
    }


def run(seed: int, purpose: Purpose, *, introduce: bool, payload: bytes) -> dict[str, Any]:
    initiator = person_from(SeededEntropy(100 + seed), prekey_id=1)
    responder = person_from(SeededEntropy(200 + seed), prekey_id=2)
    ours, theirs = RecordingEntropy(300 + seed), RecordingEntropy(400 + seed)
    circle, psk = sha256(b"circle %d" % seed).digest(), sha256(b"psk %d" % seed).digest()
    started, f1 = start_handshake(
        circle_id=circle,
        purpose=purpose,
        psk=psk,
        ours=initiator.persona,
        our_card=initiator.card,
        their_card=responder.card,
        introduce=introduce,
        payload=payload,
        entropy=ours,
    )
    opened = read_opening(
        f1,
        circle_id=circle,
        purpose=purpose,
        psk=psk,
        ours=responder.persona,
        prekey=responder.prekey,
        our_card=responder.card,
        known={initiator.member_id: initiator.persona.keys}.get,
    )
    answered = answer_opening(opened, entropy=theirs)
    return {
        "circle_id": circle.hex(),
        "purpose": purpose.value.hex(),
        "psk": psk.hex(),
        "introduce": introduce,
        "payload": payload.hex(),
        "initiator_persona": encode_persona(initiator.persona).hex(),
        "initiator_card": encode_card(initiator.card).hex(),
        "responder_persona": encode_persona(responder.persona).hex(),
        "responder_prekey": encode_prekey(responder.prekey).hex(),
        "responder_card": encode_card(responder.card).hex(),
        "initiator_draws": hexes(ours.drawn),
        "initiator_encapsulations": [hexed(one) for one in ours.encapsulated],
        "f1": f1.hex(),
        "hash_after_f1": opened.state.hash.hex(),
        "chain_after_f1": opened.state.chain.hex(),
        "started": encode_started(started).hex(),
        "responder_draws": hexes(theirs.drawn),
        "responder_encapsulations": [hexed(one) for one in theirs.encapsulated],
        "f2": answered.f2.hex(),
        "secrets": secrets_case(answered.secrets),
    }


def secrets_case(secrets: SessionSecrets) -> dict[str, str]:
    return {
        "root": secrets.root.hex(),
        "header_initiator": secrets.header_initiator.hex(),
        "header_responder": secrets.header_responder.hex(),
        "continuity": secrets.continuity.hex(),
    }


def invitation() -> dict[str, Any]:
    """Links, contents, and what comes from the secret."""
    relay = RelayAddress("relay.example.org", 4433, bytes(range(32)))
    other = RelayAddress("2001:db8::7", 443, bytes(range(32, 64)))
    short = InvitationContent(
        circle_id=CircleId(sha256(b"circle").digest()),
        inviter=person(1).card,
        relays=(relay,),
        circle_name="حلقة المساء",
        inviter_name="نورس",
        charter="We listen.\n",
        create_operation=bytes(range(256)),
    )
    large = evolve(short, relays=(relay, other), charter="ن" * 2048, create_operation=bytes(1500))
    return {
        "about": (
            "docs/protocol/invitation.md. All bytes are hex. The create operations are not real "
            "ones: an invitation carries them without looking inside."
        ),
        "invitations": [
            invitation_case(1, short, relay),
            invitation_case(2, large, other),
        ],
        "links_refused": [
            {"text": text, "why": why} for why, texts in LINKS_REFUSED.items() for text in texts
        ],
    }


def invitation_case(seed: int, content: InvitationContent, relay: RelayAddress) -> dict[str, Any]:
    entropy = SeededEntropy(500 + seed)
    secret = sha256(b"secret %d" % seed).digest()
    sealed, digest = seal_invitation(content, secret=secret, entropy=entropy)
    link = InvitationLink(relay, secret, digest, WallTime(1_900_000_000 + seed))
    read_seed, token = invitation_mailbox(secret)
    reply_seed, reply_token, reply_key = reply_mailbox(secret)
    return {
        "secret": secret.hex(),
        "link": str(link),
        "relay": str(relay),
        "content_hash": digest.hex(),
        "expires": link.expires,
        "circle_id": content.circle_id.hex(),
        "inviter": encode_card(content.inviter).hex(),
        "relays": [str(one) for one in content.relays],
        "circle_name": content.circle_name,
        "inviter_name": content.inviter_name,
        "charter": content.charter,
        "create_operation": content.create_operation.hex(),
        "content": encode_invitation(content).hex(),
        "nonce": entropy.drawn[0].hex(),
        "sealed": sealed.hex(),
        "mailbox": {"read_seed": read_seed.hex(), "deposit_token": token.hex()},
        "reply_mailbox": {
            "read_seed": reply_seed.hex(),
            "deposit_token": reply_token.hex(),
            "seal_key": reply_key.hex(),
        },
    }


def hexes(parts: Iterable[bytes]) -> list[str]:
    return [part.hex() for part in parts]


def hexed(parts: dict[str, bytes]) -> dict[str, str]:
    return {name: part.hex() for name, part in parts.items()}


DOCUMENTS: Final = {
    "conventions.json": conventions,
    "identity.json": identity,
    "handshake.json": handshake,
    "invitation.json": invitation,
}


def text_of(document: dict[str, Any]) -> str:
    """Return a document as it stands in its file."""
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write all four files."""
    for name, make in DOCUMENTS.items():
        (FOLDER / name).write_text(text_of(make()), encoding="utf-8")


if __name__ == "__main__":
    main()
