"""What makes a link open soon on a line that loses packets: each step is said twice, and a decision is
followed without a question."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from aioice import stun
from aioice.ice import CandidatePair

from tests.support.aioice_turn import ask_grant
from tests.support.channels import connected
from tests.support.guest import guest_run
from tests.support.relays import relay_process
from toheal_p2p.adapters import sctp, turn
from toheal_p2p.adapters.ice import GuardedIce, GuardedStun, _candidate
from toheal_p2p.adapters.sctp import GuardedSctp
from toheal_p2p.adapters.turn import QuickTransaction
from toheal_p2p.adapters.webrtc import PreparedWebRtc, WebRtcChannels
from toheal_p2p.ports.channels import RelayServer, ServerKind
from toheal_protocol.machines.events import LinkWay

pytestmark = pytest.mark.real
in_guest = pytest.mark.trio(run=guest_run)

LOOPBACK = WebRtcChannels(include_loopback=True)
NEVER = 1_000.0
LONGEST = 20
"""Seconds after which it was lost, on the busiest of machines."""


class Asked:
    """Somebody who is asked over UDP, and answers the request of this number."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.sent: list[stun.Message] = []
        self.transaction: QuickTransaction | None = None

    def send_stun(self, message: stun.Message, _to: object) -> None:
        self.sent.append(message)
        if len(self.sent) == self.answers:
            assert self.transaction is not None
            answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
            self.transaction.response_received(answer, ("192.0.2.1", 1))


async def ask(asked: Asked, **how: bool) -> None:
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    asked.transaction = QuickTransaction(request, ("192.0.2.1", 1), asked, **how)
    await asyncio.wait_for(asked.transaction.run(), LONGEST)


def test_a_request_that_is_lost_goes_out_again_before_its_answer_could_be_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turn, "FIRST_WAIT", NEVER)
    asked = Asked(answers=2)
    asyncio.run(ask(asked))
    assert len(asked.sent) == 2
    assert asked.sent[0] is asked.sent[1]


def test_a_request_that_is_answered_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "SOON_AGAIN", 0.0)
    asked = Asked(answers=1)

    async def main() -> None:
        await ask(asked)
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert len(asked.sent) == 1


def test_over_a_stream_nothing_is_said_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "SOON_AGAIN", 0.0)
    asked = Asked(answers=2)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(asked, is_stream=True), 0.05)

    asyncio.run(main())
    assert len(asked.sent) == 1


@pytest.mark.parametrize("lost", ["InitChunk", "CookieEchoChunk"])
@in_guest
async def test_a_step_of_sctp_that_is_lost_is_said_again_soon(
    lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sctp, "FIRST_RTO", NEVER)
    send, dropped = GuardedSctp._send_chunk, set()  # both begin, and one of them would do

    async def lossy(self: GuardedSctp, chunk: Any) -> None:
        if type(chunk).__name__ == lost and self not in dropped:
            dropped.add(self)
            return
        await send(self, chunk)

    monkeypatch.setattr(GuardedSctp, "_send_chunk", lossy)
    with trio.fail_after(LONGEST):
        for channel in await connected(LOOPBACK, LOOPBACK):
            await channel.aclose()
    assert dropped


@in_guest
async def test_each_datagram_of_dtls_may_be_lost_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And none of them waits for a repeat of OpenSSL's, which takes a second."""
    lost = []

    class Lossy:
        """Loses whatever it is given for the first time."""

        def __init__(self, transport: Any) -> None:
            self._transport = transport

        def __getattr__(self, name: str) -> Any:
            return getattr(self._transport, name)

        async def _send(self, data: bytes) -> None:
            if data[0] in (20, 22) and data not in lost:  # of the handshake
                lost.append(data)
                return
            await self._transport._send(data)

    init = PreparedWebRtc.__init__

    def lossy_init(self: PreparedWebRtc, *args: Any) -> None:
        init(self, *args)
        self._dtls._transport = Lossy(self._dtls.transport)

    monkeypatch.setattr(PreparedWebRtc, "__init__", lossy_init)
    with trio.fail_after(LONGEST):
        for channel in await connected(LOOPBACK, LOOPBACK):
            await channel.aclose()
    assert len(lost) >= 3


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RelayServer]:
    """TURN over UDP at a relay of ours."""
    with relay_process(tmp_path) as relay:
        grant, address = ask_grant(relay.address), relay.address
        yield RelayServer(
            address.host, address.port, ServerKind.UDP, grant.username, grant.password
        )


@in_guest
async def test_who_is_decided_for_speaks_without_an_answer_to_a_check_of_its_own(
    service: RelayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_start = GuardedIce.check_start

    async def silent(self: GuardedIce, pair: CandidatePair) -> None:
        if self.ice_controlling:
            await check_start(self, pair)
        else:
            self.check_state(pair, CandidatePair.State.IN_PROGRESS)
            unsigned = self.build_request(pair, nominate=False)
            pair.protocol.send_stun(unsigned, pair.remote_addr)  # and the relay lets them in
            await asyncio.sleep(NEVER)

    monkeypatch.setattr(GuardedIce, "check_start", silent)
    with trio.fail_after(LONGEST):
        ends = await connected(
            LOOPBACK, LOOPBACK, ways=(LinkWay.TURN, LinkWay.TURN), servers=[service]
        )
        for speaker, listener in (ends, ends[::-1]):
            speaker.send_nowait(b"hello")
            assert await listener.receive() == (b"hello",)
        for channel in ends:
            await channel.aclose()
    await trio.sleep(0.05)
    assert not [task for task in asyncio.all_tasks() if "silent" in repr(task)]


@pytest.mark.parametrize(
    ("kind", "is_controlling", "is_followed"),
    [("relay", False, True), ("prflx", False, False), ("relay", True, False)],
)
def test_only_an_address_that_the_peer_named_is_followed_and_only_by_who_does_not_decide(
    kind: str, is_controlling: bool, is_followed: bool
) -> None:
    async def main() -> None:
        ice = GuardedIce(
            controlling=is_controlling, way=LinkWay.TURN, servers=(), include_loopback=False
        )
        protocol = GuardedStun(ice)
        protocol.local_candidate = _candidate("relay", 1, "192.0.2.1", 1)
        pair = CandidatePair(protocol, _candidate(kind, 1, "192.0.2.2", 2))
        pair.remote_candidate._network_host = "192.0.2.2"
        ice._check_list.append(pair)
        ice._follow(("192.0.2.3", 2), protocol)
        assert not ice._nominated
        ice._follow(("192.0.2.2", 2), protocol)
        assert bool(ice._nominated) == is_followed

    asyncio.run(main())
