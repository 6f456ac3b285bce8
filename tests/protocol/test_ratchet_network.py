"""Two sides over a network that loses, repeats, delays and mauls, with restarts whenever it likes.

Safety: nothing but what was sealed ever opens, each message at most once. Liveness: whatever the
network still holds at the end opens. Idempotence: every message may come twice.
"""

from __future__ import annotations

import pytest
from attrs import frozen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from tests.support.ratchet_pair import DAY, HOUR, START, make_pair
from toheal_protocol.errors import ForgedMessage, MalformedFrame, RemoteError, ReplayedMessage
from toheal_protocol.model import WallTime
from toheal_protocol.ratchet import encode_session, offer_kem_next
from toheal_protocol.ratchet.skipped import MAX_SKIPPED_KEYS

OTHER = {"ours": "theirs", "theirs": "ours"}
sides = st.sampled_from(list(OTHER))


@frozen(eq=False)
class Letter:
    """One sealed message on its way."""

    reader: str
    plain: bytes
    associated: bytes
    sealed: bytes


class HostileNetwork(RuleBasedStateMachine):
    """It may do anything with a message but open it."""

    @initialize(seed=st.integers(0, 1000))
    def a_pair_has_met(self, seed: int) -> None:
        ours, theirs = make_pair(seed)
        self.sides = {"ours": ours, "theirs": theirs}
        self.under_way: list[Letter] = []
        self.read: list[Letter] = []
        self.written = 0
        self.now = START

    @rule(name=sides, plains=st.lists(st.binary(max_size=60), min_size=1, max_size=4))
    def somebody_writes(self, name: str, plains: list[bytes]) -> None:
        if not self.sides[name].session.can_send:
            name = "ours"
        for plain in plains:
            self.write(name, plain)

    @rule(turns=st.integers(1, 5))
    def they_answer_each_other_at_once(self, turns: int) -> None:
        for name in ("ours", "theirs") * turns:
            self.write(name, b"at once")
            self.deliver(-1)

    @precondition(lambda self: self.under_way)
    @rule(choices=st.lists(st.integers(0, 99), min_size=1, max_size=6))
    def some_messages_arrive_in_any_order(self, choices: list[int]) -> None:
        for choice in choices[: len(self.under_way)]:
            self.deliver(choice)

    @precondition(lambda self: self.under_way)
    @rule()
    def the_newest_message_overtakes_all_others(self) -> None:
        self.deliver(-1)

    @precondition(lambda self: self.read)
    @rule(choice=st.integers(0, 99))
    def a_message_comes_again(self, choice: int) -> None:
        letter = self.read[choice % len(self.read)]
        self.refuse(letter.reader, letter, letter.sealed, (ReplayedMessage, ForgedMessage))

    @precondition(lambda self: self.under_way)
    @rule(choice=st.integers(0, 99))
    def a_message_is_lost_for_good(self, choice: int) -> None:
        self.under_way.pop(choice % len(self.under_way))

    @precondition(lambda self: self.under_way or self.read)
    @rule(choice=st.integers(0, 99), place=st.integers(0, 5000), change=st.integers(1, 255))
    def a_message_is_mauled_misplaced_and_sent_back(
        self, choice: int, place: int, change: int
    ) -> None:
        letters = self.under_way + self.read
        letter = letters[choice % len(letters)]
        mauled = bytearray(letter.sealed)
        mauled[place % len(mauled)] ^= change
        self.refuse(letter.reader, letter, bytes(mauled), (ForgedMessage, MalformedFrame))
        self.refuse(OTHER[letter.reader], letter, letter.sealed, (ForgedMessage,))
        other = letters[place % len(letters)]
        if other is not letter:
            swapped = Letter(letter.reader, b"", other.associated, b"")
            self.refuse(letter.reader, swapped, letter.sealed, (ForgedMessage,))

    @rule(name=sides)
    def a_side_restarts(self, name: str) -> None:
        before = self.sides[name].session
        self.sides[name].restart()
        assert self.sides[name].session == before

    @rule(name=sides)
    def a_link_comes_up(self, name: str) -> None:
        side = self.sides[name]
        side.session = offer_kem_next(side.session)

    @precondition(lambda self: self.now < START + 12 * DAY)
    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        self.now = WallTime(self.now + hours * HOUR)
        for side in self.sides.values():
            side.now = self.now

    def write(self, name: str, plain: bytes) -> None:
        self.written += 1
        associated = b"%d" % self.written
        sealed = self.sides[name].seal(plain, associated)
        self.under_way.append(Letter(OTHER[name], plain, associated, sealed))

    def deliver(self, choice: int) -> None:
        letter = self.under_way.pop(choice % len(self.under_way))
        assert self.open(letter) == letter.plain
        self.read.append(letter)

    def open(self, letter: Letter) -> bytes:
        return self.sides[letter.reader].open(letter.sealed, letter.associated)

    def refuse(
        self, name: str, letter: Letter, sealed: bytes, errors: tuple[type[RemoteError], ...]
    ) -> None:
        side = self.sides[name]
        before = encode_session(side.session)
        with pytest.raises(errors):
            side.open(sealed, letter.associated)
        assert encode_session(side.session) == before

    @invariant()
    def the_stores_stay_small(self) -> None:
        for side in getattr(self, "sides", {}).values():
            assert len(side.session.skipped) <= MAX_SKIPPED_KEYS
            assert side.session.skipped.is_sorted()

    def teardown(self) -> None:
        for letter in getattr(self, "under_way", []):
            assert self.open(letter) == letter.plain


HostileNetwork.TestCase.settings = settings(max_examples=50, stateful_step_count=60)
TestHostileNetwork = HostileNetwork.TestCase
