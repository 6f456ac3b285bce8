"""Two link machines over a channel: ordered and reliable until it is cut, as slow as it likes."""

from __future__ import annotations

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.links import key_pair
from toheal_protocol.machines import link as machine
from toheal_protocol.machines.link import Ended, Ending, Open
from toheal_protocol.machines.link_parts import WINDOW
from toheal_protocol.model import Frame, Instant


class End:
    """One side with the least of a shell."""

    def __init__(self, keys):
        self.state, effects = machine.begin(keys, exporter=bytes(32), now=Instant(0.0))
        self.transmitted: deque[bytes] = deque()
        self.delivered: deque[machine.Deliver] = deque()
        self.taken: list[Frame] = []
        self.sent: list[Frame] = []
        self.wake_at = Instant(0.0)
        self.wants_drain = False
        self.has_asked_drain = False
        self.perform(effects)

    def feed(self, event, now):
        self.state, effects = machine.step(self.state, event, now=now)
        self.perform(effects)

    def perform(self, effects):
        for effect in effects:
            match effect:
                case machine.Transmit(records):
                    self.transmitted += records
                case machine.Deliver():
                    self.delivered.append(effect)
                case machine.WakeAt(at):
                    self.wake_at = at
                case machine.PeerDrains():
                    self.wants_drain = True
                case machine.Opened() | machine.Close():
                    pass

    def send(self, frames, now):
        if machine.can_send(self.state) and not self.wants_drain:
            self.sent += frames
            self.feed(machine.FramesReady(tuple(frames)), now)

    def take(self, now):
        if self.delivered and isinstance(self.state, Open):
            delivered = self.delivered.popleft()
            self.taken += delivered.frames
            self.feed(machine.Consumed(delivered.size), now)

    def drain(self, now):
        if self.wants_drain and isinstance(self.state, Open):
            self.has_asked_drain = True
            self.feed(machine.DrainAsked(), now)


frames = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=40),
        st.integers(1, 96 * 1024).map(lambda size: b"large" + bytes(size - 5 if size > 5 else 1)),
    ).map(Frame),
    min_size=1,
    max_size=4,
)
sides = st.integers(0, 1)


class TwoEnds(RuleBasedStateMachine):
    @initialize()
    def connect(self):
        self.ends = [End(keys) for keys in key_pair()]
        self.now = Instant(0.0)
        self.is_cut = False

    @rule(side=sides, some=frames)
    def frames_are_sent(self, side, some):
        self.ends[side].send(some, self.now)

    @rule(side=sides, count=st.integers(1, 40))
    def records_arrive(self, side, count):
        for _ in range(count):
            self.carry_one(side)

    @rule(side=sides)
    def frames_are_taken(self, side):
        self.ends[side].take(self.now)

    @rule(side=sides)
    def an_alarm_rings_perhaps_twice_or_early(self, side):
        for _ in range(2):
            self.ends[side].feed(machine.Woke(), self.now)

    @rule(seconds=st.floats(0.01, 4))
    def time_passes(self, seconds):
        """Not longer than a live channel and shell would leave an alarm or record lying."""
        self.now = Instant(self.now + seconds)
        self.settle()

    @rule(side=sides)
    @precondition(lambda self: not self.is_cut)
    def a_side_wants_to_end(self, side):
        self.ends[side].wants_drain = True
        self.ends[side].drain(self.now)
        self.ends[side].drain(self.now)

    @rule()
    def the_channel_is_cut(self):
        self.is_cut = True
        for end in self.ends:
            end.feed(machine.ChannelLost(), self.now)
            end.feed(machine.ChannelLost(), self.now)

    @invariant()
    def frames_arrive_once_and_in_order(self):
        for sender, receiver in (self.ends, reversed(self.ends)):
            got = receiver.taken + [f for d in receiver.delivered for f in d.frames]
            assert got == sender.sent[: len(got)]

    @invariant()
    def neither_side_thinks_the_other_broke_the_rules(self):
        for end in self.ends:
            if isinstance(end.state, Ended):
                assert end.state.ending in (Ending.DRAINED, Ending.LOST)

    @invariant()
    def what_is_held_for_the_peer_is_bounded(self):
        for end in self.ends:
            if isinstance(end.state, Open):
                inbound = end.state.inbound
                assert inbound.arrived - inbound.consumed <= WINDOW
                assert len(inbound.partial) <= WINDOW

    def teardown(self):
        if not hasattr(self, "ends") or self.is_cut:
            return
        self.settle()
        for end in self.ends:
            end.wants_drain = True
        self.settle()
        for sender, receiver in (self.ends, reversed(self.ends)):
            assert sender.state == Ended(Ending.DRAINED)
            assert receiver.taken == sender.sent, "a drained link lost a frame"

    def settle(self):
        """Let everything run until nothing moves."""
        moved = True
        while moved:
            moved = False
            for side, end in enumerate(self.ends):
                if isinstance(end.state, Open) and self.now >= end.wake_at:
                    end.feed(machine.Woke(), self.now)
                while self.carry_one(side):
                    moved = True
                while end.delivered and isinstance(end.state, Open):
                    end.take(self.now)
                    moved = True
                if end.wants_drain and not end.has_asked_drain and isinstance(end.state, Open):
                    end.drain(self.now)
                    moved = True

    def carry_one(self, side):
        sender, receiver = self.ends[side], self.ends[1 - side]
        if self.is_cut or not sender.transmitted:
            return False
        receiver.feed(machine.RecordArrived(sender.transmitted.popleft()), self.now)
        return True


TestTwoEnds = TwoEnds.TestCase
TestTwoEnds.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
