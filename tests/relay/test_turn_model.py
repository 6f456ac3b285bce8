"""The TURN server against a model that knows only RFC 8656's rules: nothing passes that may not,
and everything that may, whatever was asked in whatever order and however much time went by."""

from __future__ import annotations

import math

from attrs import define, evolve, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.turn_client import Refused, send_indication
from tests.support.turn_hall import FRIEND, HOST, NOON, Hall
from toheal_protocol.wire.stun import BINDING_REQUEST, StunMessage
from toheal_protocol.wire.stun_integrity import sign_stun
from toheal_protocol.wire.turn import encode_channel_data
from toheal_relay.limits import Limits

LIMITS = evolve(
    Limits(),
    stranger_packets=10**9,
    strangers_burst=1e12,
    relayed_burst=1e12,
    relayed_total_burst=1e12,
    short_stun_burst=1e9,
    stun_burst=1e9,
)
CHANNELS = [0x4001, 0x4002]
ELSEWHERE = [(FRIEND, 7000), (FRIEND, 7001), ("6.6.6.6", 7000)]

guests = st.integers(0, 2)
channels = st.sampled_from(CHANNELS)
together = st.integers(1, 3)


@define
class Held:
    """What the model knows of one guest's allocation."""

    until: float = -math.inf
    relayed: tuple[str, int] = ("", 0)
    permissions: dict[str, float] = field(factory=dict)
    channels: dict[int, tuple[tuple[str, int], float]] = field(factory=dict)


