"""The store's thread: whose call is made, whose is broken off, and who hears of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import trio
import trio.testing

from toheal_p2p.adapters import bridge
from toheal_p2p.adapters.vault.worker import Worker

pytestmark = pytest.mark.filterwarnings("error")


class Bench:
    """A worker, and calls that last until they are let go or interrupted."""

    def __init__(self) -> None:
        self.interruptions = 0
        self.made: list[str] = []
        self.begun = threading.Event()
        self.go = threading.Event()
        self.worker = Worker(self._interrupt)

    def _interrupt(self) -> None:
        self.interruptions += 1
        self.go.set()

    def long(self) -> str:
        self.made.append("long")
        self.begun.set()
        assert self.go.wait(10)
        return "long"

    def short(self) -> str:
        self.made.append("short")
        return "short"


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.go.set()
    made.worker.end()


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - another thread makes it true
            await trio.sleep(0.001)


@pytest.mark.parametrize("run", [trio.run, bridge.run])
def test_each_gets_its_own_answer_or_error(bench: Bench, run: Callable[..., object]) -> None:
    async def ask(number: int) -> None:
        def divide() -> float:
            return 12 / number

        if number:
            assert await bench.worker.run(divide) == 12 / number
        else:
            with pytest.raises(ZeroDivisionError):
                await bench.worker.run(divide)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(ask, number)

    run(main)


@pytest.mark.parametrize("run", [trio.run, bridge.run])
def test_who_is_cancelled_waits_no_longer_and_its_call_is_interrupted(
    bench: Bench, run: Callable[..., object]
) -> None:
    async def main() -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(bench.worker.run, bench.long)
                await until(bench.begun.is_set)
                scope.cancel()
        assert bench.interruptions == 1
        assert await bench.worker.run(bench.short) == "short"

    run(main)


@pytest.mark.trio
async def test_a_call_that_waits_is_not_made_once_cancelled_and_breaks_nothing_off(
    bench: Bench,
) -> None:
    answers = []

    async def ask_long() -> None:
        answers.append(await bench.worker.run(bench.long))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_long)
        await until(bench.begun.is_set)
        with trio.move_on_after(0.01) as scope:
            await bench.worker.run(bench.short)
        assert scope.cancelled_caught
        assert bench.interruptions == 0
        bench.go.set()
    assert answers == ["long"]
    assert await bench.worker.run(lambda: "after") == "after"
    assert bench.made == ["long"]


@pytest.mark.trio
async def test_a_shielded_call_is_made_whole(bench: Bench) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        with trio.CancelScope(shield=True):
            assert await bench.worker.run(bench.short) == "short"
    assert bench.interruptions == 0


def test_an_answer_that_comes_after_the_run_harms_nothing(bench: Bench) -> None:
    async def main() -> None:
        with trio.move_on_after(0.05):
            await bench.worker.run(bench.long)

    bench.worker.interrupt = lambda: None  # it goes on, as a call between two statements does
    trio.run(main)
    bench.go.set()

    async def later() -> str:
        return await bench.worker.run(bench.short)

    assert trio.run(later) == "short"


def test_the_end_waits_for_what_was_asked_for() -> None:
    bench = Bench()

    async def main() -> None:
        with trio.move_on_after(0.05):
            await bench.worker.run(bench.long)

    bench.worker.interrupt = lambda: None
    trio.run(main)
    threading.Timer(0.05, bench.go.set).start()
    bench.worker.end()
    assert bench.go.is_set()
    assert not bench.worker._thread.is_alive()
