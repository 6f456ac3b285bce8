"""Our ratchet beside another one: python-doubleratchet 1.3.0, written by other people.

Both get the same keys, the same derivations and the same schedule of sending, loss and disorder.
The other one has no sealed headers and knows no ML-KEM, so we take its headers and message keys in
the plain and let its agreement return what our root step mixes. After every act it must hold the
same root, chains, numbers and skipped keys as we do, and *its* key must open *our* body under *its*
header.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from typing import Any

import pytest
from attrs import define, field
from doubleratchet import AEAD, DiffieHellmanRatchet, DoubleRatchet, EncryptedMessage, Header
from doubleratchet.kdf import KDF
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from tests.support.ratchet_pair import START
from toheal_protocol.crypto import (
    DhPublicKey,
    DhSecretKey,
    KemCiphertext,
    KemPublicKey,
    SealKey,
    SharedSecret,
    check_kem_public_key,
    derive_keys,
    dh_public_key,
    diffie_hellman,
    length_prefixed,
    open_sealed,
    prf_pair,
)
from toheal_protocol.ratchet import (
    Session,
    begin_as_initiator,
    begin_as_responder,
    offer_kem_next,
    open_message,
    seal_message,
)
from toheal_protocol.ratchet.header import split_sealed, write_header
from toheal_protocol.ratchet.keys import MessageKey
from toheal_protocol.ratchet.past import newest_first
from toheal_protocol.ratchet.skipped import _RECORD
from toheal_protocol.ratchet.state import Answering, Sending

ASSOCIATED = b"the same for both"


class RootKdf(KDF):
    """Our root step without the header key, which the other one has no use for."""

    @staticmethod
    async def derive(key: bytes, data: bytes, length: int) -> bytes:
        root, chain_key, _header_key = derive_keys(key, data, "th1/root", count=3)
        assert length == 64
        return root + chain_key


class ChainKdf(KDF):
    """Our chain step."""

    @staticmethod
    async def derive(key: bytes, data: bytes, length: int) -> bytes:
        assert (data, length) == (b"", 64)
        return b"".join(prf_pair(key, "th1/chain"))


class BareKey(AEAD):
    """Not a seal at all: it hands out the message key, which is what we want to compare."""

    @staticmethod
    async def encrypt(plaintext: bytes, key: bytes, associated_data: bytes) -> bytes:
        return key

    @staticmethod
    async def decrypt(ciphertext: bytes, key: bytes, associated_data: bytes) -> bytes:
        assert ciphertext == key
        return b""


class PlainRatchet(DoubleRatchet):
    @staticmethod
    def _build_associated_data(associated_data: bytes, header: Header) -> bytes:
        return b""


@define
class SharedTruth:
    """What both implementations draw, and which ML-KEM secret goes into which agreement."""

    seed: int
    encapsulated: dict[bytes, SharedSecret] = field(factory=dict)

    def ratchet_secret(self, name: str, index: int) -> DhSecretKey:
        return DhSecretKey(_stretch(name, self.seed, index))

    def agree(self, secret: bytes, public: bytes) -> bytes:
        """Return what our root step mixes for this agreement."""
        agreed = diffie_hellman(DhSecretKey(secret), DhPublicKey(public))
        return length_prefixed(agreed, self.encapsulated.get(agreed, b""))

    def ratchet_class(self, name: str) -> type[DiffieHellmanRatchet]:
        """Return the other one's ratchet for one side, drawing what our side draws."""
        truth, drawn = self, iter(range(10**6))

        class Curve25519(DiffieHellmanRatchet):
            @staticmethod
            def _generate_priv() -> bytes:
                return truth.ratchet_secret(name, next(drawn))

            @staticmethod
            def _derive_pub(priv: bytes) -> bytes:
                return dh_public_key(DhSecretKey(priv))

            @staticmethod
            def _perform_diffie_hellman(own_priv: bytes, other_pub: bytes) -> bytes:
                return truth.agree(own_priv, other_pub)

        return Curve25519


def _stretch(name: str, seed: int, index: int) -> bytes:
    return prf_pair(f"{name} {seed} {index}".encode(), "th1/chain")[0]


