"""Write tests/vectors/ratchet.json and tests/vectors/envelope.json.

    python -m tests.vectors.make_ratchet_vectors

Everything is drawn from counters, and ML-KEM ciphertexts come from the plain Python ML-KEM of the
tests, so every run writes the same bytes. A wire change edits the specification first, then runs
this, and the difference of the JSON shows what changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import fips203
from tests.support.ratchet_pair import DAY, HOUR, START
from toheal_protocol.crypto import (
    DhSecretKey,
    KemCiphertext,
    KemPublicKey,
    SharedSecret,
    dh_public_key,
)
from toheal_protocol.envelope import (
    Content,
    ContentKey,
    Parent,
    decode_content,
    encode_content,
    message_id,
    open_content,
    seal_content,
)
from toheal_protocol.errors import RemoteError
from toheal_protocol.model import Audience, CircleId, MemberId, MessageId, OperationId, WallTime
from toheal_protocol.ratchet import (
    Session,
    begin_as_initiator,
    begin_as_responder,
    encode_session,
    offer_kem_next,
    open_message,
    seal_message,
)
from toheal_protocol.ratchet.keys import ChainKey, RootKey, advance_chain, take_root_step

HERE = Path(__file__).parent


class WrittenDown:
    """Entropy from a counter that writes down what it gave."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0
        self.draws: list[bytes] = []
        self.encapsulations: list[tuple[bytes, bytes]] = []

    def draw(self, size: int) -> bytes:
        self.draws.append(self._next(size))
        return self.draws[-1]

    def encapsulate(self, public_key: KemPublicKey) -> tuple[SharedSecret, KemCiphertext]:
        secret, ciphertext = fips203.encapsulate(public_key, self._next(32))
        self.encapsulations.append((secret, ciphertext))
        return SharedSecret(secret), KemCiphertext(ciphertext)

    def taken(self) -> dict[str, Any]:
        """Return what was given since the last call, for the vector."""
        given: dict[str, Any] = {"draws": [drawn.hex() for drawn in self.draws]}
        if self.encapsulations:
            given["encapsulations"] = [[s.hex(), c.hex()] for s, c in self.encapsulations]
        self.draws, self.encapsulations = [], []
        return given

    def _next(self, size: int) -> bytes:
        self._count += 1
        return fill(f"{self._name} {self._count}", size)


def fill(name: str, size: int = 32) -> bytes:
    """Return bytes that anybody can make again: SHAKE-256 of a name."""
    return hashlib.shake_256(f"toheal vectors: {name}".encode()).digest(size)


