"""A whole world in one process and in virtual time: people, a relay, links, and bad luck.

Every person runs the real core. The disk, the relay and the links are small models that can lose,
repeat, delay and reorder, crash between decide, commit and act, forget, and be cut off. All
randomness comes from one seed, so every failure replays.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations, count, product

from attrs import define, field

from tests.support.disk import Disk
from tests.support.entropy import SeededEntropy
from tests.support.room import Room
from toheal_protocol.machines import door, sync_events
from toheal_protocol.machines import events as m
from toheal_protocol.machines.circle import step
from toheal_protocol.machines.draft import Decision
from toheal_protocol.machines.file_effects import ChunksLoaded, LoadChunks
from toheal_protocol.machines.ledgers import membership_of
from toheal_protocol.machines.records import (
    PutCircle,
    PutEntry,
)
from toheal_protocol.machines.state import Circle, Stage, Standing
from toheal_protocol.machines.storing import (
    encode_cold,
)
from toheal_protocol.messages.grants import MAIL
from toheal_protocol.messages.invitation import open_invitation
from toheal_protocol.model import (
    Address,
    Audience,
    Instant,
    MemberId,
    MessageId,
    OperationId,
    WallTime,
)
from toheal_protocol.wire.invitation_link import InvitationLink, parse_invitation_link
from toheal_protocol.wire.relay_address import RelayAddress

WALL_START = 1_800_000_000


@define(eq=False)
class RelayModel:
    """A relay that keeps and pushes, and forgets when it is restarted."""

    address: RelayAddress
    boot: bytes
    is_up: bool = True
    boxes: dict[Address, dict[int, bytes]] = field(factory=dict)
    watchers: dict[Address, Person] = field(factory=dict)
    numbers: count = field(factory=lambda: count(1))  # type: ignore[type-arg]
    seen: list[bytes] = field(factory=list)
    deposited: list[tuple[Address, bytes]] = field(factory=list)


class Crashed(Exception):
    """The process died here."""


@define(eq=False)
class Person:
    """Somebody with one circle, a disk, and a process that may be down."""

    name: str
    world: World
    entropy: SeededEntropy
    disk: Disk = field(factory=Disk)
    circle: Circle | None = None
    is_running: bool = False
    is_online: bool = False
    alarm: Instant | None = None
    run: int = 0
    clock_error: int = 0
    shown: list[PutEntry] = field(factory=list)
    told: list[m.Tell] = field(factory=list)
    said: list[tuple[MessageId, str]] = field(factory=list)
    crash_at: tuple[str, int] | None = None
    steps: int = 0
    history: list[str] = field(factory=list)
    links: dict[MemberId, bytes] = field(factory=dict)
    ways: list[m.LinkWay] = field(factory=list)
    """Every way of a link this process was ever asked to prepare."""

    @property
    def wall(self) -> WallTime:
        return WallTime(int(WALL_START + self.world.now + self.clock_error))

    @property
    def id(self) -> MemberId:
        assert self.circle is not None
        return self.circle.cold.persona.keys.member_id

    @property
    def view(self) -> tuple[OperationId, ...]:
        """The newest membership operations this person knows."""
        assert self.circle is not None
        return membership_of(self.circle.cold.id, self.circle.cold.operations).heads

    def feed(self, event: m.Event) -> Decision | None:
        """Decide, commit, act; dies where `crash_at` says."""
        if not self.is_running or self.circle is None:
            return None
        self.steps += 1
        self.history.append(type(event).__name__)
        try:
            self._die_if("decide")
            decision = step(
                self.circle,
                event,
                now=Instant(self.world.now),
                wall_now=self.wall,
                entropy=self.entropy,
            )
            self._die_if("commit")
            self.disk.apply(decision.writes)
            self.circle = decision.circle
            self._die_if("act")
            for place, effect in enumerate(decision.effects):
                if place == 1:
                    self._die_if("mid-act")
                self.world.perform(self, effect)
        except Crashed:
            self.world.kill(self)
            self.world.restart_soon(self)
            return None
        return decision

    def _die_if(self, point: str) -> None:
        if (
            self.crash_at is not None
            and self.crash_at[0] == point
            and self.steps >= self.crash_at[1]
        ):
            self.crash_at = None
            raise Crashed

    # ---- what a person does

    def say(self, text: str, audience: Audience = Audience.CIRCLE) -> MessageId | None:
        decision = self.feed(m.Submitted(text, audience=audience))
        if decision is None:
            return None
        mine = [e.entry for e in decision.effects if isinstance(e, m.Show) and e.entry.is_mine]
        self.said.append((mine[-1].mid, text))
        return mine[-1].mid

    def texts(self) -> list[tuple[MemberId, str]]:
        """Everything on disk in the order it was accepted."""
        return [(e.author, e.text) for e in self.disk.entries.values() if e.kind == "text"]

    def delivered_to(self, member: MemberId) -> set[MessageId]:
        owed = {row.mid for row in self.disk.owed.get(member, {}).values()}
        return {mid for mid, _ in self.said if mid not in owed}


@define(eq=False)
class World:
    """Everybody, and what lies between them."""

    seed: int
    now: float = 0.0
    chance: random.Random = field(init=False)
    drop: float = 0.0
    repeat: float = 0.0
    delay: tuple[float, float] = (0.001, 0.05)
    people: list[Person] = field(factory=list)
    relay: RelayModel = field(init=False)
    _queue: list[tuple[float, int, Callable[[], object]]] = field(factory=list)
    _order: count = field(factory=count)  # type: ignore[type-arg]
    _meeting: dict[bytes, list[tuple[Person, MemberId]]] = field(factory=dict)
    links_allowed: bool = True
    has_turn: bool = False
    """Whether the relay lends addresses; without, the only links are direct ones."""
    bandwidth: float = float("inf")
    """Bytes a second that a link carries each way; what is more waits in its order."""
    carried: dict[str, int] = field(factory=dict)
    """Bytes each person has sent over links."""
    serves_nothing: set[str] = field(factory=set)
    """Who takes questions about files and does not answer for now."""
    _busy: dict[tuple[str, MemberId], float] = field(factory=dict)
    room: Room = field(init=False)
    keep_deposits: bool = False
    answers: bool = True
    restart_after: float | None = None
    _rings: int = 0
    _crash: tuple[int, tuple[str, int]] | None = None
    _blocked: dict[Address, int] = field(factory=dict)
    _sealed: dict[bytes, bytes] = field(factory=dict)
    _open_ways: dict[tuple[str, bytes], m.LinkWay] = field(factory=dict)
    frames: list[bytes] = field(factory=list)
    """Every frame that went over a link."""
    departed: list[tuple[float, str, Address]] = field(factory=list)
    """When each deposit left, whose it was, and into which mailbox."""
    apart: set[frozenset[str]] = field(factory=set)
    """Who does not reach whom, by link or by mail; what is sent lies where it is."""
    direct: dict[tuple[str, MemberId], bool] = field(factory=dict)
    """Whether a person's newest link to a member showed addresses: both sides took that way."""

    def __attrs_post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        address = RelayAddress("relay.example", 443, bytes(32))
        self.relay = RelayModel(address, self._boot())
        self.room = Room(self)

    def _boot(self) -> bytes:
        return self.chance.randbytes(16)

    def take_chance(self, seed: int) -> None:
        """Let everything from now on depend on another seed, and draw nothing a second time."""
        self.seed = seed
        self.chance.seed(f"from now on {seed}")
        for person in self.people:
            person.entropy = SeededEntropy(self.chance.randrange(1 << 30))

    def forget_what_went(self) -> None:
        """Forget what only a test looks at: all that was drawn, carried and done so far."""
        self.relay.seen.clear()
        self.relay.deposited.clear()
        self.frames.clear()
        self.departed.clear()
        for person in self.people:
            person.history.clear()
            person.entropy.drawn.clear()

    # ---- people

    def block(
        self, author: Person, reader: Person, *, most: int = 1 << 30, kind: int = MAIL
    ) -> Callable[[], None]:
        """Let the relay lose the next deposits of one for another; the result ends it."""
        assert reader.circle is not None
        boxes = reader.circle.cold.peers[author.id].mailboxes
        mail = {box.address: most for box in boxes if box.kind == kind}
        self._blocked.update(mail)
        return self._blocked.clear

    def person(self, name: str) -> Person:
        made = Person(name, self, SeededEntropy(self.chance.randrange(1 << 30)))
        if self._crash is not None and self._crash[0] == len(self.people):
            made.crash_at = self._crash[1]
        self.people.append(made)
        return made

    def found(self, person: Person, *, is_direct: bool = True, has_relay: bool = True) -> None:
        circle = door.found_circle(
            name="حلقة",
            my_name=person.name,
            charter="",
            relays=(self.relay.address,) if has_relay else (),
            is_direct=is_direct,
            entropy=person.entropy,
            wall_now=person.wall,
        )
        self._begin(person, circle)

    def crash(self, who: int, point: str, step: int) -> None:
        """Let the person to come as the `who`th die at this boundary of this step."""
        self._crash = (who, (point, step))

    def invite(self, person: Person, lifetime: int = 48 * 3600) -> InvitationLink:
        link = self.try_to_invite(person, lifetime)
        assert link is not None
        return link

    def try_to_invite(self, person: Person, lifetime: int = 48 * 3600) -> InvitationLink | None:
        """Make an invitation; None when the process died over it."""
        assert person.circle is not None
        relay = next(iter(person.circle.cold.relays), None)
        decision = person.feed(m.Invited(lifetime, relay))
        if decision is None:
            return None
        texts = [e.text for e in decision.effects if isinstance(e, m.Tell) and e.text]
        link = parse_invitation_link(texts[-1])
        self._sealed[link.secret] = decision.circle.cold.invitations[-1].sealed
        return link

    def knock(self, person: Person, link: InvitationLink, inviter: Person) -> None:
        content = open_invitation(self._sealed[link.secret], link=link)
        circle = door.knock_at(
            link, content, my_name=person.name, entropy=person.entropy, wall_now=person.wall
        )
        self._begin(person, circle)

    def bring_together(self, *, is_direct: bool = True) -> tuple[Person, Person]:
        """Two people in one circle, the ordinary way."""
        ours, theirs = self.person("نورس"), self.person("Salma")
        self.found(ours, is_direct=is_direct)
        self.join(ours, theirs)
        return ours, theirs

    def join(self, inviter: Person, newcomer: Person) -> None:
        link = self.invite(inviter)
        self.knock(newcomer, link, inviter)
        self.run_until(lambda: bool(self.waiting(inviter)), within=120)
        inviter.feed(m.Admitted(newcomer.id))
        self.run_until(
            lambda: newcomer.circle is not None and newcomer.circle.cold.stage is Stage.ACTIVE,
            within=120,
        )

    def waiting(self, person: Person) -> list[MemberId]:
        assert person.circle is not None
        peers = person.circle.cold.peers.items()
        return [member for member, peer in peers if peer.standing is Standing.WAITING]

    def _begin(self, person: Person, circle: Circle) -> None:
        person.disk.apply((PutCircle(circle.cold.id, encode_cold(circle.cold)),))
        self.start(person)

    def start(self, person: Person) -> None:
        if person.is_running:
            return
        person.circle = person.disk.load()
        person.is_running = True
        person.run += 1
        person.feed(m.Started())
        self._later(self._latency(), partial(self._connect, person, person.run))

    def kill(self, person: Person) -> None:
        """The process is gone, with everything in its memory."""
        person.is_running = person.is_online = False
        person.alarm = None
        self.relay.watchers = {a: p for a, p in self.relay.watchers.items() if p is not person}
        for member in list(person.links):
            self.cut_link(person, member)
        self.room.leave(person)

    def restart_soon(self, person: Person) -> None:
        """Somebody starts the process again, where this world has such a somebody."""
        if self.restart_after is not None:
            self._later(self.restart_after, lambda: self.start(person))

    def _connect(self, person: Person, run: int) -> None:
        if person.is_running and person.run == run and self.relay.is_up and not person.is_online:
            person.is_online = True
            person.feed(m.RelayUp(self.relay.address, self.relay.boot))
            for address, watcher in list(self.relay.watchers.items()):
                if watcher is person:
                    self._push_all(address)

    def disconnect(self, person: Person) -> None:
        if person.is_online:
            person.is_online = False
            person.feed(m.RelayDown(self.relay.address))
            if person.circle is not None:
                for ticket in list(person.circle.live.tickets):
                    person.feed(m.DepositRefused(ticket, 0.0))

    def reconnect(self, person: Person) -> None:
        self._later(self._latency(), partial(self._connect, person, person.run))

    def part(self, *groups: Sequence[Person]) -> None:
        """Let nobody of one group reach anybody of another, until `mend`."""
        for some, others in combinations(groups, 2):
            for ours, theirs in product(some, others):
                self.apart.add(frozenset((ours.name, theirs.name)))
                if theirs.circle is not None:
                    self.cut_link(ours, theirs.id)

    def mend(self) -> None:
        """Let everybody reach everybody again."""
        self.apart.clear()
        for address in list(self.relay.boxes):
            self._push_all(address)

    def _are_apart(self, person: Person, member: MemberId | None) -> bool:
        names = {other.name for other in self.people if other.circle and other.id == member}
        return any(frozenset((person.name, name)) in self.apart for name in names)

    # ---- the relay

    def restart_relay(self) -> None:
        """Its memory is gone; everybody reconnects."""
        self.relay.boot = self._boot()
        self.relay.boxes = {}
        for person in self.people:
            self.disconnect(person)
            self.reconnect(person)

    def _deposit(self, person: Person, run: int, effect: m.Deposit, boot: bytes) -> None:
        if not person.is_online or person.run != run or self.relay.boot != boot:
            return
        box = self.relay.boxes.setdefault(effect.address, {})
        blocked = self._blocked.get(effect.address, 0)
        self._blocked[effect.address] = max(0, blocked - 1)
        self.relay.seen.append(effect.frame)
        if self.keep_deposits:
            self.relay.deposited.append((effect.address, effect.frame))
        if effect.frame not in box.values() and not blocked:
            number = next(self.relay.numbers)
            box[number] = effect.frame
            self._push(effect.address, number)
        if self.answers and not self._is_lost():
            answer = m.Deposited(effect.ticket)
            self._later(self._latency(), lambda: self._answer(person, run, answer))

    def _answer(self, person: Person, run: int, event: m.Event) -> None:
        if person.run == run:
            person.feed(event)

    def _push_all(self, address: Address) -> None:
        for number in list(self.relay.boxes.get(address, {})):
            self._push(address, number)

    def _push(self, address: Address, number: int) -> None:
        for _ in range(1 + (self.chance.random() < self.repeat)):
            self._later(self._latency(), lambda: self._arrive(address, number))

    def _arrive(self, address: Address, number: int) -> None:
        person = self.relay.watchers.get(address)
        frame = self.relay.boxes.get(address, {}).get(number)
        if person is None or frame is None or not person.is_online or person.circle is None:
            return
        source = person.circle.live.sources.get(address)
        if self.apart and source is not None and self._are_apart(person, source.member):
            return
        if self._is_lost():  # the push is lost; it still lies there and is pushed again
            self._later(1.0, lambda: self._arrive(address, number))
            return
        mail = (m.Mail(address, number, frame),)
        person.feed(m.MailArrived(self.relay.address, mail))

    # ---- effects

    def perform(self, person: Person, effect: m.Effect) -> None:
        run = person.run
        match effect:
            case m.WakeAt(instant):
                person.alarm = instant
            case m.Show(entry):
                person.shown.append(entry)
            case m.Tell():
                person.told.append(effect)
            case m.Watch(_, mailboxes):
                for box in mailboxes:
                    if box.is_watched:
                        self.relay.watchers[box.address] = person
                        if person.is_online:
                            self._push_all(box.address)
            case m.Unwatch(_, addresses):
                for address in addresses:
                    self.relay.watchers.pop(address, None)
            case m.Deposit():
                self.departed.append((self.now, person.name, effect.address))
                boot = self.relay.boot
                if not self._is_lost():
                    self._later(self._latency(), lambda: self._deposit(person, run, effect, boot))
                else:
                    refused = m.DepositRefused(effect.ticket, 0.5)
                    self._later(2.0, lambda: self._answer(person, run, refused))
            case m.DeleteMail(_, _, items):
                for lying in self.relay.boxes.values():
                    for item in items:
                        lying.pop(item, None)
            case m.LoadOwed():
                self._load_owed(person, run, effect)
            case sync_events.BundleReady():
                pass  # whoever asked for it finds it in the decision
            case sync_events.FindEntries():
                found = person.disk.asked_entries(
                    effect.asked, effect.after, effect.limit, effect.most
                )
                event: m.Event = sync_events.EntriesFound(effect.member, effect.asked, found)
                self._later(0.0, partial(self._answer, person, run, event))
            case sync_events.FindStories():
                event = sync_events.StoriesFound(effect, person.disk.stories(effect))
                self._later(0.0, partial(self._answer, person, run, event))
            case m.SendFrames(member, frames):
                if not self.room.send(person, member, frames):
                    self._send(person, member, frames)
            case LoadChunks():
                self._load_chunks(person, run, effect)
            case m.PrepareLink():
                person.ways.append(effect.way)
                self._prepare(person, run, effect)
            case m.ConnectLink(member, attempt):
                self._connect_link(person, member, attempt)
            case m.CloseLan(member, wire):
                self.room.close(person, member, wire)
            case m.NameLan(wire, member):
                self.room.name(person, wire, member)
            case m.CloseLink(member, attempt):
                self._open_ways.pop((person.name, attempt), None)
                if person.links.get(member) == attempt:
                    self.cut_link(person, member)
            case m.ExpectLink():
                pass  # preparing takes no longer here without it
            case m.HailRelay():
                pass  # the relay of this world never falls silent by itself
            case m.ProbeLink(member, attempt):
                if person.links.get(member) != attempt:
                    event = m.LinkClosed(member, attempt)
                    self._later(3.0, lambda: self._answer(person, run, event))

    def _load_owed(self, person: Person, run: int, effect: m.LoadOwed) -> None:
        rows = sorted(person.disk.owed.get(effect.member, {}).values(), key=lambda r: r.seq)
        wanted = [row for row in rows if effect.after < row.seq <= effect.upto]
        some = tuple(wanted[: effect.limit])
        event = m.OwedLoaded(effect.member, effect.upto, len(some) == len(wanted), some)
        self._later(0.0, lambda: self._answer(person, run, event))

    def _load_chunks(self, person: Person, run: int, effect: LoadChunks) -> None:
        """Read chunks when nothing waits to go to this member, as the shell does."""
        if person.name in self.serves_nothing:
            self._later(1.0, lambda: self._load_chunks(person, run, effect))
            return
        wait = max(0.0, self._busy.get((person.name, effect.member), 0.0) - self.now)
        if wait:
            self._later(wait, lambda: self._load_chunks(person, run, effect))
            return
        kept = person.disk.chunks.get(effect.file, {})
        found = tuple(kept[place] for place in effect.places if place in kept)
        is_missing = len(found) < len(effect.places)
        event = ChunksLoaded(effect.member, effect.file, found, is_missing)
        self._later(0.0, lambda: self._answer(person, run, event))

    # ---- links

    def _other(self, person: Person, member: MemberId) -> Person | None:
        for other in self.people:
            if other is not person and other.circle is not None and other.id == member:
                return other
        return None

    def _prepare(self, person: Person, run: int, effect: m.PrepareLink) -> None:
        member, attempt = effect.member, effect.attempt
        self._open_ways[person.name, attempt] = effect.way
        if not self.links_allowed or (effect.way is m.LinkWay.TURN and not self.has_turn):
            event: m.Event = m.LinkClosed(member, attempt)
        else:
            event = m.LinkPrepared(member, attempt, b"blob")
        self._later(self._latency(), lambda: self._answer(person, run, event))

    def _connect_link(self, person: Person, member: MemberId, attempt: bytes) -> None:
        there = self._meeting.setdefault(attempt, [])
        there.append((person, member))
        if len(there) == 2:
            self._later(self._latency(), lambda: self._open_link(attempt))

    def _open_link(self, attempt: bytes) -> None:
        there = self._meeting.pop(attempt, [])
        wants = [(p.name, attempt) in self._open_ways for p, _ in there]
        apart = any(self._are_apart(p, member) for p, member in there)
        running = all(p.is_running for p, _ in there)
        if apart or not running or not all(wants) or not self.links_allowed:
            for person, member in there:
                person.feed(m.LinkClosed(member, attempt))
            return
        for person, member in there:
            person.links[member] = attempt
            self.direct[person.name, member] = all(
                self._open_ways[other.name, attempt] is m.LinkWay.DIRECT for other, _ in there
            )
        for person, member in there:
            self._later(self._latency(), partial(self._tell_open, person, member, attempt))

    def _tell_open(self, person: Person, member: MemberId, attempt: bytes) -> None:
        if person.links.get(member) == attempt:
            person.feed(m.LinkOpened(member, attempt))
        elif person.is_running:
            person.feed(m.LinkClosed(member, attempt))

    def _send(self, person: Person, member: MemberId, frames: tuple[bytes, ...]) -> None:
        attempt, other = person.links.get(member), self._other(person, member)
        if attempt is None or other is None or self._are_apart(person, member):
            return
        self.frames.extend(frames)

        def arrive() -> None:
            if other.links.get(person.id) == attempt and other.is_running:
                other.feed(m.FramesArrived(person.id, frames))

        size = sum(map(len, frames))
        self.carried[person.name] = self.carried.get(person.name, 0) + size
        free_at = max(self.now, self._busy.get((person.name, member), 0.0))
        free_at += size / self.bandwidth
        self._busy[person.name, member] = free_at
        self._later(free_at - self.now + 0.01, arrive)  # a channel keeps its order

    def cut_link(self, person: Person, member: MemberId) -> None:
        """The channel breaks; what was on its way is gone, both sides notice."""
        attempt, other = person.links.pop(member, None), self._other(person, member)
        if attempt is None:
            return
        self._busy.pop((person.name, member), None)
        if other is not None:
            self._busy.pop((other.name, person.id), None)
        if other is not None and other.links.get(person.id) == attempt:
            del other.links[person.id]
            self._later(
                self.chance.uniform(0, 15), lambda: other.feed(m.LinkClosed(person.id, attempt))
            )
        if person.is_running:
            person.feed(m.LinkClosed(member, attempt))

    # ---- time

    def _is_lost(self) -> bool:
        return self.chance.random() < self.drop

    def _latency(self) -> float:
        return self.chance.uniform(*self.delay)

    def _later(self, wait: float, act: Callable[[], object]) -> None:
        heapq.heappush(self._queue, (self.now + wait, next(self._order), act))

    def _next_alarm(self) -> tuple[float, Person] | None:
        ringing = [(p.alarm, p) for p in self.people if p.is_running and p.alarm is not None]
        return min(ringing, key=lambda one: one[0], default=None)

    def tick(self, *, until: float) -> bool:
        """Do the next thing that happens before `until`; False when there is none."""
        alarm = self._next_alarm()
        first = self._queue[0][0] if self._queue else float("inf")
        if alarm is not None and alarm[0] < first:
            if alarm[0] > until:
                return False
            self._note_alarm(max(self.now, alarm[0]))
            alarm[1].alarm = None
            alarm[1].feed(m.Woke())
            return True
        if first > until:
            return False
        due, _, act = heapq.heappop(self._queue)
        self.now = max(self.now, due)
        act()
        return True

    def _note_alarm(self, at: float) -> None:
        """Move the clock; an alarm that rings on and on at one instant would eat a real machine."""
        self._rings = self._rings + 1 if at == self.now else 0
        assert self._rings < 100, "an alarm in the past that nothing serves"
        self.now = at

    def run_for(self, seconds: float) -> None:
        """Let virtual time pass."""
        until = self.now + seconds
        while self.tick(until=until):
            pass
        self.now = until

    def sleep_through(self, seconds: float) -> None:
        """Every machine sleeps: time passes and nothing happens until it wakes."""
        self.now += seconds

    def run_until(self, condition: Callable[[], bool], *, within: float) -> None:
        """Let virtual time pass until something is true."""
        until = self.now + within
        while not condition():
            if not self.tick(until=until):
                raise AssertionError(f"not within {within} virtual seconds")

    def heal(self) -> None:
        """No more bad luck: everybody runs, is online, and links may open."""
        self.drop = self.repeat = 0.0
        self.links_allowed = True
        for person in self.people:
            person.crash_at = None
            if not person.is_running:
                self.start(person)
            elif not person.is_online:
                self.reconnect(person)
