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
from tests.support.memory_relay import MemoryRelay, MemoryRelayChannel
from tests.support.vaults import MemoryVault
from toheal_p2p.app.application import Application
from toheal_p2p.app.meeting import Meetings
from toheal_p2p.app.network_policy import NetworkPolicy, PolicedChannels
from toheal_p2p.app.profile import put_nickname
from toheal_p2p.app.relays import RelayPair
from toheal_p2p.app.settings import Settings
from toheal_p2p.ports.probes import RelayProbe, Udp
from toheal_p2p.ports.relays import RelayLost
from toheal_p2p.services.committer import Committer
from toheal_p2p.services.relay_connection import RelayConnection
from toheal_protocol.model import WallTime
from toheal_protocol.wire.relay_address import RelayAddress

WALL_START = 1_800_000_000

LIVED = 3600
"""Seconds at the end of a long time that are lived through: everybody looks at the clock in them."""


@define(eq=False)
class Village:
    """A relay (or more), a network of channels, and people who come and go."""

    relay: MemoryRelay
    nursery: trio.Nursery
    other_relays: list[MemoryRelay] = field(factory=list)
    cut_off: set[tuple[str, RelayAddress]] = field(factory=set)
    """Who does not reach which relay."""
    dialled: set[tuple[str, RelayAddress]] = field(factory=set)
    """Who has called which relay."""
    udp: Udp = "works"
    on_relay: Callable[[RelayPair], None] = lambda _pair: None
    policies: dict[str, NetworkPolicy] = field(factory=dict)
    channels: FakeChannels = field(factory=FakeChannels)
    vaults: dict[str, MemoryVault] = field(factory=dict)
    room: MemoryNetwork = field(factory=MemoryNetwork)
    hosts: dict[str, MemoryHost] = field(factory=dict)
    ahead: int = 0
    """Seconds by which everybody's wall clock was put on: weeks pass at once."""
    _running: dict[str, trio.CancelScope] = field(factory=dict)

    async def start(self, name: str) -> Application:
        """Start somebody's application on what their vault has kept."""
        vault = self.vaults.get(name)
        if vault is None:
            vault = self.vaults[name] = MemoryVault()
            await vault.commit([put_nickname(name)])
        scope = self._running[name] = trio.CancelScope()
        committer = Committer(vault)
        policy = self.policies.setdefault(name, NetworkPolicy())
        app = Application(
            home=Path("/"),
            vault=vault,
            committer=committer,
            entropy=SeededEntropy(len(self._running) + len(name) * 1000),
            wall_clock=lambda: WallTime(WALL_START + self.ahead + int(trio.current_time())),
            channels=PolicedChannels(self.channels, policy),
            settings=Settings(Path("/"), policy),
            probe=partial(self._probe, name),
            interfaces=lambda: ("wired",),
            connect=partial(self._connect, name, policy),
            end=scope.cancel,
            destroy=lambda: None,
            meeting=Meetings(policy, self.hosts.setdefault(name, self.room.host())),
            on_relay=lambda pair: self.on_relay(pair),
        )
        await self.nursery.start(partial(_live, app, committer, scope))
        return app

    @property
    def relays(self) -> list[MemoryRelay]:
        return [self.relay, *self.other_relays]

    def _connect(self, name: str, policy: NetworkPolicy, address: RelayAddress) -> RelayConnection:
        made = RelayConnection(address, dial=partial(self._dial, name), jitter=lambda: 0.5)
        policy.on_change(made.redial)
        return made

    async def _probe(self, name: str, address: RelayAddress) -> RelayProbe:
        try:
            channel = await self._dial(name, address)
        except RelayLost as lost:
            return RelayProbe(lost.reason)
        await channel.aclose()
        return RelayProbe(None, has_tcp=True, milliseconds=1, udp=self.udp, udp_milliseconds=1)

    async def _dial(self, name: str, address: RelayAddress) -> MemoryRelayChannel:
        self.dialled.add((name, address))
        for relay in self.relays:
            if relay.address == address and (name, address) not in self.cut_off:
                return await relay.dial(address)
        await trio.lowlevel.checkpoint()
        raise RelayLost("unreachable")

    async def let_pass(self, seconds: int) -> None:
        """Put everybody's wall clock on, and live the last hour: most of a day is keepalives."""
        self.ahead += seconds - LIVED
        await trio.sleep(LIVED)

    def stop(self, name: str) -> None:
        """End somebody's application; their vault stays."""
        self._running[name].cancel()


@asynccontextmanager
async def a_village(*, relays: int = 1, has_turn: bool = True) -> AsyncIterator[Village]:
    """A village whose people are all gone at the end; `has_turn`: relays lend addresses."""
    first, *others = [
        MemoryRelay(host=f"relay{number}.example", seed=number) for number in range(relays)
    ]
    async with trio.open_nursery() as nursery:
        yield Village(first, nursery, others, channels=FakeChannels(has_turn=has_turn))
        nursery.cancel_scope.cancel()


async def circle_of_two(
    village: Village, *, direct: bool = True
) -> tuple[Application, Application, str]:
    """Two people in one circle, by what a person would do."""
    ours, theirs = await village.start("نورس"), await village.start("Salma")
    circle = await ours.circle_create(
        "حلقة",
        relays=[str(relay.address) for relay in village.relays],
        direct=direct,
        charter="نصغي.",
        nickname=None,
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