class Talk:
    """One conversation, written down act by act."""

    def __init__(self, name: str) -> None:
        self.name = name
        keys = {
            part: fill(f"{name} {part}")
            for part in ("root", "header_initiator", "header_responder")
        }
        secret = DhSecretKey(fill(f"{name} ratchet secret"))
        self.entropy = {side: WrittenDown(f"{name} {side}") for side in ("initiator", "responder")}
        self.now = START
        initiator = begin_as_initiator(
            **keys,
            their_ratchet_key=dh_public_key(secret),
            entropy=self.entropy["initiator"],
            now=START,
        )
        responder = begin_as_responder(**keys, our_ratchet_secret=secret, now=START)
        self.sessions: dict[str, Session] = {"initiator": initiator, "responder": responder}
        self.sealed: list[tuple[bytes, bytes]] = []
        self.begin = (
            {part: key.hex() for part, key in keys.items()}
            | {"ratchet_secret": secret.hex(), "now": START}
            | self.entropy["initiator"].taken()
        )
        self.acts: list[dict[str, Any]] = []

    def seal(self, side: str, plain: bytes, associated: bytes = b"") -> int:
        """Seal, and return the message's index in the order of sealing."""
        self.sessions[side], sealed = seal_message(
            self.sessions[side], plain, associated, entropy=self.entropy[side], now=self.now
        )
        self.acts.append(
            {"act": "seal", "side": side, "now": self.now}
            | {"plain": plain.hex(), "associated": associated.hex()}
            | self.entropy[side].taken()
            | {"sealed": sealed.hex()}
        )
        self.sealed.append((sealed, associated))
        return len(self.sealed) - 1

    def open(self, side: str, index: int) -> None:
        sealed, associated = self.sealed[index]
        self.sessions[side], plain = open_message(
            self.sessions[side], sealed, associated, entropy=self.entropy[side], now=self.now
        )
        self.acts.append(
            {"act": "open", "side": side, "now": self.now}
            | {"sealed": sealed.hex(), "associated": associated.hex(), "plain": plain.hex()}
        )

    def refuse(self, side: str, sealed: bytes, associated: bytes, why: str) -> None:
        """Write down a message that must be refused, and how."""
        error = error_of(
            lambda: open_message(
                self.sessions[side], sealed, associated, entropy=self.entropy[side], now=self.now
            )
        )
        self.acts.append(
            {"act": "refuse", "side": side, "now": self.now, "why": why}
            | {"sealed": sealed.hex(), "associated": associated.hex(), "error": error}
        )

    def offer(self, side: str) -> None:
        self.sessions[side] = offer_kem_next(self.sessions[side])
        self.acts.append({"act": "offer", "side": side})

    def pass_one(self, side: str, plain: bytes) -> None:
        self.open("responder" if side == "initiator" else "initiator", self.seal(side, plain))

    def written(self) -> dict[str, Any]:
        states = {side: encode_session(session).hex() for side, session in self.sessions.items()}
        return {"name": self.name, "begin": self.begin, "acts": self.acts, "states": states}


def error_of(act: Callable[[], object]) -> str:
    """Return the name of the error an act ends in."""
    try:
        act()
    except RemoteError as error:
        return type(error).__name__
    raise AssertionError("it was not refused")


def ordinary() -> Talk:
    talk = Talk("in order, with the first ML-KEM offer and its answer")
    for i in range(2):
        talk.pass_one("initiator", b"first flight %d" % i)
    for i in range(2):
        talk.pass_one("responder", b"an answer %d" % i)
    talk.pass_one("initiator", b"no ML-KEM under way")
    talk.open("responder", talk.seal("initiator", fill("a content key"), fill("a message id")))
    return talk


def disorder() -> Talk:
    talk = Talk("lost, late, repeated and mauled")
    talk.pass_one("initiator", b"hello")
    talk.pass_one("responder", b"hello")
    late, lost, third = (talk.seal("initiator", b"message %d" % i, b"ad") for i in range(3))
    talk.open("responder", third)
    sealed, associated = talk.sealed[third]
    talk.refuse("responder", sealed, associated, "opened before")
    talk.refuse("responder", sealed[:-1] + b"\x00", associated, "its last byte was changed")
    talk.refuse("responder", sealed, b"other", "other associated data")
    talk.refuse("initiator", sealed, associated, "sent back to its author")
    talk.refuse("responder", sealed[:90], associated, "cut")
    talk.refuse("responder", b"\x04" + sealed[1:], associated, "an unknown flag")
    talk.refuse("responder", b"\x01" + sealed[1:], associated, "a flag that promises an offer")
    tail = talk.seal("initiator", b"the end of the chain")
    talk.pass_one("responder", b"an answer")
    talk.pass_one("initiator", b"a new chain")
    talk.open("responder", late)
    talk.open("responder", tail)
    talk.now = WallTime(START + 15 * DAY)
    talk.pass_one("responder", b"two weeks later")
    talk.pass_one("initiator", b"two weeks later")
    talk.refuse("responder", *talk.sealed[lost], "its key was forgotten after 14 days")
    return talk


def healing() -> Talk:
    talk = Talk("ML-KEM on request and after a day")
    talk.pass_one("initiator", b"hello")
    talk.pass_one("responder", b"hello")
    talk.offer("initiator")
    talk.pass_one("initiator", b"with an offer")
    talk.offer("responder")
    talk.pass_one("responder", b"with an answer and an offer")
    talk.now = WallTime(START + 25 * HOUR)
    talk.pass_one("initiator", b"with an answer, which starts the day again")
    talk.pass_one("responder", b"without")
    return talk


