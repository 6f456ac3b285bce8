"""What is loaded when: each program of these looks at its own modules."""

from __future__ import annotations

import subprocess
import sys
from threading import Event

import pytest
import trio

from toheal_p2p.adapters import webrtc_later
from toheal_p2p.adapters.loading import load
from toheal_p2p.adapters.webrtc_later import LOAD_AFTER, WebRtcLater
from toheal_protocol.machines.events import LinkWay

pytestmark = pytest.mark.real

MEDIA = ("av", "aiortc.mediastreams", "aiortc.codecs", "aiortc.rtcpeerconnection")
LATER = (
    *("aiortc", "aioice", "OpenSSL", "pylibsrtp", "dns", *MEDIA),
    *("anycorn", "h2", "starlette", "jinja2", "segno", "zeroconf", "http.client", "webbrowser"),
)
THE_PAGE_FIRST = (
    "toheal_p2p.app.application",
    "toheal_p2p.adapters.vault",
    "toheal_protocol.machines.circle",
    "wsproto",
)


def loaded_by(code: str, names: tuple[str, ...]) -> list[str]:
    """Return which of these modules a fresh program has after running the code."""
    look = f"import sys\n{code}\nprint(*[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", look],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_profile_runs_before_links_and_pages_are_loaded() -> None:
    starting = "import toheal_p2p.__main__, toheal_p2p.cli.page, toheal_p2p.web.door"
    running = "import toheal_p2p.app.opening, toheal_p2p.app.start, toheal_p2p.cli.local_server"
    assert loaded_by(f"{starting}\n{running}", LATER) == []


def test_the_page_is_there_before_what_runs_a_profile_is_loaded() -> None:
    starting = "import toheal_p2p.__main__, toheal_p2p.cli.program, toheal_p2p.cli.page"
    assert loaded_by(f"{starting}\nimport toheal_p2p.web.door", (*LATER, *THE_PAGE_FIRST)) == []


def test_links_load_no_library_of_sound_and_pictures() -> None:
    links = "import toheal_p2p.adapters.webrtc"
    assert loaded_by(links, MEDIA) == []
    assert loaded_by(links, ("aiortc.rtcsctptransport", "OpenSSL")) != []


def test_who_needs_sound_later_gets_the_library_and_not_what_stood_for_it() -> None:
    code = """
import toheal_p2p.adapters.ortc
import av
from aiortc.rtcpeerconnection import RTCPeerConnection
from toheal_p2p.adapters.ortc import RTCSctpTransport
assert av.AudioFrame is not object
assert RTCPeerConnection.__module__ == "aiortc.rtcpeerconnection"
import aiortc.rtcsctptransport
assert aiortc.rtcsctptransport.RTCSctpTransport is RTCSctpTransport
"""
    assert loaded_by(code, ("av",)) == ["av"]


def test_a_library_that_is_there_already_is_used_as_it_is() -> None:
    code = """
import aiortc, av
from toheal_p2p.adapters.ortc import RTCDtlsTransport
assert RTCDtlsTransport is aiortc.RTCDtlsTransport
assert aiortc.RTCPeerConnection
assert sys.modules["av"] is av
"""
    assert loaded_by(code, ("av",)) == ["av"]


@pytest.mark.trio
async def test_one_thing_is_loaded_at_a_time_and_the_loop_goes_on() -> None:
    began, goes_on = trio.Event(), Event()
    order: list[str] = []

    def slow() -> None:
        trio.from_thread.run_sync(began.set)
        assert goes_on.wait(5)
        order.append("slow")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(load, slow)
        await began.wait()
        nursery.start_soon(load, lambda: order.append("next"))
        await trio.sleep(0.02)
        assert order == []  # the second one waits, and we do not
        goes_on.set()
    assert order == ["slow", "next"]


@pytest.mark.trio
async def test_links_are_loaded_a_moment_after_the_start_or_with_the_first_one(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webrtc_later, "load", fake_load)
    later = WebRtcLater(include_loopback=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(later.load_soon)
        await trio.sleep(LOAD_AFTER / 2)
        assert later._channels is None
        await trio.sleep(LOAD_AFTER)
        assert later._channels is not None
    first = WebRtcLater(include_loopback=True)
    prepared = FakePrepared()
    monkeypatch.setattr(FakeChannels, "prepared", prepared, raising=False)
    got = await first.prepare(controlling=True, way=LinkWay.LAN, servers=())
    assert got is prepared


class FakePrepared:
    blob = b""


class FakeChannels:
    prepared: FakePrepared

    async def prepare(self, **_asked: object) -> FakePrepared:
        return self.prepared


async def fake_load(_fetch: object) -> FakeChannels:
    return FakeChannels()


@pytest.mark.trio
async def test_what_cannot_be_loaded_in_advance_ends_nothing(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_file_left(_fetch: object) -> FakeChannels:
        raise OSError(24, "no file left")

    monkeypatch.setattr(webrtc_later, "load", no_file_left)
    later = WebRtcLater()
    await later.load_soon()
    with pytest.raises(OSError, match="no file left"):
        await later.prepare(controlling=True, way=LinkWay.LAN, servers=())
    monkeypatch.setattr(FakeChannels, "prepared", FakePrepared(), raising=False)
    monkeypatch.setattr(webrtc_later, "load", fake_load)
    assert await later.prepare(controlling=True, way=LinkWay.LAN, servers=()) is not None
