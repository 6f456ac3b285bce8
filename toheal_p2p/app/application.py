"""The application: what the command line (and later the page) can ask for, in one place.

It owns the circles' services and the top nursery. Every method answers after what it did is
durable, and refuses with a code that the doors put into words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Literal

import trio
from attrs import define, field

from toheal_p2p.adapters.interfaces import interface_kinds
from toheal_p2p.app import interface as views
from toheal_p2p.app import showing
from toheal_p2p.app.bundles import Bundles
from toheal_p2p.app.doctor import Patient, examine
from toheal_p2p.app.drafts import Drafts
from toheal_p2p.app.files import Files
from toheal_p2p.app.idleness import Idleness
from toheal_p2p.app.invitations import fetch_content, read_link
from toheal_p2p.app.keeping import Backups
from toheal_p2p.app.known_relays import KnownRelays
from toheal_p2p.app.meeting import Meetings
from toheal_p2p.app.names import find
from toheal_p2p.app.notices import Notices
from toheal_p2p.app.paths import Paths, servers_of
from toheal_p2p.app.profile import (
    read_relay,
    require_charter,
    restore,
    usable_name,
)
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.relays import CircleConnections, RelayPair
from toheal_p2p.app.restoring import begin_restored
from toheal_p2p.app.running import (
    RunningCircle,
    begin_anew,
    decide,
    find_circle,
    remember_warnings,
    require_active,
)
from toheal_p2p.app.settings import Settings
from toheal_p2p.app.sharing import Sharing
from toheal_p2p.app.spoken import SpokenCodes
from toheal_p2p.app.talking import require_time
from toheal_p2p.app.vault_refusals import refusal
from toheal_p2p.ports.channels import Channels
from toheal_p2p.ports.probes import Interfaces, Probe
from toheal_p2p.ports.vault import Vault, VaultError
from toheal_p2p.services.circle import CircleService, waiting_here
from toheal_p2p.services.committer import Committer, VaultFailed
from toheal_p2p.services.forgetting import Forgetting
from toheal_p2p.services.relay_connection import RelayConnection
from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import safety_words
from toheal_protocol.machines import door
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.addressing import MAX_RELAYS
from toheal_protocol.machines.lifetime import DEFAULT_TTL
from toheal_protocol.machines.records import PutCircle, Write
from toheal_protocol.machines.state import Circle, Cold, Stage
from toheal_protocol.machines.storing import encode_cold
from toheal_protocol.messages.invitation import InvitationContent
from toheal_protocol.model import (
    CircleId,
    WallTime,
)
from toheal_protocol.wire.invitation_link import InvitationLink
from toheal_protocol.wire.relay_address import RelayAddress

DRAIN_DEADLINE: Final = 2.0
"""Seconds open links get to finish when the person locks. What is left is owed and comes later."""


MOST_FROM_ROOM: Final = 8
"""Invitations that were handed over in the room and wait for a yes to their charter."""


@define(eq=False)
class Application(Paths, Sharing, Notices, KnownRelays):
    """One opened profile. Fulfils `AppInterface`.

    Attributes:
        connect: makes a connection to a relay (not running yet).
        end: ends the process's work; called by `lock` and `wipe`.
        destroy: erases the profile's keys and folder at once, while it is still open.
        rekey: moves everything under a new passphrase.
        locks_when_idle: lock by itself; where there is a page, the house does it.
    """

    home: Path
    vault: Vault
    committer: Committer
    entropy: Entropy
    wall_clock: Callable[[], WallTime]
    channels: Channels | None
    connect: Callable[[RelayAddress], RelayConnection]
    probe: Probe
    settings: Settings
    end: Callable[[], None]
    destroy: Callable[[], None]
    meeting: Meetings
    on_relay: Callable[[RelayPair], None] = lambda _pair: None
    interfaces: Interfaces = interface_kinds
    rekey: Callable[[str, str], Awaitable[None]] | None = None
    locks_when_idle: bool = False
    was_put_back: bool = field(default=False, init=False)
    """Whether this run began with an older copy of the vault: the person is told while it lasts."""
    _nickname: str = field(default="", init=False, repr=False)
    _relays: tuple[RelayAddress, ...] = field(default=(), init=False)
    _running: dict[CircleId, RunningCircle] = field(factory=dict, init=False)
    _nursery: trio.Nursery | None = field(default=None, init=False)
    spoken: SpokenCodes = field(init=False, repr=False)
    files: Files = field(init=False, repr=False)
    bundles: Bundles = field(init=False, repr=False)
    backups: Backups = field(init=False, repr=False)
    idleness: Idleness = field(init=False, repr=False)
    drafts: Drafts = field(init=False, repr=False)
    _beginning: trio.Lock = field(factory=trio.Lock, init=False)
    talk_news: trio.Event = field(factory=trio.Event, init=False, repr=False)
    _from_room: dict[str, InvitationContent] = field(factory=dict, init=False, repr=False)
    _looked_at: dict[str, InvitationContent] = field(factory=dict, init=False, repr=False)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start every circle and serve until cancelled."""
        stored = await self.vault.load()
        self.settings.begin(stored.settings, self._keep, self._running)
        circles, self._nickname, self._relays = restore(stored)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.idleness = Idleness(lambda: self.settings.minutes_until_locked, self.wall_clock)
            self.drafts = Drafts.begin(stored.settings, self._keep, self.entropy)
            self.files = Files(self)
            self.bundles = Bundles(self.vault, self.committer, self._running)
            self.backups = Backups(
                self.home, self.vault, self.committer, self.entropy, self.wall_clock
            )
            self.spoken = SpokenCodes(
                nursery,
                self.entropy,
                self.wall_clock,
                self.connect,
                self._inviting,
                self._find,
                self._offer_seat,
                self._known_relays,
                self.meeting,
                self._keep_from_room,
            )
            for circle in circles:
                await self._start(circle)
            remember_warnings(self._running, stored.settings)
            self.was_put_back = self.vault.was_put_back
            if self.was_put_back:
                await begin_anew(self._running.values(), self.committer, self.vault)
            await begin_restored(stored.settings, self._running.values(), self.committer)
            await self.files.begin()
            nursery.start_soon(self.meeting.run, self._running)
            nursery.start_soon(self.keep_talks)
            if self.locks_when_idle:
                nursery.start_soon(self.idleness.lock_when_over, self.lock)
            await nursery.start(Forgetting(self.committer, self.wall_clock).run, stored.ages)
            task_status.started()

    # ---- circles

    async def circle_create(
        self,
        name: str,
        *,
        relays: Sequence[str],
        direct: bool,
        charter: str,
        nickname: str | None,
        disappear: int = DEFAULT_TTL,
    ) -> views.CircleView:
        """Begin a circle."""
        chosen = tuple(read_relay(address) for address in relays) or self._relays[:MAX_RELAYS]
        if len(chosen) > MAX_RELAYS:
            raise Refused("too_many_relays", limit=MAX_RELAYS)
        require_charter(charter)
        circle = door.found_circle(
            name=usable_name(name),
            my_name=usable_name(nickname or self._nickname),
            charter=charter,
            relays=chosen,
            is_direct=direct,
            entropy=self.entropy,
            wall_now=self.wall_clock(),
            disappear=require_time(disappear),
        )
        await self._begin(circle)
        return self._shown_circle(circle.cold)

    async def circle_list(self) -> Sequence[views.CircleView]:
        """Return every circle, oldest first."""
        await self._keep([])  # what is shown survives a crash right after
        circles = (one.service.circle.cold for one in self._running.values())
        return [self._shown_circle(cold) for cold in circles if not cold.porch_of]

    async def circle_members(self, circle: str) -> Sequence[views.MemberView]:
        """Return the members, ourselves included."""
        running = self._find(circle)
        cold, wall_now = running.service.circle.cold, self.wall_clock()
        differing = running.warnings.differing
        return showing.member_views(
            cold, forked=running.forked, wall_now=wall_now, differing=differing
        )

    def _shown_circle(self, cold: Cold) -> views.CircleView:
        return showing.circle_view(cold, wall_now=self.wall_clock())

    async def circle_leave(self, circle: str) -> None:
        """Leave."""
        running = self._find(circle)
        if running.service.circle.cold.stage in (Stage.LEFT, Stage.REMOVED):
            require_active(running)  # says which
        await self._decide(running, machine.Left())

    async def circle_seen(self, circle: str) -> None:
        """Take the warnings about copies and new sessions for seen."""
        await self._keep([self._find(circle).see(wall_now=self.wall_clock())])

    # ---- invitations

    async def look_at_invitation(
        self, link: str, *, report: views.Report | None = None
    ) -> views.InvitationContentView:
        """Fetch what the invitation says."""
        read = read_link(link, wall_now=self.wall_clock())
        content = self._from_room.get(str(read))
        if content is None:
            content = await fetch_content(read, connect=self.connect, report=report)
        if content.circle_id in self._running:
            raise Refused("already_a_member")
        self._looked_at = {str(read): content}
        return showing.invitation_content_view(content, read)

    async def join(self, link: str, *, nickname: str) -> views.CircleView:
        """Knock at the door that the invitation opens."""
        name = usable_name(nickname or self._nickname)
        read = read_link(link, wall_now=self.wall_clock())
        from_room = self._from_room.get(str(read))
        content = from_room or self._looked_at.get(str(read))
        if content is None:
            content = await fetch_content(read, connect=self.connect)
        shown = await self._knock(read, content, name, b"")
        if from_room is not None:
            del self._from_room[str(read)]
            self.meeting.open_beside(self._running[content.circle_id])
        return shown

    async def _knock(
        self, link: InvitationLink, content: InvitationContent, name: str, for_talk: bytes
    ) -> views.CircleView:
        try:
            circle = door.knock_at(
                link,
                content,
                my_name=name,
                entropy=self.entropy,
                wall_now=self.wall_clock(),
                for_talk=for_talk,
            )
        except RemoteError:
            raise Refused("invitation_malformed") from None
        await self._begin(circle)
        return self._shown_circle(circle.cold)

    def _keep_from_room(self, link: InvitationLink, content: InvitationContent) -> None:
        self._from_room[str(link)] = content
        for oldest in list(self._from_room)[:-MOST_FROM_ROOM]:
            del self._from_room[oldest]

    # ---- members and links

    async def safety_words(
        self, circle: str, who: str, *, language: Literal["ar", "en"]
    ) -> Sequence[str]:
        """Return the eight words we and this member compare aloud."""
        cold = self._find(circle).service.circle.cold
        known = [(m, cold.peers[m].name, m) for m in cold.peers]
        member = find(who, known, missing="no_such_member")
        ours = cold.persona.keys.member_id
        return await trio.to_thread.run_sync(partial(safety_words, ours, member, language=language))

    async def doctor(self) -> Sequence[views.CheckView]:
        """Look at everything that could be wrong."""
        patient = Patient(
            home=self.home,
            vault=self.vault,
            network=self.settings.network,
            probe=self.probe,
            interfaces=self.interfaces,
            was_put_back=self.was_put_back,
            wall_now=self.wall_clock(),
            relays=[relay.address for relay in await self.relay_list()],
            circles=[one for one in self._circles() if not one.service.circle.cold.porch_of],
            meetings=await self.meeting.views(),
        )
        return await examine(patient)

    # ---- ending

    async def drain(self) -> int:
        """Let leave what can, for two seconds at most; return for how many members something stays."""
        await self.committer.flushed()
        with trio.move_on_after(DRAIN_DEADLINE):
            async with trio.open_nursery() as nursery:
                for running in self._running.values():
                    nursery.start_soon(running.service.drain)
        await self.committer.flushed()  # what was acknowledged while the links drained
        return sum(len(waiting_here(one.service.circle)) for one in self._running.values())

    async def lock(self, *, is_drained: bool = False) -> None:
        """Forget every key and end the process."""
        if not is_drained:
            await self.drain()
        self.end()

    async def change_passphrase(self, old: str, new: str) -> None:
        """Move everything under another passphrase; the old keyring opens nothing from then on."""
        if not new:
            raise Refused("passphrase_empty")
        if self.rekey is None:
            raise RuntimeError("a profile without a passphrase")
        await self.committer.flushed()
        try:
            await self.rekey(old, new)
        except VaultError as reason:
            raise refusal(reason) from None

    async def wipe(self) -> None:
        """Destroy this profile on this device, and end the process."""
        self.destroy()
        self.end()

    # ---- inside

    async def _begin(self, circle: Circle) -> None:
        async with self._beginning:
            if circle.cold.id in self._running:
                raise Refused("already_a_member")
            await self._keep([PutCircle(circle.cold.id, encode_cold(circle.cold))])
            await self._start(circle)

    async def _start(self, circle: Circle) -> None:
        if self._nursery is None:
            raise RuntimeError("the application is not running")
        connections = CircleConnections(self.connect, self.on_relay)
        connections.follow(circle.cold)
        relays = connections.pairs
        running: RunningCircle

        service = CircleService(
            circle=circle,
            vault=self.vault,
            committer=self.committer,
            entropy=self.entropy,
            wall_clock=self.wall_clock,
            relays=relays,
            channels=self.channels,
            tell=lambda happened: self._hear(running, happened),
            servers=partial(servers_of, relays.values(), self.settings.network),
            follow=connections.follow,
        )
        running = RunningCircle(service, relays)
        self._running[circle.cold.id] = running
        await self._nursery.start(service.run)
        self._nursery.start_soon(connections.run, service)

    def _hear(self, running: RunningCircle, happened: machine.Show | machine.Tell) -> None:
        running.hear(happened)
        if isinstance(happened, machine.Tell):
            self.talk_news.set()

    def _circles(self) -> Iterator[RunningCircle]:
        return iter(list(self._running.values()))

    async def _decide(
        self, running: RunningCircle, event: machine.Event
    ) -> tuple[machine.Effect, ...]:
        return await decide(running, event, self.committer)

    async def _keep(self, writes: Sequence[Write]) -> None:
        """Return when these are on disk; a vault that fails is told to who asked, too."""
        try:
            self.committer.submit(writes)
            await self.committer.flushed()
        except VaultFailed as failed:
            raise refusal(failed.reason) from None

    def _find(self, circle: str) -> RunningCircle:
        return find_circle(circle, self._running)