@define
class PlannedEntropy:
    """Our side's randomness: the shared ratchet secrets, and ML-KEM answers planned ahead.

    The other one takes its step when a message arrives, ours when the next one leaves; so what
    ours will encapsulate is drawn at the arrival.
    """

    truth: SharedTruth
    name: str
    rest: SeededEntropy
    steps: int = 0
    planned: deque[tuple[SharedSecret, KemCiphertext]] = field(factory=deque)

    def draw(self, size: int) -> bytes:
        if size != 32:
            return self.rest.draw(size)
        self.steps += 1
        return self.truth.ratchet_secret(self.name, self.steps - 1)

    def encapsulate(self, public_key: KemPublicKey) -> tuple[SharedSecret, KemCiphertext]:
        return self.planned.popleft()

    def plan(self, answering: Answering) -> None:
        """Draw the answer to an offer now, and tell the other one which secret it brings."""
        if answering.their_offer is None:
            return
        secret, ciphertext = check_kem_public_key(answering.their_offer).encapsulate()
        self.planned.append((SharedSecret(secret), KemCiphertext(ciphertext)))
        upcoming = self.truth.ratchet_secret(self.name, self.steps)
        agreed = diffie_hellman(upcoming, answering.their_dh)
        self.truth.encapsulated[agreed] = SharedSecret(secret)


@define(eq=False)
class Letter:
    sealed: bytes
    plain: bytes
    theirs: EncryptedMessage
    is_read: bool = False


@define(eq=False)
class Both:
    """One side of the talk in both implementations."""

    name: str
    session: Session
    entropy: PlannedEntropy
    other: DoubleRatchet | None = None
    other_settings: dict[str, Any] = field(factory=dict)

    def seal(self, plain: bytes) -> Letter:
        self.session, sealed = seal_message(
            self.session, plain, ASSOCIATED, entropy=self.entropy, now=START
        )
        if self.other is None:
            self.other, encrypted = at_once(
                PlainRatchet.encrypt_initial_message(
                    message=plain, associated_data=b"", **self.other_settings
                )
            )
        else:
            encrypted = at_once(self.other.encrypt_message(plain, b""))
        check_their_key_opens_our_body(self.session, sealed, plain, encrypted)
        self.check()
        return Letter(sealed, plain, encrypted)

    def open(self, letter: Letter) -> None:
        stepped = self.session.receiving
        self.session, plain = open_message(
            self.session, letter.sealed, ASSOCIATED, entropy=self.entropy, now=START
        )
        assert plain == letter.plain
        newest, ours = self.session.receiving, self.session.ours
        assert newest is not None
        if isinstance(ours, Answering) and (stepped is None or stepped.serial != newest.serial):
            self.entropy.plan(ours)
        if self.other is None:
            self.other, _ = at_once(
                PlainRatchet.decrypt_initial_message(
                    message=letter.theirs, associated_data=b"", **self.other_settings
                )
            )
        else:
            at_once(self.other.decrypt_message(letter.theirs, b""))
        letter.is_read = True
        self.check()

    def check(self) -> None:
        """Compare everything both implementations hold."""
        assert self.other is not None
        model = self.other.model
        ratchet = model.diffie_hellman_ratchet
        chains = ratchet.symmetric_key_ratchet
        newest, ours = self.session.receiving, self.session.ours
        if newest is not None:
            assert chains.receiving_chain is not None
            assert ratchet.other_ratchet_pub == newest.dh
            assert chains.receiving_chain.key == newest.chain_key
            assert chains.receiving_chain.length == newest.number
        if isinstance(ours, Sending):
            assert chains.sending_chain is not None
            assert ratchet.root_chain.key == self.session.root
            assert ratchet.own_ratchet_priv == ours.secret
            assert chains.sending_chain.key == ours.chain_key
            assert chains.sending_chain.length == ours.number
            assert (chains.previous_sending_chain_length or 0) == ours.previous
        assert skipped_of(self.session) == {
            (key.ratchet_pub, key.index, key.message_key) for key in model.skipped_message_keys
        }


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


def check_their_key_opens_our_body(
    session: Session, sealed: bytes, plain: bytes, theirs: EncryptedMessage
) -> None:
    """Open our sealed body with the other one's key under the other one's header."""
    arrived = split_sealed(sealed, ASSOCIATED)
    assert isinstance(session.ours, Sending)
    header = write_header(
        DhPublicKey(theirs.header.ratchet_pub),
        theirs.header.previous_sending_chain_length,
        theirs.header.sending_chain_length,
        session.ours.tail,
    )
    key = MessageKey(SealKey(theirs.ciphertext))
    covered = arrived.bound + header
    assert open_sealed(key, arrived.nonce, arrived.sealed_body, covered) == plain


