"""The desk: who may do what, what is pushed when, and what everybody is told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import define, evolve, field

from tests.support.entropy import SeededEntropy
from toheal_protocol.crypto import SigningSeed, token_of, verify_key
from toheal_protocol.errors import ForgedMessage, MalformedFrame
from toheal_protocol.model import Address, DepositToken, Instant
from toheal_protocol.wire.mailbox import (
    ItemId,
    MailboxKind,
    Opening,
    address_of,
    encode_credit,
    encode_deposit,
    encode_hail,
    encode_unwatch,
    sign_delete,
    sign_open,
)
from toheal_protocol.wire.mailbox_answers import (
    WINDOW,
    Answer,
    Code,
    Hello,
    Mail,
    Outcome,
    Reply,
    decode_answer,
)
from toheal_relay.desk import Desk, Visitor
from toheal_relay.limits import Limits

START = Instant(1_000.0)
FINGERPRINT = b"\x0f" * 32
DONE = Outcome(Code.DONE)


@define
class Relay:
    """A desk with a clock that the test turns."""

    limits: Limits = field(factory=Limits)
    now: Instant = START
    desk: Desk = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.desk = Desk(self.limits, fingerprint=FINGERPRINT, draw=SeededEntropy(5).draw)

    def visit(self, host: str = "192.0.2.1") -> Client:
        visitor = self.desk.enter(host, now=self.now)
        assert visitor is not None
        client = Client(self, visitor)
        hello = client.answers()[0]
        assert isinstance(hello, Hello)
        assert hello.nonce == visitor.binding.nonce
        assert hello.boot == self.desk.boot
        return client


@define(eq=False)
class Client:
    relay: Relay
    visitor: Visitor
    number: int = 0

    def say(self, message: bytes) -> float:
        return self.relay.desk.receive(self.visitor, message, now=self.relay.now)

    def answers(self) -> list[Answer]:
        found = []
        while message := self.relay.desk.next_message(self.visitor, now=self.relay.now):
            found.append(decode_answer(message))
        return found

    def mail(self) -> list[bytes]:
        return [answer.frame for answer in self.answers() if isinstance(answer, Mail)]

    def ask(self, message: bytes) -> tuple[Outcome, ...]:
        self.say(message)
        reply = next(answer for answer in self.answers() if isinstance(answer, Reply))
        return reply.outcomes

    def open(self, *seeds: SigningSeed, watch: bool = True) -> bytes:
        wanted = [(seed, opening_of(seed, watch=watch)) for seed in seeds]
        return sign_open(1, wanted, self.visitor.binding)

    def leave(self) -> None:
        self.relay.desk.leave(self.visitor, now=self.relay.now)


READER = SigningSeed(b"r" * 32)
OTHER = SigningSeed(b"o" * 32)
TOKEN = DepositToken(b"t" * 16)


def opening_of(seed: SigningSeed, *, watch: bool = True) -> Opening:
    return Opening(verify_key(seed), token_of(TOKEN), MailboxKind.MAIL, 3600, watch)


def box(seed: SigningSeed) -> Address:
    return address_of(verify_key(seed))


def deposit(frame: bytes, seed: SigningSeed = READER, token: DepositToken = TOKEN) -> bytes:
    return encode_deposit(7, box(seed), token, frame)


def test_a_deposit_is_pushed_at_once_to_who_watches() -> None:
    relay = Relay()
    reader, writer = relay.visit(), relay.visit()
    assert reader.ask(reader.open(READER)) == (DONE,)
    relay.desk.take_stirred()
    writer.say(deposit(b"hello"))
    assert set(relay.desk.take_stirred()) == {reader.visitor, writer.visitor}
    assert writer.answers() == [Reply(7, (DONE,))]
    (mail,) = reader.answers()
    assert isinstance(mail, Mail)
    assert (mail.address, mail.frame) == (box(READER), b"hello")
    assert reader.answers() == []


def test_what_was_there_before_is_pushed_in_order_of_arrival() -> None:
    relay = Relay()
    reader, writer = relay.visit(), relay.visit()
    reader.say(reader.open(READER, watch=False))
    for number in range(50):
        writer.say(deposit(b"%d" % number))
    assert reader.mail() == []
    (outcome,) = reader.ask(reader.open(READER))
    assert outcome == Outcome(Code.DONE, 50)
    for number in range(50, 60):
        writer.say(deposit(b"%d" % number))
    again = relay.visit()
    again.say(again.open(READER))
    assert again.mail() == [b"%d" % number for number in range(60)]


def test_several_mailboxes_take_turns() -> None:
    relay = Relay()
    reader, writer = relay.visit(), relay.visit()
    for number in range(3):
        writer.say(deposit(b"r%d" % number, READER))
        writer.say(deposit(b"o%d" % number, OTHER))
    reader.say(reader.open(READER, OTHER))
    assert reader.mail() == [b"r0", b"o0", b"r1", b"o1", b"r2", b"o2"]


def test_no_more_is_pushed_than_there_is_credit_for() -> None:
    relay = Relay(evolve(Limits(), bytes_per_mailbox=2**30, items_per_mailbox=10**6))
    reader, writer = relay.visit(), relay.visit()
    reader.say(reader.open(READER))
    frames = [number.to_bytes(4, "big") * 1024 for number in range(200)]
    for frame in frames:
        writer.say(deposit(frame))
    first = reader.mail()
    assert first == frames[: WINDOW // 4096]
    reader.say(encode_credit(4096))
    assert reader.mail() == [frames[len(first)]]
    reader.say(encode_credit(WINDOW))
    rest = reader.mail()
    assert rest == frames[len(first) + 1 : 2 * len(first) + 1]


def test_credit_that_was_not_owed_is_malformed() -> None:
    relay = Relay()
    reader = relay.visit()
    with pytest.raises(MalformedFrame):
        reader.say(encode_credit(1))


def test_mail_stays_until_its_reader_deletes_it() -> None:
    relay = Relay()
    reader, writer = relay.visit(), relay.visit()
    reader.say(reader.open(READER))
    writer.say(deposit(b"one"))
    writer.say(deposit(b"two"))
    first, _second = (answer for answer in reader.answers() if isinstance(answer, Mail))
    delete = sign_delete(2, READER, [first.item], reader.visitor.binding)
    assert reader.ask(delete) == (DONE,)
    assert reader.ask(sign_delete(3, READER, [first.item], reader.visitor.binding)) == (DONE,)
    reader.leave()
    back = relay.visit()
    back.say(back.open(READER))
    assert back.mail() == [b"two"]


def test_a_repeated_deposit_is_stored_once() -> None:
    relay = Relay()
    reader, writer, other = relay.visit(), relay.visit(), relay.visit()
    writer.say(deposit(b"again"))
    other.say(deposit(b"again"))
    reader.say(reader.open(READER))
    assert writer.ask(deposit(b"again")) == (DONE,)
    assert reader.mail() == [b"again"]
    assert relay.desk.holdings().items == 1


def test_a_depositor_can_neither_read_watch_nor_delete() -> None:
    relay = Relay()
    reader, writer = relay.visit(), relay.visit()
    reader.say(reader.open(READER))
    writer.say(deposit(b"mine"))
    (mail,) = (answer for answer in reader.answers() if isinstance(answer, Mail))
    forged_open = sign_open(1, [(OTHER, opening_of(READER))], writer.visitor.binding)
    with pytest.raises(ForgedMessage):
        writer.say(forged_open)
    body = sign_delete(1, READER, [mail.item], writer.visitor.binding)[:-64]
    forged_delete = body + sign_delete(1, OTHER, [mail.item], writer.visitor.binding)[-64:]
    with pytest.raises(ForgedMessage):
        writer.say(forged_delete)
    own_delete = sign_delete(1, OTHER, [mail.item], writer.visitor.binding)
    assert writer.ask(own_delete) == (DONE,)  # of its own mailbox, where there is nothing
    writer.say(encode_unwatch(1, [box(READER)]))
    writer.say(deposit(b"second"))
    assert reader.mail() == [b"second"]
    assert relay.desk.holdings().items == 2


def test_what_a_reader_signed_cannot_be_said_by_another_connection() -> None:
    relay = Relay()
    reader, thief = relay.visit(), relay.visit()
    recorded = reader.open(READER)
    reader.say(recorded)
    with pytest.raises(ForgedMessage):
        thief.say(recorded)


def test_a_wrong_token_is_refused_and_changes_nothing() -> None:
    relay = Relay()
    reader, writer = relay.visit(), relay.visit()
    reader.say(reader.open(READER))
    wrong = deposit(b"spam", token=DepositToken(b"x" * 16))
    assert writer.ask(wrong) == (Outcome(Code.REFUSED),)
    assert reader.mail() == []


def test_what_came_with_another_token_before_its_reader_is_dropped() -> None:
    relay = Relay()
    writer = relay.visit()
    assert writer.ask(deposit(b"spam", token=DepositToken(b"x" * 16))) == (DONE,)
    assert writer.ask(deposit(b"mail")) == (DONE,)
    assert relay.desk.holdings().strays == 2
    reader = relay.visit()
    reader.say(reader.open(READER))
    assert reader.mail() == [b"mail"]
    holdings = relay.desk.holdings()
    assert (holdings.strays, holdings.lonely, holdings.items) == (0, 1, 1)


def test_a_mailbox_has_one_watcher_the_latest() -> None:
    relay = Relay()
    dead, alive, writer = relay.visit(), relay.visit(), relay.visit()
    dead.say(dead.open(READER))
    alive.say(alive.open(READER))
    writer.say(deposit(b"news"))
    assert dead.mail() == []
    assert alive.mail() == [b"news"]
    dead.leave()
    writer.say(deposit(b"more"))
    assert alive.mail() == [b"more"]


def test_who_unwatches_gets_nothing_more_and_the_mailbox_stays() -> None:
    relay = Relay()
    reader, writer = relay.visit(), relay.visit()
    reader.say(reader.open(READER))
    assert reader.ask(encode_unwatch(2, [box(READER), box(OTHER)])) == (DONE,)
    writer.say(deposit(b"later"))
    assert reader.mail() == []
    assert relay.desk.holdings().mailboxes == 1
    reader.say(reader.open(READER))
    assert reader.mail() == [b"later"]


def test_a_hail_is_answered() -> None:
    client = Relay().visit()
    client.say(encode_hail(9))
    assert client.answers() == [Reply(9, (DONE,))]


def test_who_sends_and_does_not_read_is_cut() -> None:
    relay = Relay(evolve(Limits(), reply_queue=1_000, commands_burst=1e6))
    client = relay.visit()
    for number in range(80):
        client.say(encode_hail(number))
    assert not client.visitor.is_cut
    for number in range(40):
        client.say(encode_hail(number))
    assert client.visitor.is_cut


def test_who_is_too_fast_is_told_to_pause_and_a_source_is_refused() -> None:
    limits = evolve(Limits(), commands_per_second=1.0, commands_burst=4.0, source_factor=2.0)
    relay = Relay(limits)
    client = relay.visit()
    pauses = [client.say(encode_hail(number)) for number in range(8)]
    assert pauses[:4] == [0, 0, 0, 0]
    assert pauses[-1] == pytest.approx(4.0)
    client.answers()
    neighbour = relay.visit()
    (outcome,) = neighbour.ask(deposit(b"frame"))
    assert outcome == Outcome(Code.FULL, 1)
    assert relay.visit("198.51.100.1").ask(deposit(b"frame")) == (DONE,)
    relay.now = Instant(relay.now + 10)
    assert neighbour.ask(deposit(b"frame")) == (DONE,)


def test_an_open_is_answered_mailbox_by_mailbox() -> None:
    relay = Relay(evolve(Limits(), mailboxes_per_source=1))
    client = relay.visit()
    fits, too_many = client.ask(client.open(READER, OTHER))
    assert fits == DONE
    assert too_many.code is Code.FULL
    assert too_many.value > 0


def test_a_reader_whose_mailbox_made_room_is_cut_and_told() -> None:
    relay = Relay(evolve(Limits(), mailboxes=3))
    filler, honest = relay.visit(), relay.visit("198.51.100.1")
    seeds = [SigningSeed(bytes([number]) * 32) for number in range(3)]
    filler.ask(filler.open(*seeds))
    assert honest.ask(honest.open(READER)) == (DONE,)
    assert filler.visitor.is_cut
    assert filler.visitor in relay.desk.take_stirred()


def test_a_gone_visitor_leaves_nothing_but_mailboxes() -> None:
    relay = Relay()
    reader, writer = relay.visit(), relay.visit()
    reader.say(reader.open(READER, OTHER))
    reader.leave()
    writer.say(deposit(b"kept"))
    assert reader.visitor not in relay.desk.take_stirred()
    holdings = relay.desk.holdings()
    assert (holdings.connections, holdings.watched, holdings.mailboxes) == (1, 0, 2)
    assert holdings.items == 1


def test_mail_whose_time_is_over_is_not_pushed() -> None:
    relay = Relay()
    reader, writer = relay.visit(), relay.visit()
    reader.say(reader.open(READER))
    writer.say(deposit(b"old"))
    relay.now = Instant(relay.now + 3601)
    writer.say(deposit(b"new"))
    assert reader.mail() == [b"new"]
    relay.desk.sweep(now=relay.now)
    assert relay.desk.holdings().expired == 1


def test_another_start_is_another_boot_with_other_names() -> None:
    first = Desk(Limits(), fingerprint=FINGERPRINT, draw=SeededEntropy(1).draw)
    second = Desk(Limits(), fingerprint=FINGERPRINT, draw=SeededEntropy(2).draw)
    assert first.boot != second.boot
    assert names_at(first) != names_at(second)


def names_at(desk: Desk) -> Sequence[ItemId]:
    relay = Relay()
    relay.desk = desk
    reader, writer = relay.visit(), relay.visit()
    reader.say(reader.open(READER))
    writer.say(deposit(b"same"))
    return [answer.item for answer in reader.answers() if isinstance(answer, Mail)]
