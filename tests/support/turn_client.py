"""A TURN client by hand: it writes requests and reads answers; whoever uses it carries the bytes."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from attrs import define, field

from toheal_protocol.crypto.turn import long_term_key
from toheal_protocol.wire.codec import u16, u32
from toheal_protocol.wire.stun import (
    ERROR_CODE,
    MESSAGE_INTEGRITY,
    NONCE,
    REALM,
    USERNAME,
    StunMessage,
    decode_error_code,
    decode_stun,
    decode_xor_address,
    encode_stun,
    encode_xor_address,
)
from toheal_protocol.wire.stun_integrity import check_integrity, sign_stun
from toheal_protocol.wire.turn import (
    CHANNEL_NUMBER,
    DATA,
    LIFETIME,
    REQUESTED_TRANSPORT,
    UDP,
    XOR_PEER_ADDRESS,
    XOR_RELAYED_ADDRESS,
    Kind,
    Method,
)

Attribute = tuple[int, bytes]
Exchange = Callable[[bytes], bytes | None]
"""Sends a request and returns its answer, None if there is none."""

TO_UDP: Attribute = (REQUESTED_TRANSPORT, bytes([UDP, 0, 0, 0]))

_numbers = itertools.count(1)


def fresh_transaction() -> bytes:
    """Return a transaction id that no other request of this process has."""
    return next(_numbers).to_bytes(12, "big")


class Refused(Exception):
    """The server answered with an error; `args[0]` is its code."""


class Silence(Exception):
    """The server did not answer."""


def peer(host: str, port: int, transaction: bytes) -> Attribute:
    """Return an XOR-PEER-ADDRESS."""
    return XOR_PEER_ADDRESS, encode_xor_address(host, port, transaction)


def send_indication(host: str, port: int, packet: bytes) -> bytes:
    """Write a Send indication."""
    transaction = fresh_transaction()
    attributes = (peer(host, port, transaction), (DATA, packet))
    return encode_stun(StunMessage(Method.SEND | Kind.INDICATION, transaction, attributes))


def read_data(message: bytes) -> tuple[tuple[str, int], bytes]:
    """Read a Data indication: who sent it, and what."""
    read = decode_stun(message)
    assert read.type == Method.DATA | Kind.INDICATION
    address, packet = read.find(XOR_PEER_ADDRESS), read.find(DATA)
    assert address is not None
    assert packet is not None
    return decode_xor_address(address, read.transaction), packet


@define(eq=False)
class TurnClient:
    """One set of credentials, used over one five-tuple."""

    exchange: Exchange
    username: str
    password: str
    integrity: int = MESSAGE_INTEGRITY
    realm: bytes = b""
    nonce: bytes = b""
    answer: StunMessage | None = field(default=None, init=False)

    @property
    def key(self) -> bytes:
        return long_term_key(self.username.encode(), self.realm, self.password.encode())

    def write(self, method: Method, *attributes: Attribute, transaction: bytes) -> bytes:
        """Write a request, signed if we know realm and nonce."""
        if not self.nonce:
            return encode_stun(StunMessage(method | Kind.REQUEST, transaction, attributes))
        named = (
            *attributes,
            (USERNAME, self.username.encode()),
            (REALM, self.realm),
            (NONCE, self.nonce),
        )
        message = StunMessage(method | Kind.REQUEST, transaction, named)
        return sign_stun(message, self.key, kind=self.integrity)

    def ask(self, method: Method, *attributes: Attribute, transaction: bytes = b"") -> StunMessage:
        """Ask, once more if challenged, and return the answer, its signature checked.

        Raises:
            Refused: with the code.
            Silence: there was no answer.
        """
        code = 0
        for _ in range(3):
            named = transaction or fresh_transaction()
            answer = self._exchange(self.write(method, *attributes, transaction=named), named)
            if answer.type == method | Kind.SUCCESS:
                assert check_integrity(answer, self.key) == self.integrity
                return answer
            assert answer.type == method | Kind.ERROR
            code = decode_error_code(answer.find(ERROR_CODE) or b"")
            nonce = answer.find(NONCE)
            if code not in (401, 438) or nonce is None or nonce == self.nonce:
                break
            self.realm, self.nonce = answer.find(REALM) or b"", nonce
        raise Refused(code)

    def allocate(self, *more: Attribute, transaction: bytes = b"") -> tuple[str, int]:
        """Return our relayed address."""
        answer = self.ask(Method.ALLOCATE, TO_UDP, *more, transaction=transaction)
        relayed = answer.find(XOR_RELAYED_ADDRESS)
        assert relayed is not None
        return decode_xor_address(relayed, answer.transaction)

    def refresh(self, lifetime: int) -> int:
        """Return the lifetime we have now."""
        answer = self.ask(Method.REFRESH, (LIFETIME, u32(lifetime)))
        return int.from_bytes(answer.find(LIFETIME) or b"", "big")

    def permit(self, *hosts: str) -> None:
        """Let packets from and to addresses through."""
        transaction = fresh_transaction()
        peers = [peer(host, 0, transaction) for host in hosts]
        self.ask(Method.CREATE_PERMISSION, *peers, transaction=transaction)

    def bind(self, number: int, host: str, port: int) -> None:
        """Give a peer a channel."""
        transaction = fresh_transaction()
        channel = (CHANNEL_NUMBER, u16(number) + bytes(2))
        self.ask(
            Method.CHANNEL_BIND, channel, peer(host, port, transaction), transaction=transaction
        )

    def _exchange(self, request: bytes, transaction: bytes) -> StunMessage:
        answer = self.exchange(request)
        if answer is None:
            raise Silence
        self.answer = decode_stun(answer)
        assert self.answer.transaction == transaction
        return self.answer
