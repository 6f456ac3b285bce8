"""Chromium's WebRTC as a foreign peer of the layer below our links.

Nothing in it is ours: its ICE, DTLS and SCTP meet our guarded ones. Two things are translated for
it, by glue that only tests have: the blob into SDP and back.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.support.browser import Browser, a_browser
from tests.support.guest import guest_run
from tests.support.sdp import to_blob, to_sdp
from toheal_p2p.adapters.webrtc import WebRtcChannels
from toheal_p2p.ports.channels import Channel, ChannelFailed
from toheal_protocol.machines.events import LinkWay
from toheal_protocol.wire.link_record import MAX_RECORD_SIZE

pytestmark = [pytest.mark.browser, pytest.mark.slow]
in_guest = pytest.mark.trio(run=guest_run)

PATIENCE = 60

LOCAL_ADDRESSES = (
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)

PEER = """
class Peer {
  constructor() {
    this.connection = new RTCPeerConnection({iceServers: []});
    this.channel = this.connection.createDataChannel("", {negotiated: true, id: 0});
    this.channel.binaryType = "arraybuffer";
    this.received = [];
    this.waiting = [];
    this.channel.onmessage = event => {
      this.received.push(btoa(String.fromCharCode(...new Uint8Array(event.data))));
      this.waiting.forEach(wake => wake());
    };
    this.opened = new Promise(wake => { this.channel.onopen = wake; });
    this.closed = new Promise(wake => { this.channel.onclose = wake; });
  }
  async gathered() {
    const connection = this.connection;
    while (connection.iceGatheringState !== "complete")
      await new Promise(wake => { connection.onicegatheringstatechange = wake; });
    return connection.localDescription.sdp;
  }
  async offer() {
    await this.connection.setLocalDescription();
    return await this.gathered();
  }
  async take(type, sdp) { await this.connection.setRemoteDescription({type, sdp}); }
  async answer(sdp) {
    await this.take("offer", sdp);
    return await this.offer();
  }
  async hear(count) {
    while (this.received.length < count)
      await new Promise(wake => this.waiting.push(wake));
    return this.received;
  }
  say(records) {
    for (const record of records)
      this.channel.send(Uint8Array.from(atob(record), letter => letter.charCodeAt(0)));
  }
}
const peer = new Peer();
"""

RECORDS = [bytes([number % 251]) * (1 + number * 977 % MAX_RECORD_SIZE) for number in range(100)]
RECORDS += [b"\0" * MAX_RECORD_SIZE] * 20


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with a_browser(tmp_path / "profile", *LOCAL_ADDRESSES) as running:
        running.evaluate(PEER)
        yield running


async def script(browser: Browser, text: str, *arguments: object) -> object:
    """Evaluate an expression with `{}` for each argument, and let our side go on meanwhile."""
    whole = text.format(*(json.dumps(argument) for argument in arguments))
    return await trio.to_thread.run_sync(browser.evaluate, whole)


async def connect(browser: Browser, *, controlling: bool) -> Channel:
    """Connect to the page, which offers or answers as our role demands."""
    channels = WebRtcChannels(include_loopback=True)
    prepared = await channels.prepare(controlling=controlling, way=LinkWay.LAN, servers=())
    if controlling:  # we are the ones who would have made the offer, and the DTLS server
        sdp = await script(browser, "peer.answer({})", to_sdp(prepared.blob, setup="actpass"))
        assert "a=setup:active" in str(sdp)
    else:
        sdp = await script(browser, "peer.offer()")
        answer = to_sdp(prepared.blob, setup="active")
        await script(browser, 'peer.take("answer", {})', answer)
    return await prepared.connect(to_blob(str(sdp)))


@pytest.mark.parametrize("controlling", [True, False], ids=["it answers", "it offers"])
@in_guest
async def test_chromium_connects_and_records_pass_both_ways(browser, controlling):
    with trio.fail_after(PATIENCE):
        channel = await connect(browser, controlling=controlling)
        await script(browser, "peer.opened.then(() => 1)")
        for record in RECORDS:
            await channel.room()
            channel.send_nowait(record)
        heard = await script(browser, "peer.hear({})", len(RECORDS))
        assert [base64.b64decode(one) for one in heard] == RECORDS
        said = [base64.b64encode(record).decode() for record in RECORDS]
        received: list[bytes] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(script, browser, "peer.say({})", said)
            while len(received) < len(RECORDS):
                received += await channel.receive()
        assert received == RECORDS
        await channel.aclose()
        await script(browser, "peer.closed.then(() => 1)")


@in_guest
async def test_a_browser_that_goes_away_ends_the_channel(browser):
    with trio.fail_after(PATIENCE):
        channel = await connect(browser, controlling=True)
        await script(browser, "peer.opened.then(() => 1)")
        await script(browser, "peer.connection.close()")
        with pytest.raises(ChannelFailed):
            await channel.receive()
        await channel.aclose()


@in_guest
async def test_a_browser_with_another_certificate_is_refused(browser):
    channels = WebRtcChannels(include_loopback=True)
    with trio.fail_after(PATIENCE):
        prepared = await channels.prepare(controlling=True, way=LinkWay.LAN, servers=())
        offer = to_sdp(prepared.blob, setup="actpass")
        sdp = str(await script(browser, "peer.answer({})", offer))
        before, mark, after = sdp.partition("a=fingerprint:sha-256 ")
        other = "00" if after[:2] != "00" else "11"
        with pytest.raises(ChannelFailed):
            await prepared.connect(to_blob(before + mark + other + after[2:]))
        assert await script(browser, "peer.channel.readyState") != "open"
