"""The connection to a relay in virtual time: reconnects, repeats, patience, and bounds."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
import trio
import trio.lowlevel
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.support.memory_relay import MemoryRelay
from toheal_p2p.ports.relays import RelayLost
from toheal_p2p.services.relay_connection import (
    EVENTS,
    HAIL_AFTER,
    MOST_DEPOSITS,
    Deposited,
    DepositRefused,
    MailArrived,
    RelayConnection,
    RelayDown,
    RelayEvent,
    RelayHeard,
    RelaySilent,
    RelayUp,
    WatchedMailbox,
)
from toheal_p2p.services.relay_line import DOUBT, LONGEST_PAUSE, PATIENCE
from toheal_protocol.crypto import SigningSeed, token_of
from toheal_protocol.errors import LocalError
from toheal_protocol.model import DepositToken
from toheal_protocol.wire.mailbox import (
    MAX_DEPOSIT_SIZE,
    Credit,
    ItemId,
    MailboxKind,
    Open,
    decode_command,
)
from toheal_protocol.wire.mailbox_answers import (
    DONE,
    WINDOW,
    Hello,
    encode_hello,
    encode_mail,
    encode_reply,
)
from toheal_protocol.wire.relay_address import RelayAddress
from toheal_relay.limits import Limits

SEED = SigningSeed(b"r" * 32)
OTHER = SigningSeed(b"o" * 32)
TOKEN = DepositToken(b"t" * 16)
BOX = WatchedMailbox(SEED, token_of(TOKEN), MailboxKind.MAIL)

ROOMY = evolve(Limits(), strays_per_address=1_000, stray_bytes_per_source=2**24)

Clock = MockClock


def connection_to(relay: MemoryRelay) -> RelayConnection:
    return RelayConnection(relay.address, dial=relay.dial, jitter=lambda: 0.5)


def box_of(seed: SigningSeed) -> WatchedMailbox:
    return evolve(BOX, read_seed=seed)


async def next_event(connection: RelayConnection) -> RelayEvent:
    with trio.fail_after(300):
        return await connection.events.receive()


async def next_mail(connection: RelayConnection, count: int = 1) -> list[bytes]:
    frames: list[bytes] = []
    while len(frames) < count:
        event = await next_event(connection)
        if isinstance(event, MailArrived):
            frames.append(event.frame)
    return frames


async def drained(connection: RelayConnection) -> list[RelayEvent]:
    """Return everything that happens until nothing more does."""
    events = []
    with trio.move_on_after(60):
        while True:
            events.append(await connection.events.receive())
    return events


async def leave_mail(relay: MemoryRelay, *frames: bytes, seed: SigningSeed = SEED) -> None:
    writer = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(writer.run)
        for number, frame in enumerate(frames):
            writer.deposit(number, box_of(seed).address, TOKEN, frame)
        answered = 0
        while answered < len(frames):
            answered += isinstance(await next_event(writer), Deposited)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_mail_arrives_and_is_deleted(autojump_clock: Clock) -> None:
    relay = MemoryRelay()
    await leave_mail(relay, b"one", b"two")
    reader = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(reader.run)
        reader.watch([BOX])
        assert await next_event(reader) == RelayUp(relay.boot)
        mail = [await next_event(reader), await next_event(reader)]
        assert [event.frame for event in mail if isinstance(event, MailArrived)] == [b"one", b"two"]
        assert all(isinstance(each, MailArrived) and each.address == BOX.address for each in mail)
        reader.delete(SEED, [each.item for each in mail if isinstance(each, MailArrived)])
        await trio.sleep(0.1)
        assert relay.holdings().items == 0
        nursery.cancel_scope.cancel()
    with pytest.raises(trio.EndOfChannel):
        await reader.events.receive()


@pytest.mark.trio
async def test_after_a_broken_connection_mailboxes_are_opened_again(autojump_clock: Clock) -> None:
    relay = MemoryRelay()
    reader = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(reader.run)
        reader.watch([BOX, box_of(OTHER)])
        await leave_mail(relay, b"kept")
        assert await next_mail(reader) == [b"kept"]
        relay.cut()
        assert await next_event(reader) == RelayDown("closed")
        assert await next_event(reader) == RelayUp(relay.boot)
        assert await next_mail(reader) == [b"kept"]  # it was not deleted: it is pushed again
        await leave_mail(relay, b"other", seed=OTHER)
        assert await next_mail(reader) == [b"other"]
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_restarted_relay_has_another_boot(autojump_clock: Clock) -> None:
    relay = MemoryRelay()
    reader = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(reader.run)
        reader.watch([BOX])
        before = await next_event(reader)
        relay.restart()
        assert await next_event(reader) == RelayDown("closed")
        after = await next_event(reader)
        assert isinstance(after, RelayUp)
        assert after != before
        await trio.sleep(1)
        assert relay.holdings().mailboxes == 1
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_what_was_wished_for_before_the_relay_was_there_happens(
    autojump_clock: Clock,
) -> None:
    relay = MemoryRelay()
    connection = connection_to(relay)
    connection.watch([BOX])
    connection.deposit(1, BOX.address, TOKEN, b"early")
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.run)
        events = await drained(connection)
        assert RelayUp(relay.boot) in events
        assert Deposited(1) in events
        assert [event.frame for event in events if isinstance(event, MailArrived)] == [b"early"]
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_deposits_under_way_when_the_connection_breaks_are_refused_once(
    autojump_clock: Clock,
) -> None:
    relay = MemoryRelay()
    connection = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.run)
        assert await next_event(connection) == RelayUp(relay.boot)
        relay.is_mute = True
        for ticket in range(100):
            connection.deposit(ticket, BOX.address, TOKEN, bytes(4096))
        await trio.sleep(1)
        relay.is_mute = False
        relay.cut()
        events = await drained(connection)
        refused = [event for event in events if isinstance(event, DepositRefused)]
        assert sorted(event.ticket for event in refused) == list(range(100))
        assert all(event.retry_after == 0 for event in refused)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_relay_out_of_reach_is_told_once_and_tried_ever_more_rarely(
    autojump_clock: Clock,
) -> None:
    relay = MemoryRelay()
    relay.stop()
    connection = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.run)
        await trio.sleep(3600)
        tries = relay.dials
        assert 3600 / LONGEST_PAUSE <= tries < 3600 / LONGEST_PAUSE + 12
        relay.answers_as = "wrong_fingerprint"
        await trio.sleep(120)
        relay.answers_as = "full"
        await trio.sleep(120)
        relay.answers_as = None
        relay.start()
        events = await drained(connection)
        assert events == [
            RelayDown("unreachable"),
            RelayDown("wrong_fingerprint"),
            RelayDown("full"),
            RelayUp(relay.boot),
        ]
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_deposit_with_a_relay_out_of_reach_is_told_when_to_come_again(
    autojump_clock: Clock,
) -> None:
    relay = MemoryRelay()
    relay.stop()
    connection = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.run)
        await trio.sleep(600)
        assert await next_event(connection) == RelayDown("unreachable")
        connection.deposit(5, BOX.address, TOKEN, b"frame")
        refused = await next_event(connection)
        assert isinstance(refused, DepositRefused)
        assert 0 < refused.retry_after <= LONGEST_PAUSE
        relay.start()
        await trio.sleep(refused.retry_after + 0.1)
        connection.deposit(6, BOX.address, TOKEN, b"frame")
        assert await next_event(connection) == RelayUp(relay.boot)
        assert await next_event(connection) == Deposited(6)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_relay_that_owes_an_answer_and_is_silent_is_left_soon(
    autojump_clock: Clock,
) -> None:
    relay = MemoryRelay()
    connection = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.run)
        assert await next_event(connection) == RelayUp(relay.boot)
        relay.is_mute = True
        connection.deposit(1, BOX.address, TOKEN, b"frame")
        began = trio.current_time()
        assert await next_event(connection) == RelaySilent()
        assert DOUBT <= trio.current_time() - began <= DOUBT + 0.1
        assert await next_event(connection) == DepositRefused(1, 0.0)
        assert await next_event(connection) == RelayDown("closed")
        assert trio.current_time() - began <= PATIENCE + 0.1
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_relay_that_was_only_slow_is_doubted_and_heard_again(
    autojump_clock: Clock,
) -> None:
    relay = MemoryRelay()
    connection = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.run)
        assert await next_event(connection) == RelayUp(relay.boot)
        relay.is_slow_by = 4.0
        connection.deposit(1, BOX.address, TOKEN, bytes(50_000))
        began = trio.current_time()
        assert await next_event(connection) == Deposited(1)  # 50 kB may take twelve seconds
        connection.deposit(2, BOX.address, TOKEN, b"frame")
        assert await next_event(connection) == RelaySilent()
        assert await next_event(connection) == RelayHeard()
        assert await next_event(connection) == Deposited(2)
        assert trio.current_time() - began <= 2 * relay.is_slow_by + 0.1
        assert relay.dials == 1
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_pause_before_the_next_attempt_can_be_cut_short(autojump_clock: Clock) -> None:
    relay = MemoryRelay()
    relay.stop()
    connection = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.run)
        await trio.sleep(3600.5)
        relay.start()
        connection.hurry()
        assert await next_event(connection) == RelayDown("unreachable")
        began = trio.current_time()
        assert await next_event(connection) == RelayUp(relay.boot)
        assert trio.current_time() == began
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_relay_that_is_gone_without_a_word_is_noticed(autojump_clock: Clock) -> None:
    relay = MemoryRelay()
    connection = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.run)
        connection.watch([BOX])
        assert await next_event(connection) == RelayUp(relay.boot)
        await trio.sleep(600)
        assert relay.dials == 1  # an idle relay that answers hails is kept
        relay.is_mute = True
        began = trio.current_time()
        assert await next_event(connection) == RelaySilent()
        assert await next_event(connection) == RelayDown("closed")
        assert trio.current_time() - began <= HAIL_AFTER + 2 * PATIENCE
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_no_more_deposits_are_taken_than_there_is_room_for(autojump_clock: Clock) -> None:
    relay = MemoryRelay()
    connection = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.run)
        for ticket in range(MOST_DEPOSITS):
            connection.deposit(ticket, BOX.address, TOKEN, b"frame%d" % ticket)
        with pytest.raises(trio.WouldBlock):
            connection.deposit(9999, BOX.address, TOKEN, b"frame")
        await trio.sleep(10)  # answered, but nobody listens
        more = [is_taken(connection, MOST_DEPOSITS + number) for number in range(EVENTS + 1)]
        assert more.count(True) <= EVENTS
        events = await drained(connection)
        answered = [event for event in events if isinstance(event, Deposited | DepositRefused)]
        assert sorted(event.ticket for event in answered) == list(
            range(MOST_DEPOSITS + more.count(True))
        )
        assert is_taken(connection, 9999)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_deposit_no_relay_could_take_is_a_bug_of_the_caller(autojump_clock: Clock) -> None:
    connection = connection_to(MemoryRelay())
    for frame in (b"", bytes(MAX_DEPOSIT_SIZE + 1)):
        with pytest.raises(LocalError):
            connection.deposit(1, BOX.address, TOKEN, frame)
    with pytest.raises(ValueError, match="7"):
        evolve(BOX, kind=7)


def is_taken(connection: RelayConnection, ticket: int) -> bool:
    try:
        connection.deposit(ticket, BOX.address, TOKEN, b"frame%d" % ticket)
    except trio.WouldBlock:
        return False
    return True


@pytest.mark.trio
async def test_who_does_not_listen_is_pushed_a_window_and_not_dialled_for(
    autojump_clock: Clock,
) -> None:
    relay = MemoryRelay(limits=ROOMY)
    frames = [number.to_bytes(4, "big") * 1024 for number in range(300)]
    await leave_mail(relay, *frames)
    reader = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(reader.run)
        reader.watch([BOX])
        await trio.sleep(120)
        assert reader.events.statistics().current_buffer_used <= WINDOW // 4096 + 1
        assert await next_mail(reader, 300) == frames
        await trio.sleep(60)
        relay.stop()
        dials = relay.dials
        await leave_mail_is_impossible(relay)
        nursery.cancel_scope.cancel()
    assert dials <= 3


async def leave_mail_is_impossible(relay: MemoryRelay) -> None:
    with pytest.raises(RelayLost):
        await relay.dial(relay.address)


@pytest.mark.trio
async def test_events_nobody_takes_hold_up_the_next_dial(autojump_clock: Clock) -> None:
    relay = MemoryRelay(limits=ROOMY)
    await leave_mail(relay, *(b"%d" % number for number in range(200)))
    reader = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(reader.run)
        reader.watch([BOX])
        await trio.sleep(1)
        before = relay.dials
        relay.cut()
        await trio.sleep(600)
        assert relay.dials == before
        assert len(await next_mail(reader, 200)) == 200
        await trio.sleep(60)
        assert relay.dials == before + 1
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_mailbox_the_relay_has_no_room_for_is_opened_later(autojump_clock: Clock) -> None:
    relay = MemoryRelay(limits=evolve(Limits(), mailboxes_per_source=1, registration_mail=100.0))
    early, late = connection_to(relay), connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(late.run)
        async with trio.open_nursery() as first:
            await first.start(early.run)
            early.watch([box_of(OTHER)])
            await trio.sleep(1)
            late.watch([BOX])
            await trio.sleep(1)
            first.cancel_scope.cancel()
        assert await next_event(late) == RelayUp(relay.boot)
        for _ in range(300):
            await trio.sleep(1)
            relay.desk.sweep(now=trio.current_time())  # type: ignore[arg-type]
        await leave_mail(relay, b"at last")
        assert await next_mail(late) == [b"at last"]
        assert relay.holdings().strays == 0
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_after_unwatching_nothing_comes_and_credit_is_not_lost(autojump_clock: Clock) -> None:
    relay = MemoryRelay()
    reader = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(reader.run)
        reader.watch([BOX, box_of(OTHER)])
        assert await next_event(reader) == RelayUp(relay.boot)
        await trio.sleep(1)
        reader.unwatch([BOX.address])
        for _ in range(3):
            await leave_mail(relay, *(bytes([n]) * 50_000 for n in range(4)))
            reader.watch([BOX])
            reader.unwatch([BOX.address])
            await trio.sleep(1)
        frames = [bytes([n]) * 50_000 for n in range(20)]
        await leave_mail(relay, *frames, seed=OTHER)
        assert await next_mail(reader, 20) == frames
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_watching_the_same_mailbox_again_pushes_nothing_again(autojump_clock: Clock) -> None:
    relay = MemoryRelay()
    await leave_mail(relay, b"once")
    reader = connection_to(relay)
    async with trio.open_nursery() as nursery:
        await nursery.start(reader.run)
        for _ in range(5):
            reader.watch([BOX])
            await trio.sleep(1)
        events = await drained(reader)
        assert len([event for event in events if isinstance(event, MailArrived)]) == 1
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_many_mailboxes_are_opened_in_batches(autojump_clock: Clock) -> None:
    relay = MemoryRelay()
    reader = connection_to(relay)
    reader.watch([box_of(SigningSeed(number.to_bytes(32, "big"))) for number in range(150)])
    async with trio.open_nursery() as nursery:
        await nursery.start(reader.run)
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    assert relay.holdings().mailboxes == 150
    opens = [command for command in map(decode_command, relay.heard) if isinstance(command, Open)]
    assert [len(command.openings) for command in opens] == [64, 64, 22]


class ScriptedChannel:
    """A relay that says what a test wants, and then nothing."""

    def __init__(self, *messages: bytes) -> None:
        self._messages = list(messages)
        self.heard: list[bytes] = []

    async def __call__(self, _address: RelayAddress) -> ScriptedChannel:
        await trio.lowlevel.checkpoint()
        return self

    async def send(self, messages: Sequence[bytes]) -> None:
        await trio.lowlevel.checkpoint()
        self.heard += messages

    async def receive(self) -> Sequence[bytes]:
        await trio.lowlevel.checkpoint()
        if self._messages:
            messages, self._messages = self._messages, []
            return messages
        await trio.sleep_forever()
        raise AssertionError

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


HELLO = encode_hello(Hello(bytes(32), bytes(16)))


@pytest.mark.parametrize(
    "messages",
    [
        [b"garbage"],
        [encode_reply(1, [DONE])],
        [HELLO, b"garbage"],
        [HELLO, HELLO],
        [HELLO, encode_reply(77, [DONE])],
        [HELLO, *[encode_mail(BOX.address, ItemId(1), bytes(90_000))] * 4],
    ],
    ids=["garbage", "no hello", "garbage later", "two hellos", "unasked", "too much mail"],
)
@pytest.mark.trio
async def test_a_relay_that_breaks_the_rules_is_left(
    autojump_clock: Clock, messages: list[bytes]
) -> None:
    address = MemoryRelay().address
    connection = RelayConnection(address, dial=ScriptedChannel(*messages), jitter=lambda: 0.5)
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.run)
        connection.watch([BOX])
        events: list[RelayEvent] = []
        while not isinstance(events and events[-1], RelayDown):
            events.append(await next_event(connection))
        assert events[-1] == RelayDown("unreachable")
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_mail_nobody_watches_any_more_is_credited(autojump_clock: Clock) -> None:
    mail = [encode_mail(BOX.address, ItemId(number), bytes(80_000)) for number in range(3)]
    channel = ScriptedChannel(HELLO, *mail)
    connection = RelayConnection(MemoryRelay().address, dial=channel)
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.run)
        assert await next_event(connection) == RelayUp(bytes(16))
        await trio.sleep(1)
        with pytest.raises(trio.WouldBlock):
            connection.events.receive_nowait()
        nursery.cancel_scope.cancel()
    credits = [each for each in map(decode_command, channel.heard) if isinstance(each, Credit)]
    assert sum(each.amount for each in credits) == 240_000


@pytest.mark.trio
async def test_a_relay_that_says_no_hello_is_left(autojump_clock: Clock) -> None:
    connection = RelayConnection(MemoryRelay().address, dial=ScriptedChannel())
    async with trio.open_nursery() as nursery:
        await nursery.start(connection.run)
        assert await next_event(connection) == RelayDown("unreachable")
        nursery.cancel_scope.cancel()


ACTIONS = ["deposit", "deposit", "deposit", "cut", "mute", "stop", "wait", "wait"]


@settings(max_examples=40)
@given(actions=st.lists(st.sampled_from(ACTIONS), max_size=30), seed=st.integers(0, 1000))
def test_whatever_happens_every_ticket_is_answered_once_and_stored_mail_arrives(
    actions: list[str], seed: int
) -> None:
    trio.run(_live_through, actions, random.Random(seed), clock=MockClock(autojump_threshold=0))


async def _live_through(actions: list[str], chance: random.Random) -> None:
    life = Life(chance)
    async with trio.open_nursery() as nursery:
        for connection in (life.reader, life.writer):
            await nursery.start(connection.run)
        nursery.start_soon(life.read)
        nursery.start_soon(life.hear)
        for action in actions:
            await life.act(action)
        life.relay.is_up, life.relay.is_mute = True, False
        life.relay.cut()
        await trio.sleep(300)
        nursery.cancel_scope.cancel()
    assert sorted(life.answers) == list(range(life.tickets))
    assert life.stored() <= life.arrived


class Life:
    """A reader and a writer at one relay that has its moods."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.relay = MemoryRelay()
        self.reader = RelayConnection(self.relay.address, self.relay.dial, chance.random)
        self.writer = RelayConnection(self.relay.address, self.relay.dial, chance.random)
        self.reader.watch([BOX])
        self.tickets = 0
        self.arrived: set[bytes] = set()
        self.answers: dict[int, RelayEvent] = {}

    async def read(self) -> None:
        async for event in self.reader.events:
            if isinstance(event, MailArrived):
                self.arrived.add(event.frame)
                if self.chance.random() < 0.5:
                    self.reader.delete(SEED, [event.item])

    async def hear(self) -> None:
        async for event in self.writer.events:
            if isinstance(event, Deposited | DepositRefused):
                assert event.ticket not in self.answers
                self.answers[event.ticket] = event

    async def act(self, action: str) -> None:
        match action:
            case "deposit":
                frame = b"frame%d" % self.tickets
                self.writer.deposit(self.tickets, BOX.address, TOKEN, frame)
                self.tickets += 1
            case "cut":
                self.relay.cut()
            case "mute":
                self.relay.is_mute = not self.relay.is_mute
            case "stop":
                self.relay.is_up = not self.relay.is_up
                self.relay.cut()
            case "wait":
                await trio.sleep(self.chance.choice([0.0, 0.01, 1, 10, 60]))

    def stored(self) -> set[bytes]:
        answers = self.answers.items()
        return {b"frame%d" % ticket for ticket, told in answers if isinstance(told, Deposited)}