def fork() -> Talk:
    talk = Talk("two copies of the initiator")
    talk.pass_one("initiator", b"hello")
    talk.pass_one("responder", b"hello")
    talk.pass_one("initiator", b"a chain")
    copy = talk.sessions["initiator"]
    talk.pass_one("initiator", b"the original")
    entropy = WrittenDown("the copy")
    _, sealed = seal_message(copy, b"the copy", b"", entropy=entropy, now=talk.now)
    talk.refuse("responder", sealed, b"", "another message has this number")
    talk.pass_one("responder", b"an answer")
    stepping = talk.sessions["initiator"]
    talk.pass_one("initiator", b"the original's step")
    _, sealed = seal_message(stepping, b"the copy's step", b"", entropy=entropy, now=talk.now)
    talk.refuse("responder", sealed, b"", "another ratchet key under one header key")
    return talk


def ratchet_vectors() -> dict[str, Any]:
    chain = []
    for name in ("first", "second"):
        chain_key = ChainKey(fill(f"chain {name}"))
        following, key = advance_chain(chain_key)
        chain.append(
            {"chain_key": chain_key.hex(), "next_chain_key": following.hex()}
            | {"message_key": key.hex()}
        )
    root = []
    for encapsulated in (b"", fill("encapsulated")):
        before, agreed = RootKey(fill("root")), SharedSecret(fill("agreed"))
        mixed = SharedSecret(encapsulated) if encapsulated else None
        after, chain_key, header = take_root_step(before, agreed, mixed)
        root.append(
            {"root": before.hex(), "agreed": agreed.hex(), "encapsulated": encapsulated.hex()}
            | {"next_root": after.hex(), "chain_key": chain_key.hex()}
            | {"next_header_key": header.hex()}
        )
    talks = [talk().written() for talk in (ordinary, disorder, healing, fork)]
    return {"specification": "docs/protocol/ratchet.md"} | {
        "chain": chain,
        "root": root,
        "talks": talks,
    }


def some_content(**changes: Any) -> Content:
    """Return a small message, with some fields changed."""
    fields: dict[str, Any] = {
        "circle_id": CircleId(fill("circle")),
        "audience": Audience.CIRCLE,
        "author_seq": 0,
        "prev_own": None,
        "parents": (),
        "view": (OperationId(fill("member view")),),
        "lamport": 0,
        "ttl": 0,
        "type": 0,
        "reply": None,
        "body": b"",
    }
    return Content(**(fields | changes))


def some_parents(count: int, audience: Audience = Audience.CIRCLE) -> tuple[Parent, ...]:
    return tuple(
        Parent(fill(f"author {i}", 8), audience, 1000 * i, MessageId(fill(f"message {i}")))
        for i in range(count)
    )


def content_vectors() -> list[dict[str, Any]]:
    reply = MessageId(fill("a reply"))
    before = MessageId(fill("the message before"))
    contents = [
        some_content(),
        some_content(
            author_seq=1,
            prev_own=before,
            parents=some_parents(1),
            lamport=2,
            body=b"text",
        ),
        some_content(
            audience=Audience.FACILITATORS,
            parents=(*some_parents(1, Audience.FACILITATORS), *some_parents(3)[1:]),
        ),
        some_content(parents=some_parents(3), reply=reply, type=255, body="سلام".encode()),
        some_content(
            parents=some_parents(32), author_seq=2**32 - 1, lamport=2**32 - 1, ttl=2**32 - 1
        ),
    ]
    return [
        {
            "circle_id": content.circle_id.hex(),
            "audience": content.audience,
            "author_seq": content.author_seq,
            "prev_own": content.prev_own and content.prev_own.hex(),
            "parents": [
                [one.author_mark.hex(), one.audience, one.author_seq, one.mid.hex()]
                for one in content.parents
            ],
            "view": [operation.hex() for operation in content.view],
            "lamport": content.lamport,
            "ttl": content.ttl,
            "type": content.type,
            "reply": content.reply and content.reply.hex(),
            "body": content.body.hex(),
            "encoded": encode_content(content).hex(),
        }
        for content in contents
    ]


