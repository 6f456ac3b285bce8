"""Write tests/vectors/mailboxes.json.

    python -m tests.vectors.make_mailbox_vectors

Nothing in it is drawn, so every run writes the same bytes. A wire change edits the specification
first, then runs this, and the difference of the JSON shows what changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toheal_protocol.crypto import SigningSeed, token_of, verify_key
from toheal_protocol.crypto.turn import turn_password
from toheal_protocol.model import DepositToken
from toheal_protocol.wire.mailbox import (
    Binding,
    ItemId,
    MailboxKind,
    Opening,
    address_of,
    encode_ask_turn,
    encode_credit,
    encode_deposit,
    encode_hail,
    encode_unwatch,
    sign_delete,
    sign_open,
)
from toheal_protocol.wire.mailbox_answers import (
    Code,
    Hello,
    Outcome,
    encode_hello,
    encode_mail,
    encode_reply,
    encode_turn,
)
from toheal_protocol.wire.relay_address import RelayAddress
from toheal_protocol.wire.turn_grant import TurnGrant, TurnServer, TurnTransport

FILE = Path(__file__).parent / "mailboxes.json"

BINDING = Binding(relay=bytes(range(32)), nonce=bytes(range(32, 64)))
SEEDS = [SigningSeed(bytes([number]) * 32) for number in (0x11, 0x22)]
TOKEN = DepositToken(b"\x33" * 16)
FRAME = bytes(range(64, 96))
TURN_SECRET = b"\x55" * 32
TURN_NAME = "1800000000:0123456789abcdef"
TURN_SERVERS = (
    TurnServer(TurnTransport.UDP, "", 3478),
    TurnServer(TurnTransport.TCP, "", 3478),
    TurnServer(TurnTransport.TLS, "turn.example", 5349),
)


def vectors() -> dict[str, Any]:
    """Return the whole file."""
    address = address_of(verify_key(SEEDS[0]))
    kinds = (MailboxKind.MAIL, MailboxKind.SIGNAL)
    openings = [
        Opening(verify_key(seed), token_of(TOKEN), kind, 600, watch=kind is MailboxKind.MAIL)
        for seed, kind in zip(SEEDS, kinds, strict=True)
    ]
    items = [ItemId(1), ItemId(2**63 - 1)]
    password = turn_password(TURN_SECRET, TURN_NAME)
    grant = TurnGrant(5, 3600, TURN_NAME, password, TURN_SERVERS)
    return {
        "specification": "docs/protocol/mailboxes.md",
        "relay_fingerprint": BINDING.relay.hex(),
        "nonce": BINDING.nonce.hex(),
        "relay_addresses": [
            str(RelayAddress(host, port, BINDING.relay))
            for host, port in (("relay.example", 3478), ("192.0.2.1", 1), ("2001:db8::1", 65535))
        ],
        "mailboxes": [
            {
                "read_seed": seed.hex(),
                "read_key": verify_key(seed).hex(),
                "address": address_of(verify_key(seed)).hex(),
            }
            for seed in SEEDS
        ],
        "token": {"token": TOKEN.hex(), "hash": token_of(TOKEN).hex()},
        "turn": {
            "secret": TURN_SECRET.hex(),
            "username": TURN_NAME,
            "password": password,
        },
        "commands": {
            "open": sign_open(1, list(zip(SEEDS, openings, strict=True)), BINDING).hex(),
            "deposit": encode_deposit(2, address, TOKEN, FRAME).hex(),
            "delete": sign_delete(3, SEEDS[0], items, BINDING).hex(),
            "unwatch": encode_unwatch(4, [address]).hex(),
            "credit": encode_credit(262144).hex(),
            "hail": encode_hail(2**32 - 1).hex(),
            "ask_turn": encode_ask_turn(5).hex(),
        },
        "answers": {
            "hello": encode_hello(Hello(BINDING.nonce, b"\x44" * 16)).hex(),
            "reply": encode_reply(1, [Outcome(Code.DONE, 7), Outcome(Code.FULL, 60)]).hex(),
            "refusal": encode_reply(2, [Outcome(Code.REFUSED)]).hex(),
            "mail": encode_mail(address, items[1], FRAME).hex(),
            "turn_grant": encode_turn(grant).hex(),
        },
    }


def as_text() -> str:
    """Return the file as it is written."""
    return json.dumps(vectors(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_text(), encoding="utf-8")
