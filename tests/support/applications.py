"""Whole applications in one process and in virtual time: real services, in-memory world."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio
from attrs import define, field

from tests.support.channels import FakeChannels
from tests.support.entropy import SeededEntropy
from tests.support.memory_lan import MemoryHost, MemoryNetwork
from tests.support.memory_relay import MemoryRelay
from tests.support.vaults import MemoryVault
from toheal_p2p.app.application import Application
from toheal_p2p.app.meeting import Meetings
from toheal_p2p.app.profile import put_nickname
from toheal_p2p.services.committer import Committer
from toheal_p2p.services.relay_connection import RelayConnection
from toheal_protocol.model import WallTime

WALL_START = 1_800_000_000


@define(eq=False)
class Village:
    """A relay, a network of channels, and people who come and go."""

    relay: MemoryRelay
    nursery: trio.Nursery
    channels: FakeChannels = field(factory=FakeChannels)
    vaults: dict[str, MemoryVault] = field(factory=dict)
    room: MemoryNetwork = field(factory=MemoryNetwork)
    hosts: dict[str, MemoryHost] = field(factory=dict)
    _running: dict[str, trio.CancelScope] = field(factory=dict)

    async def start(self, name: str) -> Application:
        """Start somebody's application on what their vault has kept."""
        vault = self.vaults.get(name)
        if vault is None:
            vault = self.vaults[name] = MemoryVault()
            await vault.commit([put_nickname(name)])
        scope = self._running[name] = trio.CancelScope()
        committer = Committer(vault)
        app = Application(
            home=Path("/"),
            vault=vault,
            committer=committer,
            entropy=SeededEntropy(len(self._running) + len(name) * 1000),
            wall_clock=lambda: WallTime(WALL_START + int(trio.current_time())),
            channels=self.channels,
            connect=lambda address: RelayConnection(
                address, dial=self.relay.dial, jitter=lambda: 0.5
            ),
            end=scope.cancel,
            destroy=lambda: None,
            meeting=Meetings(self.hosts.setdefault(name, self.room.host())),
        )
        await self.nursery.start(partial(_live, app, committer, scope))
        return app

    def stop(self, name: str) -> None:
        """End somebody's application; their vault stays."""
        self._running[name].cancel()


@asynccontextmanager
async def a_village() -> AsyncIterator[Village]:
    """A village whose people are all gone at the end."""
    async with trio.open_nursery() as nursery:
        yield Village(MemoryRelay(), nursery)
        nursery.cancel_scope.cancel()


async def circle_of_two(
    village: Village, *, direct: bool = True
) -> tuple[Application, Application, str]:
    """Two people in one circle, by what a person would do."""
    ours, theirs = await village.start("نورس"), await village.start("Salma")
    circle = await ours.circle_create(
        "حلقة", relays=[str(village.relay.address)], direct=direct, charter="نصغي.", nickname=None
    )
    invitation = await ours.invite(circle.id, expires_in=3600)
    await theirs.join(invitation.link, nickname="Salma")

    async def somebody_waits() -> bool:
        return bool(await ours.waiting(circle.id))

    async def is_in() -> bool:
        return (await theirs.circle_list())[0].state == "active"

    await eventually(somebody_waits)
    await ours.admit(circle.id, "Salma")
    await eventually(is_in)
    return ours, theirs, circle.id


async def eventually(condition: Callable[[], Awaitable[bool]], *, within: float = 60.0) -> None:
    """Wait, in virtual time, until something is true."""
    with trio.fail_after(within):
        while not await condition():  # noqa: ASYNC110 - what is waited for has no event
            await trio.sleep(0.05)


async def _live(
    app: Application,
    committer: Committer,
    scope: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    with scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(committer.run)
            await nursery.start(app.run)
            task_status.started()
