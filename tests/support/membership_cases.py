"""The cases of docs/protocol/membership.md, section 6: for the tests and for the vectors."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen

from tests.support.governance import CHARTER, Story, circle_of
from toheal_protocol.messages.operations import Operation
from toheal_protocol.model import Role

FACILITATOR, MEMBER, LISTENER = "facilitator", "member", "listener"


@frozen
class Case:
    """A circle before, what was done to it, and who is in after that."""

    story: Story
    base: int
    roles: dict[str, str]
    waiting: int = 0
    muted: str = ""
    terms: dict[str, int] = field(factory=dict)

    @property
    def done(self) -> list[Operation]:
        return self.story.made[self.base :]


def roles(facilitators: str, members: str = "", listeners: str = "") -> dict[str, str]:
    found = dict.fromkeys(members, MEMBER) | dict.fromkeys(facilitators, FACILITATOR)
    return dict(sorted((found | dict.fromkeys(listeners, LISTENER)).items()))


def one_removes_a_member() -> Case:
    story = circle_of(*"AB")
    base = len(story.made)
    story.remove("F", "A")
    return Case(story, base, roles("F", "B"))


def a_member_removes_a_member() -> Case:
    story = circle_of(*"ABC")
    base = len(story.made)
    story.remove("A", "B")
    return Case(story, base, roles("F", "ABC"), waiting=1)


def one_removes_a_facilitator() -> Case:
    story = circle_of(*"GAB", facilitators="FG")
    base = len(story.made)
    story.remove("F", "G")
    return Case(story, base, roles("FG", "AB"), waiting=1)


def two_remove_a_facilitator() -> Case:
    story = circle_of(*"GHABC", facilitators="FGH")
    base = len(story.made)
    story.second("H", story.remove("F", "G"))
    return Case(story, base, roles("FH", "ABC"))


def a_majority_removes_a_facilitator() -> Case:
    story = circle_of(*"AB")
    base = len(story.made)
    story.second("B", story.remove("A", "F"))
    return Case(story, base, roles("", "AB"))


def what_the_removed_did_beside_it_is_void() -> Case:
    story = circle_of(*"GHA", facilitators="FGH")
    base, before = len(story.made), story.so_far()
    story.second("H", story.remove("F", "G"))
    story.add("G", "D", known=before)
    return Case(story, base, roles("FH", "A"))


def two_full_removals_of_each_other() -> Case:
    story = circle_of(*"GHIA", facilitators="FGHI")
    base, before = len(story.made), story.so_far()
    one = story.remove("F", "G", known=before)
    story.second("H", one, known=[*before, one])
    other = story.remove("G", "F", known=before)
    story.second("I", other, known=[*before, other])
    return Case(story, base, roles("HI", "A"))


def a_removal_beside_an_add_anew() -> Case:
    story = circle_of(*"GHAB", facilitators="FGH")
    story.remove("H", "A")
    story.add("H", "A")
    base, before = len(story.made), story.so_far()
    story.remove("F", "A", known=before)
    gone = story.remove("G", "A", known=before)
    story.add("G", "A", known=[*before, gone])
    return Case(story, base, roles("FGH", "B"))


def an_appeal_that_was_heard() -> Case:
    story = circle_of(*"GAB", facilitators="FG")
    base = len(story.made)
    story.remove("F", "A")
    story.add("G", "A")
    return Case(story, base, roles("FG", "AB"))


def a_facilitator_who_removes_those_who_vote() -> Case:
    story = circle_of(*"ABCD")
    base, before = len(story.made), story.so_far()
    for name in "ABC":
        story.remove("F", name, known=[*before, *story.made[base:]])
    proposal = story.remove("A", "F", known=before)
    one = story.second("B", proposal, known=[*before, proposal])
    story.second("C", proposal, known=[*before, proposal, one])
    return Case(story, base, roles("", "ABCD"))


def a_removed_facilitator_lives_on_in_the_past() -> Case:
    story = circle_of(*"GHABC", facilitators="FGH")
    base, before = len(story.made), story.so_far()
    story.second("H", story.remove("F", "G"))
    theirs = list(before)
    theirs.append(story.remove("G", "A", known=theirs))
    theirs.append(story.remove("G", "B", known=theirs))
    for name in "KLMNOPQRST":
        theirs.append(story.add("G", name, known=theirs))
    proposal = story.remove("K", "F", known=theirs)
    theirs.append(proposal)
    for name in "LMNOPQRST":
        theirs.append(story.second(name, proposal, known=theirs))
    return Case(story, base, roles("FH", "ABC"))


def a_removal_before_the_promotion() -> Case:
    story = Story()
    story.add("F", *"GAB")
    early = story.so_far()
    story.promote("F", "G")
    story.accept("G", CHARTER)
    base = len(story.made)
    story.remove("F", "G", known=early)
    return Case(story, base, roles("FG", "AB"), waiting=1)


def a_removal_out_of_a_small_circle_long_ago() -> Case:
    story = Story()
    story.add("F", *"AB")
    early = story.so_far()
    story.promote("F", "B")
    story.add("B", *"CDE")
    base = len(story.made)
    old = story.remove("F", "B", known=early)
    story.second("A", old, known=[*early, old])
    return Case(story, base, roles("FB", "ACDE"), waiting=1)


def a_circle_without_facilitators() -> Case:
    story = circle_of(*"ABC")
    base = len(story.made)
    story.leave("F")
    story.second("C", story.promote("A", "B"))
    return Case(story, base, roles("B", "AC"))


def a_term_that_ends_beside_an_add() -> Case:
    story = circle_of(*"GB", facilitators="FG")
    base, before = len(story.made), story.so_far()
    story.role("F", "F", Role.MEMBER, known=before)
    story.add("F", "A", known=before)
    return Case(story, base, roles("G", "ABF"))


def a_policy_that_one_does_not_second() -> Case:
    story = circle_of(*"AB")
    base = len(story.made)
    story.second("B", story.policy("F", is_direct=True))
    return Case(story, base, roles("F", "AB"), waiting=1)


def a_promotion_beside_a_lesser_role() -> Case:
    story = circle_of(*"GHAB", facilitators="FGH")
    base, before = len(story.made), story.so_far()
    promotion = story.promote("F", "A", known=before)
    story.second("H", promotion, known=[*before, promotion])
    story.role("G", "A", Role.LISTENER, known=before)
    return Case(story, base, roles("FGHA", "B"), waiting=1)


def leaving_is_for_good() -> Case:
    story = circle_of(*"AB")
    base, before = len(story.made), story.so_far()
    story.leave("A", known=before)
    gone = story.remove("F", "A", known=before)
    story.add("F", "A", known=[*before, gone])
    return Case(story, base, roles("F", "B"))


def two_charters_at_once() -> Case:
    story = circle_of(*"GHIA", facilitators="FGHI")
    base, before = len(story.made), story.so_far()
    one = story.charter("F", b"1" * 32, known=before)
    story.second("G", one, known=[*before, one])
    other = story.charter("H", b"2" * 32, known=before)
    story.second("I", other, known=[*before, other])
    return Case(story, base, roles("FGHI", "A"))


def a_listener_acts() -> Case:
    story = circle_of(*"AB")
    base = len(story.made)
    story.role("F", "A", Role.LISTENER)
    story.second("A", story.remove("B", "F"))
    return Case(story, base, roles("", "B", "A"))


def what_a_removal_knew_stands() -> Case:
    story = circle_of(*"GHA", facilitators="FGH")
    base = len(story.made)
    proposal = story.remove("F", "G")
    story.add("G", "D")
    story.second("H", proposal)
    return Case(story, base, roles("FH", "AD"))


def an_accomplice_who_seconds_later_saves_nothing() -> Case:
    story = circle_of(*"GHIA", facilitators="FGHI")
    base, before = len(story.made), story.so_far()
    proposal = story.remove("F", "G", known=before)
    story.second("H", proposal, known=[*before, proposal])
    story.add("G", "D", known=before)
    story.second("I", proposal)
    return Case(story, base, roles("FHI", "A"))


def half_is_no_majority() -> Case:
    story = circle_of("A")
    base = len(story.made)
    story.remove("A", "F")
    return Case(story, base, roles("F", "A"), waiting=1)


def whom_a_void_add_brought_in_adds_nobody() -> Case:
    story = circle_of(*"GHIKA", facilitators="FGHIK")
    base, before = len(story.made), story.so_far()
    story.second("H", story.remove("F", "G"))
    theirs = [*before, story.add("G", "D", known=before)]
    theirs.append(story.promote("I", "D", known=theirs))
    theirs.append(story.second("K", theirs[-1], known=theirs))
    story.add("D", "E", known=theirs)
    return Case(story, base, roles("FHIK", "A"))


def a_facilitator_mutes_a_member() -> Case:
    story = circle_of(*"AB")
    base = len(story.made)
    story.mute("F", "A", until=5)
    return Case(story, base, roles("F", "AB"), muted="A")


def a_member_mutes_a_member() -> Case:
    story = circle_of(*"ABC")
    base = len(story.made)
    story.mute("A", "B")
    return Case(story, base, roles("F", "ABC"), waiting=1)


def one_mutes_a_facilitator() -> Case:
    story = circle_of(*"GHAB", facilitators="FGH")
    base, before = len(story.made), story.so_far()
    story.mute("F", "G", known=before)
    heard = story.mute("F", "H", known=before)
    story.second("G", heard, known=[*before, heard])
    return Case(story, base, roles("FGH", "AB"), waiting=1, muted="H")


def a_mute_that_another_facilitator_ends() -> Case:
    story = circle_of(*"GAB", facilitators="FG")
    base = len(story.made)
    story.mute("F", "A")
    story.unmute("G", "A")
    return Case(story, base, roles("FG", "AB"))


def a_mute_that_the_muted_ends() -> Case:
    story = circle_of(*"AB")
    base = len(story.made)
    story.mute("F", "A")
    story.unmute("A", "A")
    story.mute("F", "B")
    return Case(story, base, roles("F", "AB"), muted="B")


def somebody_else_ends_no_mute() -> Case:
    story = circle_of(*"AB")
    base = len(story.made)
    story.mute("F", "A")
    story.unmute("B", "A")
    return Case(story, base, roles("F", "AB"), muted="A")


def a_mute_is_renewed_once() -> Case:
    story = circle_of(*"GAB", facilitators="FG")
    base = len(story.made)
    story.mute("F", "A")
    story.mute("G", "A")
    refused = story.mute("F", "A")
    story.made.remove(refused)
    story.unmute("F", "A")
    story.made.append(refused)
    return Case(story, base, roles("FG", "AB"))


def an_end_that_does_not_know_the_other_mute() -> Case:
    story = circle_of(*"GAB", facilitators="FG")
    base, before = len(story.made), story.so_far()
    one = story.mute("F", "A", known=before)
    story.unmute("F", "A", known=[*before, one])
    story.mute("G", "A", known=before)
    return Case(story, base, roles("FG", "AB"), muted="A")


def a_removed_facilitator_ends_no_mute() -> Case:
    story = circle_of(*"GHA", facilitators="FGH")
    base = len(story.made)
    story.mute("F", "A")
    before = story.so_far()
    story.second("H", story.remove("F", "G"))
    story.unmute("G", "A", known=before)
    return Case(story, base, roles("FH", "A"), muted="A")


def a_removed_facilitator_mutes_nobody() -> Case:
    story = circle_of(*"GHA", facilitators="FGH")
    base, before = len(story.made), story.so_far()
    story.second("H", story.remove("F", "G"))
    story.mute("G", "A", known=before)
    return Case(story, base, roles("FH", "A"))


def a_mute_beside_a_promotion() -> Case:
    story = circle_of(*"HIAB", facilitators="FHI")
    base, before = len(story.made), story.so_far()
    promotion = story.promote("F", "A", known=before)
    story.second("H", promotion, known=[*before, promotion])
    story.mute("I", "A", known=before)
    return Case(story, base, roles("FHIA", "B"), waiting=1)


def who_lost_the_role_ends_no_mute() -> Case:
    story = circle_of(*"GHA", facilitators="FGH")
    base = len(story.made)
    story.mute("F", "A")
    before = story.so_far()
    story.second("H", story.role("F", "G", Role.MEMBER))
    story.unmute("G", "A", known=before)
    return Case(story, base, roles("FH", "AG"), muted="A")


def a_term_prolonged_by_oneself() -> Case:
    story = circle_of(*"GAB", facilitators="FG")
    base = len(story.made)
    story.term("F", "F", 7)
    story.term("F", "G", 8)
    return Case(story, base, roles("FG", "AB"), waiting=1, terms={"G": 8})


def a_term_that_a_majority_prolongs() -> Case:
    story = circle_of(*"AB")
    base = len(story.made)
    story.second("A", story.term("F", "F", 7))
    return Case(story, base, roles("F", "AB"), terms={"F": 7})


def of_two_terms_the_earlier_end_counts() -> Case:
    story = circle_of(*"GHA", facilitators="FGH")
    story.term("G", "F", 5)
    base, before = len(story.made), story.so_far()
    story.term("G", "F", 9, known=before)
    story.term("H", "F", 8, known=before)
    return Case(story, base, roles("FGH", "A"), terms={"F": 8})


CASES: tuple[Callable[[], Case], ...] = (
    one_removes_a_member,
    a_member_removes_a_member,
    one_removes_a_facilitator,
    two_remove_a_facilitator,
    a_majority_removes_a_facilitator,
    what_the_removed_did_beside_it_is_void,
    two_full_removals_of_each_other,
    a_removal_beside_an_add_anew,
    an_appeal_that_was_heard,
    a_facilitator_who_removes_those_who_vote,
    a_removed_facilitator_lives_on_in_the_past,
    a_removal_before_the_promotion,
    a_removal_out_of_a_small_circle_long_ago,
    a_circle_without_facilitators,
    a_term_that_ends_beside_an_add,
    a_policy_that_one_does_not_second,
    a_promotion_beside_a_lesser_role,
    leaving_is_for_good,
    two_charters_at_once,
    a_listener_acts,
    what_a_removal_knew_stands,
    an_accomplice_who_seconds_later_saves_nothing,
    half_is_no_majority,
    whom_a_void_add_brought_in_adds_nobody,
    a_facilitator_mutes_a_member,
    a_member_mutes_a_member,
    one_mutes_a_facilitator,
    a_mute_that_another_facilitator_ends,
    a_mute_that_the_muted_ends,
    somebody_else_ends_no_mute,
    a_mute_is_renewed_once,
    an_end_that_does_not_know_the_other_mute,
    a_removed_facilitator_ends_no_mute,
    a_removed_facilitator_mutes_nobody,
    a_mute_beside_a_promotion,
    a_term_prolonged_by_oneself,
    a_term_that_a_majority_prolongs,
    of_two_terms_the_earlier_end_counts,
    who_lost_the_role_ends_no_mute,
)
"""In the order of the table."""
