"""Whoever leaves, or erases everything, while the profile is being made or opened finds it closed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field

from tests.support.fake_app import FakeApp
from tests.support.web_client import no_commands
from toheal_p2p.app.house import House
from toheal_p2p.app.interface import Serve
from toheal_p2p.app.refusals import Refused

pytestmark = [pytest.mark.real, pytest.mark.trio]


@define(eq=False)
class Slow:
    """A profile that is made and opened when the test says so."""

    exists: bool = True
    begun: threading.Event = field(factory=threading.Event)
    go_on: threading.Event = field(factory=threading.Event)
    opened: int = 0

    async def run(
        self, home: Path, passphrase: str, *, serve: Serve, on_ready: Callable[[], None]
    ) -> None:
        with trio.CancelScope(shield=True):  # as a passphrase is stretched
            await trio.to_thread.run_sync(self._wait)
        async with trio.open_nursery() as nursery:
            await nursery.start(serve, FakeApp(), home)
            self.opened += 1
            await trio.sleep_forever()

    def make(self, home: Path, *args: Any, **more: Any) -> None:
        self._wait()
        self.exists = True

    def wipe(self, home: Path) -> None:
        self.exists = False

    def _wait(self) -> None:
        self.begun.set()
        assert self.go_on.wait(10)


def house_of(slow: Slow, home: Path) -> House:
    return House(
        home,
        slow.run,
        slow.make,
        lambda: slow.exists,
        no_commands,
        wipe_profile=slow.wipe,
        restore_profile=slow.make,
    )


async def refused(told: list[str], ask: Callable[[], Any]) -> None:
    try:
        await ask()
    except Refused as refusal:
        told.append(refusal.code)


@pytest.mark.parametrize("way", ["open", "begin", "restore"])
@pytest.mark.parametrize("how", ["leave", "wipe"])
async def test_what_is_under_way_ends_closed_and_whoever_asked_is_told(
    tmp_path: Path, way: str, how: str
) -> None:
    slow, told = Slow(exists=way == "open"), list[str]()
    house = house_of(slow, tmp_path / "home")
    asked = {
        "open": partial(house.open, "a lamp"),
        "begin": partial(house.begin, nickname="Noor", passphrase="a lamp"),
        "restore": partial(house.restore, "kept", words="", passphrase="a lamp"),
    }[way]
    with trio.fail_after(10):
        async with trio.open_nursery() as around:
            around.start_soon(house.run)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(refused, told, asked)
                await trio.to_thread.run_sync(slow.begun.wait)
                end = partial(house.lock, at_once=True) if how == "leave" else house.wipe
                nursery.start_soon(end)
                await trio.testing.wait_all_tasks_blocked(0.05)
                slow.go_on.set()
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert told == ["locked"]
            assert house.state == ("locked" if how == "leave" else "empty")
            assert slow.opened == 0
            if how == "leave":  # and it opens again when somebody asks
                await house.open("a lamp")
                assert house.state == "open"
            around.cancel_scope.cancel()


async def test_what_cannot_be_erased_is_locked_and_opens_again(tmp_path: Path) -> None:
    slow, told = Slow(), list[str]()
    slow.go_on.set()
    house = house_of(slow, tmp_path / "home")

    def fail(_home: Path) -> None:
        raise Refused("storage_failed")

    house.wipe_profile = fail
    with trio.fail_after(10):
        async with trio.open_nursery() as around:
            around.start_soon(house.run)
            await house.open("a lamp")
            await refused(told, house.wipe)
            assert told == ["storage_failed"]
            assert house.state == "locked"
            await house.open("a lamp")
            assert house.state == "open" and slow.opened == 2
            around.cancel_scope.cancel()
