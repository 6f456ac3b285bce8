"""The application: what the command line (and later the page) can ask for, in one place.

It owns the circles' services and the top nursery. Every method answers after what it did is
durable, and refuses with a code that the doors put into words.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
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
from toheal_p2p.app.governance import Governance
from toheal_p2p.app.invitations import fetch_content, read_link
from toheal_p2p.app.meeting import Meetings
from toheal_p2p.app.names import find, find_message
from toheal_p2p.app.paths import Paths, servers_of
from toheal_p2p.app.profile import (
    MAX_OWN_RELAYS,
    put_relays,
    read_relay,
    require_charter,
    require_text,
    restore,
    usable_name,
)
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.relays import RelayPair, make_pairs
from toheal_p2p.app.running import (
    RunningCircle,
    begin_anew,
    decide,
    find_circle,
    open_seats,
    relay_view,
    remember_warnings,
    require_active,
    require_facilitated,
    require_facilitators,
    require_relay,
    require_room,
    require_voice,
)
from toheal_p2p.app.settings import Settings
from toheal_p2p.app.spoken import SpokenCodes
from toheal_p2p.app.vault_refusals import refusal
from toheal_p2p.ports.channels import Channels
from toheal_p2p.ports.probes import Interfaces, Probe
from toheal_p2p.ports.vault import EntryRow, Vault
from toheal_p2p.services.circle import CircleService
from toheal_p2p.services.committer import Committer, VaultFailed
from toheal_p2p.services.relay_connection import RelayConnection
from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import safety_words
from toheal_protocol.machines import door
from toheal_protocol.machines import events as machine
from toheal_protocol.machines.addressing import MAX_RELAYS
from toheal_protocol.machines.records import PutCircle, Write
from toheal_protocol.machines.state import Circle, Stage
from toheal_protocol.machines.storing import encode_cold
from toheal_protocol.messages.bodies import CONTENT_NOTES
from toheal_protocol.messages.invitation import InvitationContent
from toheal_protocol.model import (
    Audience,
    CircleId,
    WallTime,
)
from toheal_protocol.wire.relay_address import RelayAddress

PAGE: Final = 200
"""Entries a follower reads at once."""

NEWEST_DELIVERIES: Final = 100
"""Rows of `deliveries` when no message is named."""

DRAIN_DEADLINE: Final = 2.0
"""Seconds open links get to finish when the person locks. What is left is owed and comes later."""

SEARCH_MOST: Final = 200
"""Entries a search returns."""


@define(eq=False)
class Application(Paths, Governance):
    """One opened profile. Fulfils `AppInterface`.

    Attributes:
        connect: makes a connection to a relay (not running yet).
        end: ends the process's work; called by `lock` and `wipe`.
        destroy: erases the profile's keys and folder at once, while it is still open.
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
    was_put_back: bool = field(default=False, init=False)
    """Whether this run began with an older copy of the vault: the person is told while it lasts."""
    _nickname: str = field(default="", init=False, repr=False)
    _relays: tuple[RelayAddress, ...] = field(default=(), init=False)
    _running: dict[CircleId, RunningCircle] = field(factory=dict, init=False)
    _nursery: trio.Nursery | None = field(default=None, init=False)
    spoken: SpokenCodes = field(init=False, repr=False)
    bundles: Bundles = field(init=False, repr=False)
    _beginning: trio.Lock = field(factory=trio.Lock, init=False)
    _looked_at: dict[str, InvitationContent] = field(factory=dict, init=False, repr=False)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start every circle and serve until cancelled."""
        stored = await self.vault.load()
        self.settings.begin(stored.settings, self._keep, self._running)
        circles, self._nickname, self._relays = restore(stored)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self.bundles = Bundles(self.vault, self.committer, self._running)
            self.spoken = SpokenCodes(
                nursery,
                self.entropy,
                self.wall_clock,
                self.connect,
                self._inviting,
                self._find,
                self.invite,
                self._known_relays,
            )
            for circle in circles:
                await self._start(circle)
            remember_warnings(self._running, stored.settings)
            self.was_put_back = self.vault.was_put_back
            if self.was_put_back:
                await begin_anew(self._running.values(), self.committer, self.vault)
            nursery.start_soon(self.meeting.run, self._running)
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
        )
        await self._begin(circle)
        return showing.circle_view(circle.cold)

    async def circle_list(self) -> Sequence[views.CircleView]:
        """Return every circle, oldest first."""
        await self._keep([])  # what is shown survives a crash right after
        return [showing.circle_view(one.service.circle.cold) for one in self._running.values()]

    async def circle_members(self, circle: str) -> Sequence[views.MemberView]:
        """Return the members, ourselves included."""
        running = self._find(circle)
        return showing.member_views(running.service.circle.cold, forked=running.forked)

    async def circle_leave(self, circle: str) -> None:
        """Leave."""
        running = self._find(circle)
        if running.service.circle.cold.stage in (Stage.LEFT, Stage.REMOVED):
            require_active(running)  # says which
        await self._decide(running, machine.Left())

    async def circle_seen(self, circle: str) -> None:
        """Take the warnings about copies and new sessions for seen."""
        await self._keep([self._find(circle).see(wall_now=self.wall_clock())])

    # ---- invitations and the door

    async def invite(self, circle: str, *, expires_in: int) -> views.InvitationView:
        """Offer one seat."""
        running = self._inviting(circle)
        cold = running.service.circle.cold
        relay = next((one for one in cold.relays if running.is_up(one)), cold.relays[0])
        told = await self._decide(running, machine.Invited(expires_in, relay))
        link = next(e.text for e in told if isinstance(e, machine.Tell) and e.text)
        offered = map(showing.invitation_view, running.service.circle.cold.invitations)
        return next(view for view in offered if view.link == link)  # others may be asked for, too

    async def invitations(self, circle: str) -> Sequence[views.InvitationView]:
        """Return the seats on offer."""
        cold = self._find(circle).service.circle.cold
        return [showing.invitation_view(one) for one in open_seats(cold, self.wall_clock())]

    async def withdraw_invitation(self, circle: str, invitation: str) -> None:
        """Take an offered seat back, or a spoken code."""
        running = self._find(circle)
        cold = running.service.circle.cold
        if not self.spoken.withdraw(cold.id, invitation):
            candidates = [(one.id, one.id.hex(), one) for one in open_seats(cold)]
            wanted = find(invitation, candidates, missing="no_such_invitation")
            await self._decide(running, machine.InvitationWithdrawn(wanted.id))

    async def look_at_invitation(
        self, link: str, *, report: views.Report | None = None
    ) -> views.InvitationContentView:
        """Fetch what the invitation says."""
        read = read_link(link, wall_now=self.wall_clock())
        content = await fetch_content(read, connect=self.connect, report=report)
        if content.circle_id in self._running:
            raise Refused("already_a_member")
        self._looked_at = {str(read): content}
        return showing.invitation_content_view(content, read)

    async def join(self, link: str, *, nickname: str) -> views.CircleView:
        """Knock at the door that the invitation opens."""
        name = usable_name(nickname or self._nickname)
        read = read_link(link, wall_now=self.wall_clock())
        content = self._looked_at.get(str(read))
        if content is None:
            content = await fetch_content(read, connect=self.connect)
        try:
            circle = door.knock_at(
                read,
                content,
                my_name=name,
                entropy=self.entropy,
                wall_now=self.wall_clock(),
            )
        except RemoteError:
            raise Refused("invitation_malformed") from None
        await self._begin(circle)
        return showing.circle_view(circle.cold)

    async def waiting(self, circle: str) -> Sequence[views.WaitingView]:
        """Return who stands at the door."""
        return showing.waiting_views(self._find(circle).service.circle.cold)

    async def admit(self, circle: str, who: str) -> None:
        """Let somebody in."""
        running = require_room(require_facilitated(self._find(circle)))
        await self._decide(running, machine.Admitted(running.at_door(who)))

    async def decline(self, circle: str, who: str) -> None:
        """Keep the door closed to somebody."""
        running = require_facilitated(self._find(circle))
        await self._decide(running, machine.Refused(running.at_door(who)))

    # ---- relays

    async def relay_add(self, address: str) -> None:
        """Add a relay to the profile's own."""
        relay = read_relay(address)
        if relay in self._relays:
            return
        if len(self._relays) >= MAX_OWN_RELAYS:
            raise Refused("too_many_relays", limit=MAX_OWN_RELAYS)
        await self._keep_relays((*self._relays, relay))

    async def relay_list(self) -> Sequence[views.RelayView]:
        """Return the profile's own relays, and those its circles use."""
        circles = self._running.values()
        return [relay_view(relay, circles) for relay in self._known_relays()]

    async def relay_remove(self, address: str) -> None:
        """Remove one of the profile's relays."""
        relay = read_relay(address)
        if relay not in self._relays:
            raise Refused("no_such_relay", address=address[:200])
        await self._keep_relays(tuple(one for one in self._relays if one != relay))

    # ---- words

    async def say(
        self, circle: str, text: str, *, notes: Sequence[str], to_facilitators: bool
    ) -> str:
        """Say something; returns the message's id once it is durable."""
        found = self._find(circle)
        running = require_facilitators(found) if to_facilitators else require_voice(found)
        require_text(text)
        known = tuple(dict.fromkeys(note for note in notes if note in CONTENT_NOTES))
        audience = Audience.FACILITATORS if to_facilitators else Audience.CIRCLE
        decision = await self._decide(running, machine.Submitted(text, known, audience))
        mine = [e.entry.mid for e in decision if isinstance(e, machine.Show) and e.entry.is_mine]
        return mine[-1].hex()

    async def read(self, circle: str, *, after: int = 0, limit: int) -> Sequence[views.EntryView]:
        """Return entries above `after`, oldest first."""
        running = self._find(circle)
        cold = running.service.circle.cold
        rows = await self.vault.entries(cold.id, after=after, limit=limit)
        return self._entries(running, rows)

    async def follow(self, circle: str, *, after: int) -> AsyncGenerator[views.EntryView, None]:
        """Give every entry above `after`, and then each new one."""
        running = self._find(circle)
        while True:
            changed = running.changed
            rows = await self.vault.entries(running.service.circle.cold.id, after=after, limit=PAGE)
            for view in self._entries(running, rows):
                after = view.position
                yield view
            if not rows:
                await changed.wait()

    async def deliveries(self, circle: str, message: str | None) -> Sequence[views.DeliveryView]:
        """Return where our message is per member."""
        running = self._find(circle)
        cold = running.service.circle.cold
        mid = None if message is None else await find_message(self.vault, cold.id, message)
        rows = await self.vault.deliveries(cold.id, mid, limit=NEWEST_DELIVERIES)
        return [showing.delivery_view(cold, row) for row in rows]

    async def search(self, circle: str, query: str) -> Sequence[views.EntryView]:
        """Return entries that hold every word of the query, newest first."""
        running = self._find(circle)
        rows = await self.vault.search(running.service.circle.cold.id, query, limit=SEARCH_MOST)
        return self._entries(running, rows)

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
            circles=tuple(self._running.values()),
            meetings=await self.meeting.views(),
        )
        return await examine(patient)

    # ---- ending

    async def lock(self) -> None:
        """Forget every key and end the process."""
        await self.committer.flushed()
        with trio.move_on_after(DRAIN_DEADLINE):
            async with trio.open_nursery() as nursery:
                for running in self._running.values():
                    nursery.start_soon(running.service.drain_links)
        self.end()

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
        relays = make_pairs(circle.cold.relays, self.connect, self.on_relay)
        running: RunningCircle

        service = CircleService(
            circle=circle,
            vault=self.vault,
            committer=self.committer,
            entropy=self.entropy,
            wall_clock=self.wall_clock,
            relays=relays,
            channels=self.channels,
            tell=lambda happened: running.hear(happened),
            servers=partial(servers_of, relays.values(), self.settings.network),
        )
        running = RunningCircle(service, relays)
        self._running[circle.cold.id] = running
        await self._nursery.start(service.run)
        for pair in relays.values():
            self._nursery.start_soon(pair.run, service)

    async def _decide(
        self, running: RunningCircle, event: machine.Event
    ) -> tuple[machine.Effect, ...]:
        return await decide(running, event, self.committer)

    async def _keep_relays(self, relays: tuple[RelayAddress, ...]) -> None:
        self._relays = relays
        await self._keep([put_relays(relays)])

    async def _keep(self, writes: Sequence[Write]) -> None:
        """Return when these are on disk; a vault that fails is told to who asked, too."""
        try:
            self.committer.submit(writes)
            await self.committer.flushed()
        except VaultFailed as failed:
            raise refusal(failed.reason) from None

    def _find(self, circle: str) -> RunningCircle:
        return find_circle(circle, self._running)

    def _inviting(self, circle: str) -> RunningCircle:
        return require_relay(require_room(require_facilitated(self._find(circle))))

    def _known_relays(self) -> tuple[RelayAddress, ...]:
        used = [relay for one in self._running.values() for relay in one.relays]
        return tuple(dict.fromkeys((*self._relays, *used)))

    def _entries(self, running: RunningCircle, rows: Sequence[EntryRow]) -> list[views.EntryView]:
        return [showing.entry_view(running.service.circle.cold, row) for row in rows]
