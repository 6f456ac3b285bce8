"""What stands around a packet on its way to a client, and what a packet of ICE looks like.

Source: RFC 8656, sections 11.5 and 12.4; RFC 8445, section 7.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.errors import RemoteError
from toheal_protocol.wire.stun import (
    BINDING_REQUEST,
    BINDING_SUCCESS,
    MESSAGE_INTEGRITY,
    StunMessage,
    decode_stun,
    encode_stun,
    encode_xor_address,
)
from toheal_protocol.wire.turn import DATA, XOR_PEER_ADDRESS, Kind, Method
from toheal_relay.turn.allocation import Client, Outgoing, PeerAddress

_INDICATION_TRANSACTION: Final = bytes(12)
"""Nothing is ever answered to an indication, so its transaction tells nobody anything."""


def hand_over(client: Client, frame: tuple[bytes, bytes], packets: list[bytes]) -> Outgoing:
    """Frame packets of one size for a client."""
    before, after = frame
    if after:
        block = b"".join([before + each + after for each in packets])
    else:
        block = before.join((b"", *packets))
    return client.send, block, len(before) + len(packets[0]) + len(after), client.to


def indication(sender: PeerAddress, size: int) -> tuple[bytes, bytes]:
    """Write a Data indication (RFC 8656, section 11.5): what stands before and after its packet."""
    address = encode_xor_address(*sender, _INDICATION_TRANSACTION)
    attributes = ((XOR_PEER_ADDRESS, address), (DATA, bytes(size)))
    kind = Method.DATA | Kind.INDICATION
    whole = encode_stun(StunMessage(kind, _INDICATION_TRANSACTION, attributes))
    end = len(whole) - -size % 4
    return whole[: end - size], whole[end:]


def is_ice_check(packet: bytes) -> bool:
    """Say whether somebody sent this who was told our client's ICE password, or would like us to think.

    A public STUN server answers, too, but does not sign. We cannot check the signature: it stands
    between the two ends.

    Source: RFC 8445, sections 7.1 and 7.3.
    """
    try:
        message = decode_stun(packet)
    except RemoteError:
        return False
    is_binding = message.type in (BINDING_REQUEST, BINDING_SUCCESS)
    return is_binding and message.find(MESSAGE_INTEGRITY) is not None
