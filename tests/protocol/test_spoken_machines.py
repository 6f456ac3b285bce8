"""The two machines of a spoken code: right words, wrong words, repeats, two at once, and ends."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.entropy import SeededEntropy
from tests.support.spoken_pair import CODE, LINK, WRONG, Inviter, Joiner
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import draw_spoken_code
from toheal_protocol.machines.spoken_lookup import Found, TurnedAway
from toheal_protocol.machines.spoken_offer import (
    MAX_ANSWERS,
    MAX_APPROACHES,
    SPOKEN_LIFE,
    SPOKEN_TRIES,
    SeatRefused,
    Stage,
    Withdrawn,
    Woke,
)
from toheal_protocol.messages.spoken import SpokenProof, SpokenRefusal, encode_spoken

WRONG_WORDS, OVER = SpokenRefusal.WRONG_WORDS, SpokenRefusal.OVER


def test_the_right_words_lead_to_the_link() -> None:
    inviter = Inviter()
    assert Joiner(inviter).run() == [Found(LINK)]
    assert inviter.offer.stage is Stage.HANDED_OVER
    assert inviter.seats_asked == 1


@pytest.mark.parametrize("language", ["ar", "en"])
@pytest.mark.parametrize("seed", range(5))
def test_any_code_works(language, seed: int) -> None:
    code = draw_spoken_code(SeededEntropy(seed), language=language)
    assert Joiner(Inviter(code), code).run() == [Found(LINK)]


def test_one_wrong_word_burns_one_try() -> None:
    inviter = Inviter()
    assert Joiner(inviter, WRONG).run() == [TurnedAway(WRONG_WORDS, SPOKEN_TRIES - 1)]
    assert Joiner(inviter, CODE, seed=3).run() == [Found(LINK)]


def test_three_wrong_tries_burn_the_code_for_the_right_words_too() -> None:
    inviter = Inviter()
    left = [Joiner(inviter, WRONG, seed=seed).run()[0] for seed in (2, 3, 4)]
    assert left == [TurnedAway(WRONG_WORDS, number) for number in (2, 1, 0)]
    assert inviter.offer.stage is Stage.BURNED
    [refusal] = inviter.hear(Joiner(inviter, CODE, seed=5).first)
    late = Joiner(inviter, CODE, seed=5)
    late.hear(refusal)
    assert late.outcomes == [TurnedAway(OVER, 0)]
    assert inviter.seats_asked == 0


def test_an_approach_alone_costs_nothing() -> None:
    inviter = Inviter()
    for seed in range(10, 10 + MAX_APPROACHES - 1):
        Joiner(inviter, WRONG, seed=seed).prove()  # goes away before it proves
    assert inviter.offer.tries_left == SPOKEN_TRIES
    assert Joiner(inviter).run() == [Found(LINK)]


def test_a_crowd_of_approaches_burns_the_code_instead_of_filling_memory() -> None:
    inviter = Inviter()
    for seed in range(10, 10 + MAX_APPROACHES + 5):
        inviter.hear(Joiner(inviter, seed=seed).first)
    assert inviter.offer.stage is Stage.BURNED
    assert len(inviter.offer.runs) == MAX_APPROACHES


def test_who_repeats_without_end_is_answered_so_often_and_no_more() -> None:
    inviter = Inviter()
    joiner = Joiner(inviter)
    answers = sum(len(inviter.hear(joiner.first)) for _ in range(2 * MAX_ANSWERS))
    assert answers == MAX_ANSWERS
    late = Inviter()
    late.feed(Withdrawn())
    answers = sum(len(late.hear(Joiner(late, seed=seed).first)) for seed in range(MAX_ANSWERS + 9))
    assert answers == MAX_ANSWERS


def test_a_second_proof_in_one_run_is_no_second_guess() -> None:
    inviter = Inviter()
    joiner = Joiner(inviter, WRONG)
    wrong = joiner.prove()
    [refusal] = inviter.hear(wrong)
    for guess in range(5):
        proof = encode_spoken(SpokenProof(joiner.lookup.approach.run, bytes([guess]) * 32))
        assert inviter.hear(proof) == [refusal]
    assert inviter.offer.tries_left == SPOKEN_TRIES - 1


def test_a_joiner_takes_the_first_answer_of_a_run_and_no_other() -> None:
    inviter, other = Inviter(), Inviter(entropy=SeededEntropy(9))
    joiner = Joiner(inviter)
    other.offer = inviter.offer
    [answer], [second] = inviter.hear(joiner.first), other.hear(joiner.first)
    assert answer != second
    assert len(joiner.hear(answer)) == 1
    assert joiner.hear(second) == []
    assert joiner.hear(answer) == []


def test_every_frame_may_come_twice() -> None:
    inviter = Inviter()
    joiner = Joiner(inviter)
    [answer] = inviter.hear(joiner.first)
    assert inviter.hear(joiner.first) == [answer]
    [proof] = joiner.hear(answer)
    assert inviter.hear(proof) == []
    inviter.hear(proof)
    [handover] = inviter.make_seat()
    assert inviter.hear(proof) == [handover]
    assert inviter.make_seat() == []
    joiner.hear(handover)
    joiner.hear(handover)
    assert joiner.outcomes == [Found(LINK)]
    assert inviter.seats_asked == 1


def test_two_who_know_the_words_share_one_seat() -> None:
    inviter = Inviter()
    first, second = Joiner(inviter, seed=2), Joiner(inviter, seed=3)
    one, other = first.prove(), second.prove()
    assert inviter.hear(one) == []
    [refusal] = inviter.hear(other)
    [handover] = inviter.make_seat()
    first.hear(handover)
    second.hear(refusal)
    assert first.outcomes == [Found(LINK)]
    assert second.outcomes == [TurnedAway(OVER, SPOKEN_TRIES)]
    assert inviter.seats_asked == 1


def test_ten_minutes_later_it_is_over() -> None:
    inviter = Inviter()
    proof = (joiner := Joiner(inviter)).prove()
    inviter.now = SPOKEN_LIFE
    inviter.feed(Woke())
    assert inviter.offer.stage is Stage.EXPIRED
    [refusal] = inviter.hear(proof)
    joiner.hear(refusal)
    assert joiner.outcomes == [TurnedAway(OVER, SPOKEN_TRIES)]


def test_the_time_is_over_even_if_nobody_woke_us() -> None:
    inviter = Inviter()
    proof = Joiner(inviter).prove()
    inviter.now = SPOKEN_LIFE
    inviter.hear(proof)
    assert inviter.offer.stage is Stage.EXPIRED
    assert inviter.seats_asked == 0


def test_a_withdrawn_code_is_over() -> None:
    inviter = Inviter()
    proof = (joiner := Joiner(inviter)).prove()
    inviter.feed(Withdrawn())
    assert inviter.offer.stage is Stage.WITHDRAWN
    for frame in inviter.hear(proof):
        joiner.hear(frame)
    assert joiner.outcomes == [TurnedAway(OVER, SPOKEN_TRIES)]


def test_who_was_about_to_get_a_seat_is_told_when_there_is_none() -> None:
    for event in (Withdrawn(), SeatRefused()):
        inviter = Inviter()
        joiner = Joiner(inviter)
        inviter.hear(joiner.prove())
        [refusal] = inviter.feed(event)
        joiner.hear(refusal)
        assert joiner.outcomes == [TurnedAway(OVER, SPOKEN_TRIES)]
        assert inviter.make_seat() == []  # it came too late: the link is for nobody


def test_what_is_handed_over_cannot_be_taken_back_by_the_code() -> None:
    inviter = Inviter()
    Joiner(inviter).run()
    inviter.feed(Withdrawn())
    assert inviter.offer.stage is Stage.HANDED_OVER


class ManyAtOneCode(RuleBasedStateMachine):
    """Joiners with right and wrong words, frames in any order, lost and repeated."""

    def __init__(self) -> None:
        super().__init__()
        self.inviter = Inviter()
        self.joiners: list[Joiner] = []
        self.to_inviter: list[bytes] = []
        self.to_joiners: list[bytes] = []

    @rule(is_right=st.booleans())
    @precondition(lambda self: len(self.joiners) < 6)
    def somebody_comes(self, is_right: bool) -> None:
        joiner = Joiner(self.inviter, CODE if is_right else WRONG, seed=100 + len(self.joiners))
        self.joiners.append(joiner)
        self.to_inviter.append(joiner.first)

    @rule(data=st.data())
    @precondition(lambda self: self.to_inviter)
    def the_inviter_hears_perhaps_again(self, data) -> None:
        frame = data.draw(st.sampled_from(self.to_inviter))
        self.to_joiners += self.inviter.hear(frame)

    @rule(data=st.data())
    @precondition(lambda self: self.to_joiners)
    def joiners_hear_perhaps_again(self, data) -> None:
        frame = data.draw(st.sampled_from(self.to_joiners))
        for joiner in self.joiners:
            try:
                self.to_inviter += joiner.hear(frame)
            except RemoteError:
                pass  # it was for somebody else

    @rule()
    def a_seat_is_made(self) -> None:
        if self.inviter.offer.stage is Stage.SEALING:
            self.to_joiners += self.inviter.make_seat()

    @rule()
    def time_passes(self) -> None:
        self.inviter.now += 90.0

    @invariant()
    def nobody_with_wrong_words_gets_anything(self) -> None:
        for joiner in self.joiners:
            if joiner.code == WRONG:
                assert not any(isinstance(one, Found) for one in joiner.outcomes)

    @invariant()
    def there_is_one_seat_at_most(self) -> None:
        found = [
            one for joiner in self.joiners for one in joiner.outcomes if isinstance(one, Found)
        ]
        assert len(found) <= 1
        assert self.inviter.seats_asked <= 1

    @invariant()
    def a_try_is_one_wrong_proof(self) -> None:
        refused = [run for run in self.inviter.offer.runs if run.is_refused and not run.is_proved]
        assert SPOKEN_TRIES - self.inviter.offer.tries_left <= len(refused)
        assert self.inviter.offer.tries_left >= 0
        if self.inviter.offer.tries_left == 0:
            assert self.inviter.offer.stage is Stage.BURNED


ManyAtOneCode.TestCase.settings = settings(max_examples=30, stateful_step_count=30)
TestManyAtOneCode = ManyAtOneCode.TestCase
