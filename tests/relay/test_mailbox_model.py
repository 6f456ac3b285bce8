"""Mailboxes against a model that a child could run on paper, and under pressure."""

from __future__ import annotations

from attrs import define, evolve, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from toheal_protocol.crypto import SigningSeed, token_of, verify_key
from toheal_protocol.model import Address, DepositToken, Instant
from toheal_protocol.wire.mailbox import (
    LONGEST_LIFE,
    Deposit,
    ItemId,
    MailboxKind,
    Opening,
    address_of,
)
from toheal_protocol.wire.mailbox_answers import Code
from toheal_relay.items import cost_of
from toheal_relay.limits import DAY, HOUR, Limits
from toheal_relay.mailboxes import Mailboxes
from toheal_relay.metrics import Mood, Tally
from toheal_relay.shares import Source

LIMITS = Limits()
SOURCES = [Source(bytes([number]) * 16) for number in range(4)]


@define
class Reader:
    """Somebody with one mailbox, and what should lie in it: frame, hash of its token, end of time."""

    number: int
    seed: SigningSeed = field(init=False)
    address: Address = field(init=False)
    opening: Opening | None = None
    lapses_at: float = 0.0
    items: list[tuple[bytes, bytes, float]] = field(factory=list)
    strays: list[tuple[bytes, bytes, float]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.seed = SigningSeed(bytes([self.number]) * 32)
        self.address = address_of(verify_key(self.seed))


def token(number: int) -> DepositToken:
    return DepositToken(bytes([number]) * 16)


readers = st.integers(0, 2)
tokens = st.integers(0, 1)
frames = st.binary(min_size=1, max_size=3)


class MailboxModel(RuleBasedStateMachine):
    """What is deposited with the right token is there, once, in order, until its time is over."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.mailboxes = Mailboxes(LIMITS, secret=bytes(32), tally=Tally())
        self.readers = [Reader(number) for number in range(3)]

    @rule(
        reader=readers,
        token_number=tokens,
        kind=st.sampled_from(MailboxKind),
        ttl=st.sampled_from([1, 60, 6 * 3600, 10**9]),
    )
    def a_reader_opens(self, reader: int, token_number: int, kind: MailboxKind, ttl: int) -> None:
        model = self.readers[reader]
        token_hash = token_of(token(token_number))
        opening = Opening(verify_key(model.seed), token_hash, kind, ttl)
        outcome = self.mailboxes.open(opening, SOURCES[0], now=Instant(self.now))
        model.opening = evolve(opening, ttl=min(ttl, LONGEST_LIFE[kind]))
        model.lapses_at = self.now + (36 * HOUR if kind is MailboxKind.SIGNAL else 42 * DAY)
        for frame, stray_hash, expires_at in model.strays:
            if stray_hash == token_hash:
                expires_at = min(expires_at, self.now + model.opening.ttl)
                model.items.append((frame, token_hash, expires_at))
        model.strays = []
        assert outcome.code is Code.DONE
        assert outcome.value == len(model.items)

    @rule(reader=readers, token_number=tokens, frame=frames, source=st.sampled_from(SOURCES))
    def somebody_deposits(
        self, reader: int, token_number: int, frame: bytes, source: Source
    ) -> None:
        model = self.readers[reader]
        deposit = Deposit(1, model.address, token(token_number), frame)
        outcome, name = self.mailboxes.deposit(deposit, source, now=Instant(self.now))
        token_hash = token_of(deposit.token)
        if model.opening is None:
            assert (outcome.code, name) == (Code.DONE, None)
            if not any((f, h) == (frame, token_hash) for f, h, _ in model.strays):
                model.strays.append((frame, token_hash, self.now + 24 * HOUR))
        elif model.opening.token_hash != token_hash:
            assert (outcome.code, name) == (Code.REFUSED, None)
        else:
            assert outcome.code is Code.DONE
            is_repeated = any((f, h) == (frame, token_hash) for f, h, _ in model.items)
            assert (name is None) == is_repeated
            if not is_repeated:
                latest = model.items[-1][2] if model.items else 0.0
                expires_at = max(self.now + model.opening.ttl, latest)
                model.items.append((frame, token_hash, expires_at))

    @rule(reader=readers, places=st.sets(st.integers(0, 5)))
    def a_reader_deletes(self, reader: int, places: set[int]) -> None:
        model = self.readers[reader]
        names = self.mailboxes.names(model.address, now=Instant(self.now))
        chosen = [place for place in sorted(places) if place < len(names)]
        self.mailboxes.delete(model.address, [names[place] for place in chosen])
        self.mailboxes.delete(model.address, [ItemId(12345)])
        model.items = [item for place, item in enumerate(model.items) if place not in chosen]

    @rule(seconds=st.sampled_from([0.5, 61.0, 6 * HOUR, 25 * HOUR, 15 * DAY, 43 * DAY]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for model in self.readers:
            model.items = [item for item in model.items if item[2] > self.now]
            model.strays = [stray for stray in model.strays if stray[2] > self.now]
            if model.opening is not None and model.lapses_at <= self.now:
                model.opening, model.items = None, []

    @rule()
    def the_relay_sweeps(self) -> None:
        self.mailboxes.sweep(now=Instant(self.now))
        assert len(self.mailboxes) == sum(model.opening is not None for model in self.readers)
        assert len(self.mailboxes.strays) == sum(len(model.strays) for model in self.readers)

    @invariant()
    def everybody_finds_what_the_model_says(self) -> None:
        now = Instant(self.now)
        for model in self.readers:
            names = self.mailboxes.names(model.address, now=now)
            lying = [self.mailboxes.frame(model.address, name, now=now) for name in names]
            assert lying == [frame for frame, _, _ in model.items]

    @invariant()
    def the_books_agree(self) -> None:
        assert self.mailboxes.item_count == sum(len(model.items) for model in self.readers)
        charged = sum(cost_of(frame) for model in self.readers for frame, _, _ in model.items)
        assert self.mailboxes.used == charged


MailboxModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestMailboxModel = MailboxModel.TestCase


TIGHT = evolve(
    LIMITS,
    mailboxes=6,
    mailboxes_per_source=4,
    bytes_total=8_000,
    bytes_per_source=5_000,
    bytes_per_mailbox=4_000,
    items_per_mailbox=4,
    stray_bytes_total=4_000,
    stray_bytes_per_source=2_500,
    strays_per_address=2,
)


class UnderPressure(RuleBasedStateMachine):
    """Whatever fillers do, no limit is exceeded, the books agree, and the light are not refused."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.tally = Tally()
        self.mailboxes = Mailboxes(TIGHT, secret=bytes(32), tally=self.tally)
        self.lying: dict[Address, int] = {}

    @rule(reader=st.integers(0, 11), source=st.sampled_from(SOURCES))
    def somebody_opens(self, reader: int, source: Source) -> None:
        seed = SigningSeed(bytes([reader]) * 32)
        opening = Opening(verify_key(seed), token_of(token(0)), MailboxKind.MAIL, 3600)
        outcome = self.mailboxes.open(opening, source, now=Instant(self.now))
        assert outcome.code in (Code.DONE, Code.FULL)
        assert outcome.code is Code.DONE or outcome.value > 0

    @rule(
        reader=st.integers(0, 11),
        source=st.sampled_from(SOURCES),
        number=st.integers(0, 255),
        size=st.integers(1, 1500),
    )
    def somebody_deposits(self, reader: int, source: Source, number: int, size: int) -> None:
        address = address_of(verify_key(SigningSeed(bytes([reader]) * 32)))
        deposit = Deposit(1, address, token(0), bytes([number]) * size)
        outcome, name = self.mailboxes.deposit(deposit, source, now=Instant(self.now))
        assert outcome.code in (Code.DONE, Code.FULL)
        if name is not None:
            assert self.mailboxes.frame(address, name, now=Instant(self.now)) == deposit.frame

    @rule(seconds=st.sampled_from([1.0, 1800.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.mailboxes.sweep(now=Instant(self.now))

    @precondition(lambda self: self.mailboxes.item_count)
    @rule(reader=st.integers(0, 11))
    def a_reader_deletes_all(self, reader: int) -> None:
        address = address_of(verify_key(SigningSeed(bytes([reader]) * 32)))
        names = self.mailboxes.names(address, now=Instant(self.now))
        self.mailboxes.delete(address, names)
        assert self.mailboxes.names(address, now=Instant(self.now)) == ()

    @invariant()
    def no_limit_is_exceeded(self) -> None:
        assert self.mailboxes.used <= TIGHT.bytes_total
        assert self.mailboxes.strays.used <= TIGHT.stray_bytes_total
        assert len(self.mailboxes) <= TIGHT.mailboxes

    @invariant()
    def the_books_agree(self) -> None:
        now = Instant(self.now)
        every = [address_of(verify_key(SigningSeed(bytes([n]) * 32))) for n in range(12)]
        lying = [
            frame
            for address in every
            for name in self.mailboxes.names(address, now=now)
            if (frame := self.mailboxes.frame(address, name, now=now)) is not None
        ]
        assert self.mailboxes.item_count == len(lying)
        assert self.mailboxes.used == sum(map(cost_of, lying))
        for address in every:
            assert len(self.mailboxes.names(address, now=now)) <= TIGHT.items_per_mailbox


UnderPressure.TestCase.settings = settings(max_examples=60, stateful_step_count=50)
TestUnderPressure = UnderPressure.TestCase


def opening_of(number: int) -> Opening:
    seed = SigningSeed(number.to_bytes(32, "big"))
    return Opening(verify_key(seed), token_of(token(0)), MailboxKind.MAIL, 3600)


def fill(mailboxes: Mailboxes, source: Source, numbers: range, size: int) -> list[Code]:
    codes = []
    for number in numbers:
        address = address_of(opening_of(number % 4).read_key)
        frame = number.to_bytes(4, "big") * (size // 4)
        deposit = Deposit(1, address, token(0), frame)
        codes.append(mailboxes.deposit(deposit, source, now=Instant(0.0))[0].code)
    return codes


def test_a_filler_cannot_lock_others_out() -> None:
    limits = evolve(LIMITS, bytes_total=100_000, bytes_per_source=90_000)
    tally = Tally()
    mailboxes = Mailboxes(limits, secret=bytes(32), tally=tally)
    for number in range(4):
        mailboxes.open(opening_of(number), SOURCES[0], now=Instant(0.0))
    honest_before = fill(mailboxes, SOURCES[1], range(10), 400)
    fill(mailboxes, SOURCES[2], range(100, 400), 400)
    honest_after = fill(mailboxes, SOURCES[3], range(10, 30), 400)
    assert set(honest_before + honest_after) == {Code.DONE}
    frames = {
        mailboxes.frame(address_of(opening_of(box).read_key), name, now=Instant(0.0))
        for box in range(4)
        for name in mailboxes.names(address_of(opening_of(box).read_key), now=Instant(0.0))
    }
    assert all(number.to_bytes(4, "big") * 100 in frames for number in range(30))
    assert tally.of(Mood.CROWDED) > 0


def test_a_filler_is_refused_and_evicts_nobody() -> None:
    limits = evolve(LIMITS, bytes_total=20_000, bytes_per_source=20_000)
    mailboxes = Mailboxes(limits, secret=bytes(32), tally=Tally())
    for number in range(4):
        mailboxes.open(opening_of(number), SOURCES[0], now=Instant(0.0))
    fill(mailboxes, SOURCES[1], range(10), 400)
    codes = fill(mailboxes, SOURCES[2], range(100, 200), 400)
    assert codes[-1] is Code.FULL
    assert mailboxes.item_count == 10 + codes.count(Code.DONE)


def test_a_filler_of_registrations_cannot_lock_others_out() -> None:
    limits = evolve(LIMITS, mailboxes=100, mailboxes_per_source=100)
    lost: list[Address] = []
    mailboxes = Mailboxes(limits, secret=bytes(32), tally=Tally(), on_lost=lost.append)
    honest = [opening_of(number) for number in range(20)]
    for opening in honest[:10]:
        mailboxes.open(opening, SOURCES[0], now=Instant(0.0))
    for number in range(1000, 1200):
        mailboxes.open(opening_of(number), SOURCES[1], now=Instant(0.0))
    newest = address_of(opening_of(1089).read_key)
    mailboxes.watched(newest, now=Instant(0.0), is_watched=True)
    for opening in honest[10:]:
        assert mailboxes.open(opening, SOURCES[2], now=Instant(0.0)).code is Code.DONE
    assert all(address_of(opening.read_key) in mailboxes for opening in honest)
    assert lost == [newest]


def test_strangers_can_fill_the_strays_and_nothing_else() -> None:
    limits = evolve(LIMITS, stray_bytes_total=5_000, stray_bytes_per_source=5_000)
    mailboxes = Mailboxes(limits, secret=bytes(32), tally=Tally())
    codes = fill(mailboxes, SOURCES[2], range(100), 400)
    assert codes[-1] is Code.FULL
    mailboxes.open(opening_of(9), SOURCES[0], now=Instant(0.0))
    deposit = Deposit(1, address_of(opening_of(9).read_key), token(0), b"mine")
    assert mailboxes.deposit(deposit, SOURCES[2], now=Instant(0.0))[0].code is Code.DONE


def test_a_watched_mailbox_does_not_lapse() -> None:
    mailboxes = Mailboxes(LIMITS, secret=bytes(32), tally=Tally())
    opening = opening_of(1)
    address = address_of(opening.read_key)
    mailboxes.open(opening, SOURCES[0], now=Instant(0.0))
    mailboxes.watched(address, now=Instant(0.0), is_watched=True)
    later = Instant(100 * DAY)
    mailboxes.sweep(now=later)
    assert address in mailboxes
    mailboxes.watched(address, now=later, is_watched=False)
    mailboxes.sweep(now=Instant(later + 41 * DAY))
    assert address in mailboxes
    mailboxes.sweep(now=Instant(later + 43 * DAY))
    assert address not in mailboxes


def test_opening_again_and_again_leaves_no_alarms_behind() -> None:
    mailboxes = Mailboxes(LIMITS, secret=bytes(32), tally=Tally())
    for number in range(5_000):
        opening = evolve(opening_of(1), ttl=10_000 - number)
        mailboxes.open(opening, SOURCES[0], now=Instant(0.0))
        frame = number.to_bytes(4, "big")
        deposit = Deposit(1, address_of(opening.read_key), token(0), frame)
        mailboxes.deposit(deposit, SOURCES[0], now=Instant(0.0))
        mailboxes.delete(deposit.address, mailboxes.names(deposit.address, now=Instant(0.0)))
    assert len(mailboxes._due) < 1_100


def test_a_signal_mailbox_keeps_nothing_longer_than_a_signal_may_live() -> None:
    mailboxes = Mailboxes(LIMITS, secret=bytes(32), tally=Tally())
    opening = evolve(opening_of(1), kind=MailboxKind.SIGNAL, ttl=10**9)
    address = address_of(opening.read_key)
    mailboxes.deposit(Deposit(1, address, token(0), b"stray"), SOURCES[1], now=Instant(0.0))
    mailboxes.open(opening, SOURCES[0], now=Instant(10.0))
    mailboxes.deposit(Deposit(1, address, token(0), b"later"), SOURCES[1], now=Instant(10.0))
    assert len(mailboxes.names(address, now=Instant(6 * HOUR + 9))) == 2
    assert mailboxes.names(address, now=Instant(6 * HOUR + 10)) == ()


def test_a_shortened_life_does_not_overtake_what_came_before() -> None:
    mailboxes = Mailboxes(LIMITS, secret=bytes(32), tally=Tally())
    opening = opening_of(1)
    address = address_of(opening.read_key)
    mailboxes.open(opening, SOURCES[0], now=Instant(0.0))
    mailboxes.deposit(Deposit(1, address, token(0), b"long"), SOURCES[1], now=Instant(0.0))
    mailboxes.open(evolve(opening, ttl=60), SOURCES[0], now=Instant(0.0))
    mailboxes.deposit(Deposit(1, address, token(0), b"short"), SOURCES[1], now=Instant(0.0))
    names = mailboxes.names(address, now=Instant(3599.0))
    frames = [mailboxes.frame(address, name, now=Instant(3599.0)) for name in names]
    assert frames == [b"long", b"short"]
    assert mailboxes.names(address, now=Instant(3600.0)) == ()
