"""What notices datagrams in trio's place: it leaves trio nothing to miss."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import trio
import trio.testing
from attrs import define, field

from toheal_relay.server import lookout as module
from toheal_relay.server.lookout import KeenLookout, PlainLookout, open_lookout, trios_epoll

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="epoll is Linux's")

HOST = "127.0.0.1"
LONGEST = 20
"""Seconds after which something is lost, on the busiest of machines."""


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A socket that is looked at, and one connected to it."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs,
    ):
        ours.bind((HOST, 0))
        ours.setblocking(False)
        theirs.connect(ours.getsockname())
        yield ours, theirs


@define(eq=False)
class Steps(trio.abc.Instrument):
    """Counts how often trio ran a task."""

    count: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += 1


@define
class Token:
    """Counts how often trio is told to wake up."""

    calls: int = 0

    def run_sync_soon(self, _call: object, *, idempotent: bool) -> None:
        assert idempotent
        self.calls += 1


@define
class Trios:
    """An epoll in place of trio's, and a lookout that sleeps for it."""

    epoll: select.epoll = field(factory=select.epoll)
    token: Token = field(factory=Token)
    keen: KeenLookout = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.keen = KeenLookout(self.epoll.fileno(), self.token)  # type: ignore[arg-type]


@pytest.mark.trio
async def test_this_trio_tells_where_it_sleeps() -> None:
    """Should a later trio not: see `trios_epoll`, and whether the relay is well without."""
    assert trios_epoll() is not None
    with open_lookout() as given:
        assert isinstance(given, KeenLookout)


@pytest.mark.trio
@pytest.mark.parametrize(
    "runner",
    [
        None,
        SimpleNamespace(is_guest=False),
        SimpleNamespace(is_guest=False, io_manager=SimpleNamespace(_epoll=3)),
        SimpleNamespace(io_manager=SimpleNamespace(_epoll=select.epoll())),
        SimpleNamespace(is_guest=True, io_manager=SimpleNamespace(_epoll=select.epoll())),
    ],
)
async def test_a_trio_that_does_not_or_is_a_guest_is_left_to_itself(
    runner: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_runner", lambda: runner)
    with open_lookout() as given:
        assert isinstance(given, PlainLookout)


@pytest.mark.trio
async def test_datagrams_are_dealt_with_without_a_round_of_trio(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    """Each of a hundred is answered by the next one, so no two come together."""
    ours, theirs = ends
    steps, heard, at_first = Steps(), [], []

    def look() -> None:
        heard.append(ours.recv(10))
        if len(heard) == 10:
            at_first.append(steps.count)
        if len(heard) < 110:
            theirs.send(b"one more")
        else:
            nursery.cancel_scope.cancel()

    with open_lookout() as lookout, trio.fail_after(LONGEST):
        trio.lowlevel.add_instrument(steps)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lookout.watch, ours, look)
            theirs.send(b"first")
            await trio.sleep_forever()
    assert steps.count - at_first[0] < 10


@pytest.mark.trio
async def test_what_a_look_wakes_goes_on_at_once(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    woken = trio.Event()

    def look() -> None:
        ours.recv(10)
        woken.set()

    with open_lookout() as lookout, trio.fail_after(LONGEST):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lookout.watch, ours, look)
            theirs.send(b"wake")
            await woken.wait()
            nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_flood_keeps_trio_from_nothing(ends: tuple[socket.socket, socket.socket]) -> None:
    """Each datagram brings the next one, for ever; a deadline, a socket and a thread are heard."""
    ours, theirs = ends

    def look() -> None:
        theirs.send(ours.recv(10))

    with open_lookout() as lookout, trio.fail_after(LONGEST):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lookout.watch, ours, look)
            theirs.send(b"and again")
            await trio.sleep(0.01)
            one, other = trio.socket.socketpair()
            with one, other:
                nursery.start_soon(other.send, b"!")
                assert await one.recv(1) == b"!"
            await trio.to_thread.run_sync(int)
            nursery.cancel_scope.cancel()


def test_trio_is_woken_when_its_deadline_has_come_and_sleeps_no_second_time() -> None:
    trios = Trios()
    trios.keen.before_io_wait(0.001)
    assert trios.token.calls == 1


def test_trio_is_not_woken_by_what_it_finds_by_itself() -> None:
    trios = Trios()
    one, other = socket.socketpair()
    with one, other:
        trios.epoll.register(one.fileno(), select.EPOLLIN)
        other.send(b"!")
        trios.keen.before_io_wait(LONGEST)
    trios.keen.before_io_wait(0)  # it is in no mood for sleep
    assert trios.token.calls == 0


@pytest.mark.trio
async def test_a_socket_closed_by_a_look_before_its_own_is_not_looked_at() -> None:
    """Both can be read; whichever is looked at first closes the other, whose number a third one gets."""
    looked = []
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(2)]
    with open_lookout() as lookout, trio.fail_after(LONGEST):
        async with trio.open_nursery() as nursery:

            def look_of(number: int) -> None:
                def look() -> None:
                    looked.append(number)
                    pairs[number][0].recv(10)
                    lookout.close(pairs[1 - number][0])

                nursery.start_soon(lookout.watch, pairs[number][0], look)

            for number, (_, theirs) in enumerate(pairs):
                look_of(number)
                theirs.send(b"!")
            while len(nursery.child_tasks) > 1:  # noqa: ASYNC110 - a socket tells no event
                await trio.sleep(0.001)
            await trio.sleep(0.01)
            assert len(looked) == len(nursery.child_tasks) == 1
            nursery.cancel_scope.cancel()
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


@pytest.mark.trio
async def test_two_relays_of_one_run_share_one_lookout_which_ends_with_the_last() -> None:
    with open_lookout() as one:
        with open_lookout() as other:
            assert other is one
        assert module._KEEN.get() is one
    assert module._KEEN.get() is None
    with open_lookout() as fresh:
        assert fresh is not one


@pytest.mark.trio
async def test_a_socket_that_is_watched_no_more_wakes_nobody(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    with open_lookout() as lookout:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lookout.watch, ours, int)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        theirs.send(b"!")
        assert isinstance(lookout, KeenLookout)
        assert lookout._epoll.poll(0) == []
