"""What is kept of a person apart from circles, and how circles come back from the vault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from attrs import evolve

from toheal_p2p.app.refusals import RefusalCode, Refused
from toheal_p2p.ports.vault import Stored, StoredCircle
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import UnusableName, clean_name
from toheal_protocol.machines.records import PutSetting
from toheal_protocol.machines.state import Circle, Log
from toheal_protocol.machines.storing import decode_cold, decode_held, decode_log, decode_pair
from toheal_protocol.messages.invitation import MAX_CHARTER_SIZE
from toheal_protocol.model import MAX_NAME_LENGTH, MAX_TEXT_SIZE
from toheal_protocol.wire.relay_address import RelayAddress, parse_relay_address

NICKNAME: Final = "nickname"
RELAYS: Final = "relays"

MAX_OWN_RELAYS: Final = 8
"""Relays a profile keeps; a circle uses two."""


def nickname_of(settings: Mapping[str, bytes]) -> str:
    """Return the name the person chose at `init`."""
    return settings.get(NICKNAME, b"").decode()


def relays_of(settings: Mapping[str, bytes]) -> tuple[RelayAddress, ...]:
    """Return the profile's own relays."""
    listed: list[str] = json.loads(settings.get(RELAYS, b"[]"))
    return tuple(parse_relay_address(address) for address in listed)


def put_nickname(name: str) -> PutSetting:
    """Return the record that keeps a nickname."""
    return PutSetting(NICKNAME, name.encode())


def put_relays(relays: tuple[RelayAddress, ...]) -> PutSetting:
    """Return the record that keeps the profile's relays."""
    return PutSetting(RELAYS, json.dumps([str(relay) for relay in relays]).encode())


def read_relay(address: str) -> RelayAddress:
    """Read a relay's address as a person typed it."""
    try:
        return parse_relay_address(address.strip())
    except RemoteError:
        raise Refused("relay_address_malformed", address=address[:200]) from None


def usable_name(name: str) -> str:
    """Clean a name, or refuse it with the reason.

    Raises:
        Refused: name_empty, name_too_long, name_unusable.
    """
    if not name.strip():
        raise Refused("name_empty")
    if len(name) > MAX_NAME_LENGTH:
        raise Refused("name_too_long", limit=MAX_NAME_LENGTH)
    try:
        return clean_name(name)
    except UnusableName:
        code: RefusalCode = "name_unusable"
        raise Refused(code) from None


def require_charter(charter: str) -> None:
    """Refuse a charter that says nothing or too much."""
    if not charter.strip():
        raise Refused("charter_empty")
    if len(charter.encode()) > MAX_CHARTER_SIZE:
        raise Refused("charter_too_long", limit=MAX_CHARTER_SIZE)


def require_text(text: str) -> None:
    """Refuse to say nothing or too much."""
    if not text.strip():
        raise Refused("text_empty")
    if len(text.encode(errors="replace")) > MAX_TEXT_SIZE:
        raise Refused("text_too_long", limit=MAX_TEXT_SIZE)


def restore(stored: Stored) -> tuple[list[Circle], str, tuple[RelayAddress, ...]]:
    """Return the circles, the nickname and the relays that the vault kept.

    Raises:
        Refused: vault_damaged.
    """
    try:
        circles = [restore_circle(one) for one in stored.circles]
        return circles, nickname_of(stored.settings), relays_of(stored.settings)
    except (RemoteError, ValueError):
        raise Refused("vault_damaged") from None


def restore_circle(stored: StoredCircle) -> Circle:
    """Put a circle together again from what the vault kept.

    Raises:
        MalformedFrame: the vault is damaged.
    """
    log = Log() if stored.log_blob is None else decode_log(stored.log_blob)
    return Circle(
        cold=decode_cold(stored.blob),
        log=evolve(
            log,
            held={mid: decode_held(blob) for mid, blob in stored.held.items()},
        ),
        pairs={member: decode_pair(blob) for member, blob in stored.pairs.items()},
    )
