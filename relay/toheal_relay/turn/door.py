"""Who asks: the long-term credentials of a request, checked as RFC 8489 orders.

Source: RFC 8489, section 9.2.4; RFC 8656, section 5.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen

from toheal_protocol.crypto.turn import long_term_key
from toheal_protocol.errors import ForgedMessage
from toheal_protocol.model import Instant
from toheal_protocol.wire.stun import (
    MESSAGE_INTEGRITY,
    MESSAGE_INTEGRITY_SHA256,
    NONCE,
    REALM,
    USERNAME,
    StunMessage,
)
from toheal_protocol.wire.stun_integrity import check_integrity
from toheal_protocol.wire.turn import Refusal
from toheal_relay.turn.allocation import Allocation, Client
from toheal_relay.turn.answers import REALM_NAME
from toheal_relay.turn.credentials import Credentials
from toheal_relay.turn.nonces import Nonces

_LONGEST_NAME: Final = 512
"""Bytes of a USERNAME (RFC 8489, section 14.3: fewer than 509)."""


@frozen
class Asker:
    """Somebody who holds good credentials. `integrity` is how they signed, and how we answer."""

    username: bytes = field(repr=False)
    key: bytes = field(repr=False)
    integrity: int


class Door:
    """Tells those who hold good credentials from all others."""

    def __init__(self, credentials: Credentials, nonces: Nonces) -> None:
        self._credentials = credentials
        self._nonces = nonces

    def nonce_for(self, client: Client, *, now: Instant) -> bytes:
        """Return what a client has to put into its next request."""
        return self._nonces.make(client.name, now=now)

    def let_in(
        self, request: StunMessage, client: Client, allocation: Allocation | None, *, now: Instant
    ) -> Asker | Refusal:
        """Say who asks, or why they may not.

        Who made an allocation may go on with it when the time of the credentials is over, for as
        long as it is refreshed: a conversation is not cut off in the middle.
        """
        if (
            request.find(MESSAGE_INTEGRITY) is None
            and request.find(MESSAGE_INTEGRITY_SHA256) is None
        ):
            return Refusal.UNAUTHENTICATED
        username, nonce = request.find(USERNAME), request.find(NONCE)
        if username is None or nonce is None or request.find(REALM) is None:
            return Refusal.BAD_REQUEST
        key = self._key_of(username, allocation)
        if key is None:
            return Refusal.UNAUTHENTICATED
        try:
            integrity = check_integrity(request, key)
        except ForgedMessage:
            return Refusal.UNAUTHENTICATED
        if not self._nonces.is_fresh(nonce, client.name, now=now):
            return Refusal.STALE_NONCE
        return Asker(username, key, integrity)

    def _key_of(self, username: bytes, allocation: Allocation | None) -> bytes | None:
        if allocation is not None and username == allocation.username:
            return allocation.key
        if len(username) > _LONGEST_NAME:
            return None
        password = self._credentials.password_of(username)
        if password is None:
            return None
        return long_term_key(username, REALM_NAME, password.encode("ascii"))
