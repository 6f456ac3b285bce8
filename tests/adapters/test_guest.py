"""What drives trio as a guest: with its files watched by the host loop, and in trio's own way."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from types import SimpleNamespace

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from toheal_p2p.adapters import bridge, guest
from toheal_p2p.adapters.bridge import aio, run

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not hasattr(select, "epoll"), reason="trio waits with epoll on Linux alone"),
]


@pytest.fixture(params=["watched", "trio's own way"])
def way(request, monkeypatch):
    if request.param != "watched":
        monkeypatch.setattr(guest, "can_watch", lambda _: False)
    return request.param


def guest_threads():
    return [one for one in threading.enumerate() if one.name.startswith("Trio thread")]


def test_trio_has_every_part_we_drive_it_by(monkeypatch):
    seen = []

    class Spy(guest.GuestDriver):
        def soon(self, call):
            seen.append(guest.can_watch(getattr(call, "__self__", None)))
            super().soon(call)

    monkeypatch.setattr(bridge, "GuestDriver", Spy)
    bridge.run(trio.lowlevel.checkpoint)
    assert seen == [True]


@pytest.mark.parametrize("missing", ["runner", "unrolled_run_gen", "done_callback"])
def test_a_trio_without_one_of_the_parts_is_left_to_itself(missing):
    manager = SimpleNamespace(
        get_events=print,
        _epoll=select.epoll(),
        _force_wakeup=SimpleNamespace(wakeup_thread_and_signal_safe=print),
    )
    parts = {
        "runner": SimpleNamespace(io_manager=manager, guest_tick_scheduled=True),
        "unrolled_run_gen": 1,
        "unrolled_run_next_send": 1,
        "done_callback": print,
    }
    assert guest.can_watch(SimpleNamespace(**parts))
    del parts[missing]
    assert not guest.can_watch(SimpleNamespace(**parts))
    assert not guest.can_watch(None)
    manager._epoll.close()


def test_no_thread_waits_for_trio():
    async def main():
        before = guest_threads()
        await trio.sleep(0.02)
        await aio(asyncio.sleep, 0.01)
        return before, guest_threads()

    known = set(guest_threads())  # of earlier tests; they linger for some seconds
    before, after = run(main)
    assert set(before) <= known
    assert set(after) <= known


def test_files_deadlines_and_callbacks_all_wake_trio(way):
    async def main():
        loop, woken = asyncio.get_running_loop(), []
        ours, theirs = os.pipe()
        event = trio.Event()

        async def read():
            await trio.lowlevel.wait_readable(ours)
            woken.append("file")

        async def wait():
            await event.wait()
            woken.append("callback")
            os.write(theirs, b"x")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(wait)
            with trio.move_on_after(0.01):
                await trio.sleep_forever()
            woken.append("deadline")
            loop.call_later(0.005, event.set)
        os.close(ours)
        os.close(theirs)
        return woken

    assert run(main) == ["deadline", "callback", "file"]


def test_a_thread_wakes_trio(way):
    async def main():
        return await trio.to_thread.run_sync(lambda: "from a thread")

    assert run(main) == "from a thread"


def test_a_callback_that_brings_a_deadline_forward_is_noticed(way):
    async def main():
        with trio.CancelScope(deadline=trio.current_time() + 30) as scope:
            asyncio.get_running_loop().call_later(0.005, setattr, scope, "deadline", 0.0)
            await trio.sleep_forever()
        return scope.cancelled_caught

    assert run(main)


def test_a_callback_that_puts_a_deadline_off_does_not_make_the_clock_jump(way):
    """A mocked clock jumps when nothing happens; something did."""

    async def main():
        began = trio.current_time()
        with trio.CancelScope(deadline=began + 100) as scope:
            asyncio.get_running_loop().call_soon(setattr, scope, "deadline", began + 50)
            await trio.sleep_forever()
        return trio.current_time() - began

    assert run(main, clock=MockClock(autojump_threshold=0.02)) == pytest.approx(50)


def test_asyncio_is_not_kept_waiting_by_a_trio_that_never_rests(way):
    async def main():
        loop, turns = asyncio.get_running_loop(), []

        def turn():
            turns.append(trio.lowlevel.in_trio_run())
            loop.call_soon(turn)

        loop.call_soon(turn)
        for _ in range(200):
            await trio.lowlevel.checkpoint()
        return len(turns)

    assert run(main) > 50


def test_a_deadline_is_rung_for_once(monkeypatch):
    """A timer that rings before trio's deadline is set again and again for nothing until then."""
    rung = []
    ring = guest.GuestDriver._ring
    monkeypatch.setattr(guest.GuestDriver, "_ring", lambda self: (rung.append(self), ring(self)))

    async def main():
        for number in range(40):
            await trio.sleep(0.002 + number * 0.000_07)

    run(main)
    assert len(rung) == 40


def test_what_breaks_trio_itself_is_raised(way):
    async def main():
        trio.lowlevel.current_trio_token().run_sync_soon(lambda: 1 / 0)
        await trio.sleep_forever()

    with pytest.raises(trio.TrioInternalError):
        run(main)


def test_no_file_is_left_open(way):
    async def main():
        await trio.sleep(0.001)

    run(main)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        run(main)
    assert len(os.listdir("/proc/self/fd")) <= before
