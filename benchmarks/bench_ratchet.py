"""The pair session: what sealing and opening one 32-byte key costs, beside python-doubleratchet 1.3.0.

Both run in one process, by turns, in chain (no key agreement), on messages in order. The other
one is set up as OMEMO uses it, with its own recommended parts (X25519, HKDF and HMAC with SHA-256,
AES-256-CBC with HMAC); it seals no headers and knows no ML-KEM, ours does. Neither writes to a disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Coroutine
from typing import Any

from doubleratchet import DoubleRatchet, Header
from doubleratchet.recommended import (
    HashFunction,
    aead_aes_hmac,
    diffie_hellman_ratchet_curve25519,
    kdf_hkdf,
    kdf_separate_hmacs,
)

from benchmarks.figures import Figure
from toheal_protocol.crypto import (
    DhSecretKey,
    KemCiphertext,
    KemPublicKey,
    SharedSecret,
    check_kem_public_key,
    dh_public_key,
)
from toheal_protocol.model import WallTime
from toheal_protocol.ratchet import (
    MAX_SKIP,
    Session,
    begin_as_initiator,
    begin_as_responder,
    decode_session,
    encode_session,
    offer_kem_next,
    open_message,
    seal_message,
)

NOW = WallTime(1_750_000_000)
KEY, REFERENCE = bytes(32), bytes(32)
MESSAGES, ROUNDS = 400, 7


class SystemRandomness:
    """The operating system's randomness, as in the client."""

    def draw(self, size: int) -> bytes:
        return os.urandom(size)

    def encapsulate(self, public_key: KemPublicKey) -> tuple[SharedSecret, KemCiphertext]:
        secret, ciphertext = check_kem_public_key(public_key).encapsulate()
        return SharedSecret(secret), KemCiphertext(ciphertext)


ENTROPY = SystemRandomness()


class Ours:
    """A pair of our sessions in ordinary talk: the sender has a chain, nothing is skipped."""

    def __init__(self) -> None:
        secret = DhSecretKey(os.urandom(32))
        names = ("root", "header_initiator", "header_responder")
        keys = {name: os.urandom(32) for name in names}
        their_key = dh_public_key(secret)
        self.sender = begin_as_initiator(
            **keys, their_ratchet_key=their_key, entropy=ENTROPY, now=NOW
        )
        self.receiver = begin_as_responder(**keys, our_ratchet_secret=secret, now=NOW)
        for _ in range(12):
            self.pass_one()
            self.sender, self.receiver = self.receiver, self.sender
        self.pass_one()

    def seal(self) -> bytes:
        self.sender, sealed = seal_message(self.sender, KEY, REFERENCE, entropy=ENTROPY, now=NOW)
        return sealed

    def open(self, sealed: bytes) -> None:
        self.receiver, _ = open_message(self.receiver, sealed, REFERENCE, entropy=ENTROPY, now=NOW)

    def pass_one(self) -> None:
        self.open(self.seal())

    def answer_each_other(self) -> None:
        """One message each way: two steps of both sides."""
        for _ in range(2):
            self.pass_one()
            self.sender, self.receiver = self.receiver, self.sender


class RootKdf(kdf_hkdf.KDF):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256

    @staticmethod
    def _get_info() -> bytes:
        return b"benchmark root"


class ChainKdf(kdf_separate_hmacs.KDF):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256


class Aead(aead_aes_hmac.AEAD):
    @staticmethod
    def _get_hash_function() -> HashFunction:
        return HashFunction.SHA_256

    @staticmethod
    def _get_info() -> bytes:
        return b"benchmark message"


class OtherRatchet(DoubleRatchet):
    @staticmethod
    def _build_associated_data(associated_data: bytes, header: Header) -> bytes:
        numbers = header.previous_sending_chain_length, header.sending_chain_length
        return b"".join(
            (associated_data, header.ratchet_pub, *(n.to_bytes(8, "big") for n in numbers))
        )


