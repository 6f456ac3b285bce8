"""The client's connection against a real relay on loopback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import trio
from toheal_p2p.adapters.relay_tls import dial
from toheal_p2p.ports.relays import RelayLost
from toheal_p2p.services.relay_connection import (
    Deposited,
    MailArrived,
    RelayConnection,
    RelayDown,
    RelayUp,
    WatchedMailbox,
)
from toheal_protocol.crypto import SigningSeed, token_of
from toheal_protocol.model import DepositToken
from toheal_protocol.wire.mailbox import MailboxKind
from toheal_protocol.wire.relay_address import RelayAddress

from tests.support.relays import running_relay

pytestmark = pytest.mark.real

SEED = SigningSeed(b"r" * 32)
TOKEN = DepositToken(b"t" * 16)
MAILBOX = WatchedMailbox(SEED, token_of(TOKEN), MailboxKind.MAIL)


def connection_to(address: RelayAddress) -> RelayConnection:
    return RelayConnection(address, dial=dial, jitter=lambda: 0.0)


@pytest.mark.trio
async def test_a_deposit_is_pushed_to_its_reader(tmp_path: Path) -> None:
    with trio.fail_after(5):
        async with running_relay(tmp_path) as relay, trio.open_nursery() as nursery:
            reader, writer = connection_to(relay.address), connection_to(relay.address)
            await nursery.start(reader.run)
            await nursery.start(writer.run)
            reader.watch([MAILBOX])
            writer.deposit(1, MAILBOX.address, TOKEN, b"sealed")
            assert await reader.events.receive() == RelayUp(relay.desk.boot)
            assert await writer.events.receive() == RelayUp(relay.desk.boot)
            assert await writer.events.receive() == Deposited(1)
            mail = await reader.events.receive()
            assert isinstance(mail, MailArrived)
            assert (mail.address, mail.frame) == (MAILBOX.address, b"sealed")
            reader.delete(SEED, [mail.item])
            while relay.desk.holdings().items:
                await trio.sleep(0.005)
            nursery.cancel_scope.cancel()