def refused_content() -> list[dict[str, Any]]:
    whole = encode_content(some_content(parents=some_parents(2)))
    first, second = (parent.mid for parent in some_parents(2))
    cases = {
        "nothing": b"",
        "cut": whole[:-1],
        "an audience there is not": whole[:32] + b"\x02" + whole[33:],
        "a parent for fewer than its child": whole[:78] + b"\x01" + whole[79:],
        "33 parents": whole[:69] + b"\x21" + fill("parents", 33 * 45) + whole[160:],
        "a view of 33": whole[:160] + b"\x21" + fill("view", 33 * 32) + whole[193:],
        "a view that does not rise": whole[:160] + b"\x02" + bytes(64) + whole[193:],
        "one parent twice": whole.replace(second, first),
        "neither a reply nor none": whole[:-1] + b"\x02" + bytes(32),
        "larger than the largest bucket": whole.ljust(65536, b"x"),
    }
    return [
        {
            "why": why,
            "encoded": encoded.hex() if len(encoded) < 5000 else encoded[: len(whole)].hex(),
        }
        | ({"fill": "78", "size": len(encoded)} if len(encoded) >= 5000 else {})
        | {"error": error_of(lambda encoded=encoded: decode_content(encoded))}  # type: ignore[misc]
        for why, encoded in cases.items()
    ]


def common_vectors() -> list[dict[str, Any]]:
    cases = []
    for size in (0, 1, 255, 256, 511, 895, 896, 2047):
        plain, key = fill(f"plain {size}", size), ContentKey(fill(f"key {size}"))
        author = MemberId(fill(f"author {size}"))
        common = seal_content(plain, key, author=author)
        cases.append(
            {"key": key.hex(), "author": author.hex(), "plain": plain.hex()}
            | {"common": common.hex(), "message_id": message_id(common).hex()}
        )
    return cases


def refused_common() -> list[dict[str, Any]]:
    key, other = ContentKey(fill("a key")), ContentKey(fill("another key"))
    author, thief = MemberId(fill("an author")), MemberId(fill("a thief"))
    common = seal_content(b"plain", key, author=author)
    swapped = seal_content(b"plain", other, author=author)
    stolen = seal_content(b"plain", key, author=thief)
    cases = {
        "another key": (common, other),
        "the commitment of another key": (swapped[:33] + common[33:], key),
        "the seal of another key": (common[:33] + swapped[33:], key),
        "its last byte changed": (common[:-1] + bytes([common[-1] ^ 1]), key),
        "the words of another author": (stolen, key),
        "another version": (b"\x02" + common[1:], key),
        "one byte too short": (common[:-1], key),
        "one byte too long": (common + b"\x00", key),
    }
    return [
        {"why": why, "key": with_key.hex(), "author": author.hex(), "common": mauled.hex()}
        | {"error": error_of(lambda m=mauled, k=with_key: open_content(m, k, author=author))}  # type: ignore[misc]
        for why, (mauled, with_key) in cases.items()
    ]


def envelope_vectors() -> dict[str, Any]:
    return {
        "specification": "docs/protocol/envelope.md",
        "content": content_vectors(),
        "refused_content": refused_content(),
        "common": common_vectors(),
        "refused_common": refused_common(),
    }


def as_text(vectors: dict[str, Any]) -> str:
    return json.dumps(vectors, indent=1, ensure_ascii=True) + "\n"


FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "ratchet.json": ratchet_vectors,
    "envelope.json": envelope_vectors,
}


def main() -> None:
    for name, make in FILES.items():
        (HERE / name).write_text(as_text(make()), encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