def skipped_of(session: Session) -> set[tuple[bytes, int, bytes]]:
    """Return our skipped keys the way the other one names them."""
    chains = {past.serial: past.dh for past in newest_first(session.past)}
    if session.receiving is not None:
        chains[session.receiving.serial] = session.receiving.dh
    records = (_RECORD.unpack(row) for row in rows(session.skipped.records, _RECORD.size))
    return {(chains[serial], number, key) for serial, number, _dies, key in records}


def rows(row: bytes, size: int) -> list[bytes]:
    return [row[at : at + size] for at in range(0, len(row), size)]


def meet(seed: int) -> tuple[Both, Both]:
    """Begin one session in both implementations, on both sides."""
    truth = SharedTruth(seed)
    keys = {
        "root": _stretch("root", seed, 0),
        "header_initiator": _stretch("header", seed, 1),
        "header_responder": _stretch("header", seed, 2),
    }
    first_secret = truth.ratchet_secret("handshake", 0)
    first_public = dh_public_key(first_secret)
    entropies = [
        PlannedEntropy(truth, name, SeededEntropy(seed + 10 * i))
        for i, name in enumerate(("ours", "theirs"))
    ]
    common = {
        "root_chain_kdf": RootKdf,
        "message_chain_kdf": ChainKdf,
        "message_chain_constant": b"",
        "dos_protection_threshold": 500,
        "max_num_skipped_message_keys": 1000,
        "aead": BareKey,
        "shared_secret": keys["root"],
    }
    ours = begin_as_initiator(
        **keys, their_ratchet_key=first_public, entropy=entropies[0], now=START
    )
    theirs = begin_as_responder(**keys, our_ratchet_secret=first_secret, now=START)
    return (
        Both(
            "ours",
            ours,
            entropies[0],
            other_settings=common
            | {
                "diffie_hellman_ratchet_class": truth.ratchet_class("ours"),
                "recipient_ratchet_pub": first_public,
            },
        ),
        Both(
            "theirs",
            theirs,
            entropies[1],
            other_settings=common
            | {
                "diffie_hellman_ratchet_class": truth.ratchet_class("theirs"),
                "own_ratchet_priv": first_secret,
            },
        ),
    )


acts = st.lists(
    st.tuples(
        st.sampled_from(["write", "deliver", "write", "deliver", "deliver", "lose", "offer"]),
        st.booleans(),
        st.integers(0, 30),
    ),
    min_size=50,
    max_size=70,
)


@given(acts=acts, seed=st.integers(0, 1000))
@settings(max_examples=100)
def test_both_implementations_hold_the_same_keys_whatever_the_network_does(
    acts: list[tuple[str, bool, int]], seed: int
) -> None:
    ours, theirs = meet(seed)
    to: dict[str, list[Letter]] = {"ours": [], "theirs": [ours.seal(b"hello")]}
    for act, is_ours, choice in acts:
        actor, reader = (ours, theirs) if is_ours else (theirs, ours)
        waiting = to[actor.name]
        if act == "deliver" and waiting:
            actor.open(waiting.pop(choice % len(waiting)))
        elif act == "lose" and len(waiting) > 1:
            waiting.pop(choice % len(waiting))
        elif act == "offer":
            actor.session = offer_kem_next(actor.session)
        elif actor.session.can_send:
            to[reader.name].append(actor.seal(b"%d" % choice))


@pytest.mark.parametrize("seed", range(3))
def test_a_long_talk_with_gaps_agrees_key_by_key(seed: int) -> None:
    ours, theirs = meet(seed)
    held: list[tuple[Both, Letter]] = []
    for i in range(40):
        letters = [ours.seal(b"%d" % i) for _ in range(1 + i % 4)]
        for letter in letters[1:-1]:
            held.append((theirs, letter))
        theirs.open(letters[-1])
        if len(letters) > 1:
            held.append((theirs, letters[0]))
        if i % 3 == 0 and held:
            reader, late = held.pop(0)
            reader.open(late)
        ours, theirs = theirs, ours
    for reader, late in held:
        reader.open(late)
