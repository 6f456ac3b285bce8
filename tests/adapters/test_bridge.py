from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from tests.support.guest import guest_run
from toheal_p2p.adapters import bridge
from toheal_p2p.adapters.bridge import AsyncioTaskCancelled, aio, run

pytestmark = pytest.mark.real


async def returns_late(value):
    await asyncio.sleep(0.001)
    return value


def test_a_run_returns_what_main_returns():
    async def main():
        await trio.lowlevel.checkpoint()
        return "result"

    assert run(main) == "result"


def test_a_run_raises_what_main_raises():
    async def main():
        raise LookupError

    with pytest.raises(LookupError):
        run(main)


def test_runs_follow_each_other_and_fit_other_threads():
    async def main():
        return await aio(returns_late, 1)

    results = [run(main), run(main)]
    thread = threading.Thread(target=lambda: results.append(run(main)))
    thread.start()
    thread.join(10)
    assert results == [1, 1, 1]


@pytest.mark.trio(run=guest_run)
async def test_trio_waits_for_asyncio():
    assert await aio(returns_late, "value") == "value"


@pytest.mark.trio(run=guest_run)
async def test_what_asyncio_raises_reaches_trio():
    async def fails():
        await asyncio.sleep(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await aio(fails)


@pytest.mark.trio(run=guest_run)
async def test_forty_and_more_waits_need_no_threads():
    threads = threading.active_count()
    started, all_started = 0, trio.Event()

    async def wait_in_asyncio():
        nonlocal started
        started += 1
        if started == 200:
            all_started.set()
        await asyncio.Event().wait()

    async with trio.open_nursery() as nursery:
        for _ in range(200):
            nursery.start_soon(aio, wait_in_asyncio)
        await all_started.wait()
        assert threading.active_count() <= threads + 2
        assert await trio.to_thread.run_sync(lambda: "quick") == "quick"
        nursery.cancel_scope.cancel()


@pytest.mark.trio(run=guest_run)
async def test_cancelling_trio_waits_until_asyncio_has_cleaned_up():
    steps = []

    async def cleans_up():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            steps.append("cleaned up")

    with trio.move_on_after(0.01) as scope:
        await aio(cleans_up)
    steps.append("cancelled")
    assert scope.cancelled_caught
    assert steps == ["cleaned up", "cancelled"]


@pytest.mark.trio(run=guest_run)
async def test_a_result_that_comes_despite_cancellation_is_not_lost():
    async def insists():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "kept"

    with trio.CancelScope() as scope:
        scope.cancel()
        with trio.CancelScope(shield=True) as inner:
            trio.lowlevel.current_trio_token().run_sync_soon(inner.cancel)
            assert await aio(insists) == "kept"
    assert not scope.cancelled_caught


@pytest.mark.trio(run=guest_run)
async def test_nothing_starts_in_a_cancelled_scope():
    begun = []

    async def begins():
        begun.append(True)

    with trio.CancelScope() as scope:
        scope.cancel()
        await aio(begins)
    assert scope.cancelled_caught
    assert not begun


@pytest.mark.trio(run=guest_run)
async def test_cancellation_by_asyncio_is_an_ordinary_error_in_trio():
    async def is_cancelled():
        asyncio.current_task().cancel()
        await asyncio.sleep(1)

    with pytest.raises(AsyncioTaskCancelled):
        await aio(is_cancelled)


@pytest.mark.trio(run=guest_run)
async def test_asyncio_callbacks_reach_trio_tasks():
    send, receive = trio.open_memory_channel(1)
    event = trio.Event()
    loop = asyncio.get_running_loop()
    loop.call_soon(send.send_nowait, "hello")
    loop.call_later(0.001, event.set)
    with trio.fail_after(5):
        assert await receive.receive() == "hello"
        await event.wait()


@pytest.mark.parametrize(
    ("number", "error", "code"),
    [(signal.SIGINT, KeyboardInterrupt, None), (signal.SIGTERM, SystemExit, 143)],
)
def test_a_signal_lets_every_clean_up_run(number, error, code):
    cleaned = []
    before = signal.getsignal(number)

    async def main():
        try:
            os.kill(os.getpid(), number)
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                cleaned.append(await aio(returns_late, "asyncio too"))

    with pytest.raises(error) as caught:
        run(main)
    assert cleaned == ["asyncio too"]
    assert code is None or caught.value.code == code
    assert signal.getsignal(number) == before


def test_stop_ends_the_run_after_its_clean_up():
    cleaned = []

    async def main():
        try:
            bridge.stop()
            await trio.sleep_forever()
        finally:
            cleaned.append(True)

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 0
    assert cleaned
    with pytest.raises(RuntimeError):
        bridge.stop()


def test_a_main_that_ends_gracefully_when_stopped_returns_its_result():
    async def main():
        try:
            bridge.stop()
            await trio.sleep_forever()
        except trio.Cancelled:
            return "saved"

    assert run(main) == "saved"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_an_exit_raised_in_asyncio_waits_for_trio_to_clean_up(error):
    cleaned = []

    def leave():
        raise error

    async def main():
        asyncio.get_running_loop().call_soon(leave)
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                cleaned.append(await aio(returns_late, "done"))

    with pytest.raises(type(error)) as caught:
        run(main)
    assert caught.value is error
    assert cleaned == ["done"]


def test_an_exit_raised_in_asyncio_counts_more_than_a_result():
    error = SystemExit(5)

    def leave():
        raise error

    async def main():
        asyncio.get_running_loop().call_soon(leave)
        with trio.move_on_after(60):
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                return "result"

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value is error


def test_an_exit_raised_in_an_awaited_coroutine_ends_the_run():
    async def leaves():
        raise SystemExit(4)

    async def main():
        await aio(leaves)

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 4


def test_a_stray_asyncio_error_neither_ends_the_run_nor_tells_what_it_worked_on(caplog):
    async def main():
        async def fails():
            raise ValueError("203.0.113.7 said something private")

        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: 1 / 0)
        stray = loop.create_task(fails())
        await trio.sleep(0.005)
        del stray
        return "alive"

    with caplog.at_level(logging.DEBUG):
        assert run(main) == "alive"
    assert "ZeroDivisionError" in caplog.text
    assert "203.0.113.7" not in caplog.text


def test_what_libraries_leave_on_the_loop_is_ended():
    ended = []

    async def main():
        async def left_behind():
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        task = asyncio.get_running_loop().create_task(left_behind())
        await trio.sleep(0.001)
        return task

    run(main)
    assert ended == [True]


def test_a_mock_clock_runs_trio_in_its_own_time():
    async def main():
        started = trio.current_time()
        await trio.sleep(30)
        return trio.current_time() - started

    assert run(main, clock=MockClock(rate=10_000)) >= 30


def test_a_transport_left_open_is_a_warning_and_no_hang():
    async def main():
        await aio(
            asyncio.get_running_loop().create_datagram_endpoint,
            asyncio.DatagramProtocol,
            ("127.0.0.1", 0),
        )

    with pytest.warns(ResourceWarning, match="unclosed"):
        run(main)
