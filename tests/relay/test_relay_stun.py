"""STUN Binding over real UDP."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from attrs import evolve

from tests.support.relays import running_relay
from toheal_protocol.wire.stun import (
    XOR_MAPPED_ADDRESS,
    binding_request,
    decode_stun,
    decode_xor_address,
)
from toheal_relay.limits import Limits

pytestmark = pytest.mark.real


@pytest.mark.trio
async def test_who_asks_learns_where_it_comes_from(tmp_path: Path) -> None:
    with trio.fail_after(5):
        async with running_relay(tmp_path) as relay:
            with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as udp:
                await udp.connect((relay.address.host, relay.address.port))
                for fits in (True, False):
                    transaction = os.urandom(12)
                    await udp.send(binding_request(transaction, answer_fits=fits))
                    answer = decode_stun(await udp.recv(2048))
                    assert answer.transaction == transaction
                    mapped = answer.find(XOR_MAPPED_ADDRESS)
                    assert mapped is not None
                    assert decode_xor_address(mapped, transaction) == udp.getsockname()


@pytest.mark.trio
async def test_a_flood_of_short_requests_is_not_amplified(tmp_path: Path) -> None:
    limits = evolve(Limits(), short_stun_burst=10.0, short_stun_per_second=0.001)
    with trio.fail_after(5):
        async with running_relay(tmp_path, limits=limits) as relay:
            with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as udp:
                await udp.connect((relay.address.host, relay.address.port))
                for _ in range(100):
                    await udp.send(binding_request(os.urandom(12), answer_fits=False))
                    await udp.send(os.urandom(60))
                last = os.urandom(12)
                await udp.send(binding_request(last))
                answered = []
                while not answered or answered[-1] != last:
                    answered.append(decode_stun(await udp.recv(2048)).transaction)
                assert len(answered) == 11