class TurnModel(RuleBasedStateMachine):
    """Three guests of one relay, and three peers elsewhere."""

    @initialize(streams=st.tuples(st.booleans(), st.booleans(), st.booleans()))
    def set_up(self, streams: tuple[bool, ...]) -> None:
        self.hall = Hall(LIMITS)
        self.guests = [
            self.hall.guest(f"9.9.9.{number}", 1000, is_stream=is_stream)
            for number, is_stream in enumerate(streams)
        ]
        self.held = [Held() for _ in self.guests]
        self.count = 0

    @property
    def now(self) -> float:
        return self.hall.now

    def is_live(self, number: int) -> bool:
        return self.held[number].until > self.now

    def address(self, peer: int) -> tuple[str, int]:
        """Peers 0 to 2 are the guests' relayed ports, 3 to 5 are elsewhere."""
        return self.held[peer].relayed if peer < 3 else ELSEWHERE[peer - 3]

    def is_refused(self, address: tuple[str, int]) -> bool:
        return address[0] == HOST and self.owner(address) is None

    def owner(self, address: tuple[str, int]) -> int | None:
        return next(
            (n for n in range(3) if self.held[n].relayed == address and address in self.open_ports()),
            None,
        )  # fmt: skip

    def open_ports(self) -> set[tuple[str, int]]:
        return {(HOST, number) for number in self.hall.ports}

    @rule(number=guests)
    def allocate(self, number: int) -> None:
        was_live = self.is_live(number)
        try:
            relayed = self.guests[number].allocate()
        except Refused:
            assert was_live
        else:
            assert not was_live
            self.held[number] = Held(self.now + 600, relayed)

    @rule(number=guests, lifetime=st.sampled_from([0, 600, 3600]))
    def refresh(self, number: int, lifetime: int) -> None:
        was_live = self.is_live(number)
        try:
            given = self.guests[number].turn.refresh(lifetime)
        except Refused:
            assert not was_live
        else:
            assert was_live
            assert given == lifetime
            self.held[number].until = self.now + lifetime

    @rule(number=guests, host=st.sampled_from([HOST, FRIEND, "6.6.6.6"]))
    def permit(self, number: int, host: str) -> None:
        try:
            self.guests[number].turn.permit(host)
        except Refused:
            assert not self.is_live(number)
        else:
            self.held[number].permissions[host] = self.now + 300

    @rule(number=guests, channel=channels, peer=st.integers(0, 5))
    def bind(self, number: int, channel: int, peer: int) -> None:
        address, held = self.address(peer), self.held[number]
        if not address[1]:
            return
        live = {name: there for name, (there, until) in held.channels.items() if until > self.now}
        may = (
            self.is_live(number)
            and live.get(channel, address) == address
            and all(name == channel for name, there in live.items() if there == address)
        )
        was_refused = self.is_refused(address)
        try:
            self.guests[number].turn.bind(channel, *address)
        except Refused:
            assert not may or was_refused
        else:
            assert may
            assert not was_refused
            held.channels[channel] = (address, self.now + 600)
            held.permissions[address[0]] = self.now + 300

    @rule(number=guests, channel=channels, padding=st.integers(0, 3), count=together)
    def send_by_channel(self, number: int, channel: int, padding: int, count: int) -> None:
        packets = self.packets(padding, count)
        held, guest = self.held[number], self.guests[number]
        address, until = held.channels.get(channel, (("", 0), -math.inf))
        self.expect_sent(number, address, packets, may=self.is_live(number) and until > self.now)
        guest.say(*(encode_channel_data(channel, packet) for packet in packets))
        self.check()

    @rule(number=guests, peer=st.integers(0, 5), padding=st.integers(0, 3), count=together)
    def send_indication(self, number: int, peer: int, padding: int, count: int) -> None:
        packets, address = self.packets(padding, count), self.address(peer)
        if not address[1]:
            return
        permitted = self.held[number].permissions.get(address[0], -math.inf) > self.now
        self.expect_sent(number, address, packets, may=self.is_live(number) and permitted)
        self.guests[number].say(*(send_indication(*address, packet) for packet in packets))
        self.check()

    @rule(number=guests, peer=st.integers(3, 5), padding=st.integers(0, 3), count=together)
    def arrive(self, number: int, peer: int, padding: int, count: int) -> None:
        self.come(number, peer, self.packets(padding, count))

    @rule(number=guests, peer=st.integers(3, 5))
    def answer(self, number: int, peer: int) -> None:
        """From now on the quick way may be taken to this peer."""
        self.count += 1
        check = StunMessage(BINDING_REQUEST, self.count.to_bytes(12, "big"))
        self.come(number, peer, [sign_stun(check, b"password")])

    def come(self, number: int, peer: int, packets: list[bytes]) -> None:
        port = self.held[number].relayed[1]
        if port not in self.hall.ports:
            return
        self.heard: dict[int, list[tuple[object, bytes]]] = {}
        self.left: list[tuple[tuple[str, int], bytes]] = []
        self.expect_heard(number, self.address(peer), packets)
        self.hall.arrive(port, self.address(peer), *packets)
        self.check()

    @rule(seconds=st.sampled_from([1, 100, 299, 301, 600, 1000]), sweep=st.booleans())
    def pass_time(self, seconds: int, sweep: bool) -> None:
        self.hall.pass_time(seconds, sweep=sweep)
        self.hall.wall = NOON  # credentials do not age here

    @precondition(lambda self: hasattr(self, "guests"))
    @invariant()
    def nothing_is_left_behind(self) -> None:
        assert len(self.hall.ports) == self.hall.turn.allocations
        assert self.hall.turn.allocations >= sum(map(self.is_live, range(3)))

    def packets(self, padding: int, count: int) -> list[bytes]:
        """Return packets of one size."""
        self.count += count
        return [b"%6d" % (self.count - each) + bytes(padding) for each in range(count)]

    def expect_sent(
        self, number: int, address: tuple[str, int], packets: list[bytes], *, may: bool
    ) -> None:
        self.heard, self.left = {}, []
        if not may or self.is_refused(address):
            return
        owner = self.owner(address)
        if owner is None:
            self.left += [(address, packet) for packet in packets]
        else:
            self.expect_heard(owner, self.held[number].relayed, packets)

    def expect_heard(self, number: int, sender: tuple[str, int], packets: list[bytes]) -> None:
        if not self.is_live(number):
            return
        held = self.held[number]
        for channel, (address, until) in held.channels.items():
            if address == sender and until > self.now:
                self.heard[number] = [(channel, packet) for packet in packets]
                return
        if held.permissions.get(sender[0], -math.inf) > self.now:
            self.heard[number] = [(sender, packet) for packet in packets]

    def check(self) -> None:
        """Everything that was to be heard was, by who was to hear it, and nothing else."""
        for number, guest in enumerate(self.guests):
            assert guest.heard() == self.heard.get(number, []), number
        left = []
        for port in self.hall.ports.values():
            left += list(port.sent)
            port.sent.clear()
        assert left == self.left


TestTurnModel = TurnModel.TestCase
TestTurnModel.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