class Theirs:
    """A pair of python-doubleratchet's, in the same situation."""

    def __init__(self) -> None:
        secret = DhSecretKey(os.urandom(32))
        settings: dict[str, Any] = {
            "diffie_hellman_ratchet_class": diffie_hellman_ratchet_curve25519.DiffieHellmanRatchet,
            "root_chain_kdf": RootKdf,
            "message_chain_kdf": ChainKdf,
            "message_chain_constant": b"\x01\x02",
            "dos_protection_threshold": MAX_SKIP,
            "max_num_skipped_message_keys": 2 * MAX_SKIP,
            "aead": Aead,
            "shared_secret": os.urandom(32),
            "message": KEY,
            "associated_data": REFERENCE,
        }
        self.sender, first = at_once(
            OtherRatchet.encrypt_initial_message(
                recipient_ratchet_pub=dh_public_key(secret), **settings
            )
        )
        settings["message"] = first
        self.receiver, _ = at_once(
            OtherRatchet.decrypt_initial_message(own_ratchet_priv=secret, **settings)
        )

    def seal(self) -> Any:
        return at_once(self.sender.encrypt_message(KEY, REFERENCE))

    def open(self, sealed: Any) -> None:
        assert at_once(self.receiver.decrypt_message(sealed, REFERENCE)) == KEY


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits, without the cost of an event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


def microseconds(act: Callable[[], object], count: int) -> float:
    """Return the mean of `count` calls."""
    started = time.perf_counter()
    for _ in range(count):
        act()
    return (time.perf_counter() - started) / count * 1e6


def seal_and_open(side: Ours | Theirs) -> tuple[float, float]:
    """Seal a row of messages, then open them; microseconds for one of each."""
    row: list[Any] = []
    sealing = microseconds(lambda: row.append(side.seal()), MESSAGES)
    waiting = iter(row)
    return sealing, microseconds(lambda: side.open(next(waiting)), MESSAGES)


def best(measure: Callable[[], float]) -> float:
    """Return the best of a few rounds: other load on the machine only ever adds."""
    return min(measure() for _ in range(ROUNDS))


def side_by_side() -> tuple[list[float], list[float]]:
    """Return the best seal and open of ours and of theirs, measured by turns."""
    ours, theirs = Ours(), Theirs()
    rounds = [(seal_and_open(ours), seal_and_open(theirs)) for _ in range(ROUNDS)]
    return (
        [min(ours[i] for ours, _ in rounds) for i in (0, 1)],
        [min(theirs[i] for _, theirs in rounds) for i in (0, 1)],
    )


def with_skipped_keys() -> Session:
    """Return a session that keeps 500 skipped keys."""
    pair = Ours()
    for _ in range(MAX_SKIP):
        pair.seal()
    pair.pass_one()
    return pair.receiver


def one_gap() -> float:
    """Milliseconds to open a message behind the largest gap."""
    pair = Ours()
    for _ in range(MAX_SKIP):
        pair.seal()
    sealed = pair.seal()
    return microseconds(lambda: pair.open(sealed), 1) / 1000


def mlkem_round(pair: Ours) -> None:
    """One message each way, with an offer and its answer."""
    pair.sender = offer_kem_next(pair.sender)
    pair.answer_each_other()


def main() -> list[Figure]:
    """Measure."""
    (our_seal, our_open), (their_seal, their_open) = side_by_side()
    pair = Ours()
    crowded = with_skipped_keys()
    encoded = encode_session(pair.receiver)

    def measured(act: Callable[[], object]) -> float:
        return best(lambda: microseconds(act, 200))

    return [
        Figure("a wrapped key on the wire", len(pair.seal()), "bytes", "no ML-KEM under way"),
        Figure("seal, python-doubleratchet", their_seal, "µs"),
        Figure("seal", our_seal, "µs", compared_to="seal, python-doubleratchet"),
        Figure("open, python-doubleratchet", their_open, "µs"),
        Figure("open", our_open, "µs", compared_to="open, python-doubleratchet"),
        Figure("times faster, seal", their_seal / our_seal, "×"),
        Figure("times faster, open", their_open / our_open, "×"),
        Figure("times faster, both", (their_seal + their_open) / (our_seal + our_open), "×"),
        Figure(
            "encode the state",
            measured(lambda: encode_session(pair.receiver)),
            "µs",
            f"{len(encoded)} bytes, no skipped keys",
        ),
        Figure(
            "encode the state with 500 skipped keys",
            measured(lambda: encode_session(crowded)),
            "µs",
            f"{len(encode_session(crowded))} bytes",
        ),
        Figure("decode the state", measured(lambda: decode_session(encoded)), "µs"),
        Figure(
            "a message each way",
            measured(pair.answer_each_other),
            "µs",
            "two X25519 steps on both sides, all four acts",
        ),
        Figure(
            "a message each way with ML-KEM",
            measured(lambda: mlkem_round(pair)),
            "µs",
            "one offer or one answer in each step",
        ),
        Figure("open behind a gap of 500", best(one_gap), "ms"),
    ]


if __name__ == "__main__":
    from benchmarks.figures import print_figures

    print_figures(main())
