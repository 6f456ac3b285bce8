"""The walk around a circle: members, rules, doors, conversations, ways; after the talk of the tour.

`python -m tests.support.tour_circle FOLDER [LANGUAGE]` takes pictures of these screens alone.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.browser import a_browser
from tests.support.page_program import a_program
from tests.support.pages import SIZES, Page
from tests.support.processes import PersonProcess, a_town, await_true
from toheal_p2p.locale import LANGUAGES, Language

if TYPE_CHECKING:
    from tests.support.tour import Tour

WORDS: Final = {
    "ar": (
        "نلتقي في هدوء.\nلكل واحد وقته.",
        "سهام",
        "فقد عزيز",
        "من أين عرفت عنا؟",
        "من صديقة. أحب أن أستمع أولًا.",
        "المساء، بعد الثامنة",
    ),
    "en": (
        "We meet quietly.\nEverybody has their own time.",
        "Siham",
        "Grief",
        "How did you hear of us?",
        "From a friend. I would like to listen first.",
        "In the evening, after eight",
    ),
}
"""A charter, a newcomer, a topic, a question and its answer, and a line of a card."""


class AroundCircle:
    """The screens of one circle with two members, of whom the other one is driven by commands."""

    def __init__(self, tour: Tour, friend: PersonProcess) -> None:
        self.tour = tour
        self.page = tour.page
        self.friend = friend
        [self.circle] = [one["id"] for one in friend.ask("circle_list")]
        self.charter, self.newcomer, self.topic, self.asks, self.says, self.card = WORDS[
            tour.language
        ]

    def walk(self) -> Iterator[str]:
        """Begin and end at the page of the circle."""
        yield from self.about()
        yield from self.govern()
        yield from self.agree()
        yield from self.invite()
        yield from self.door()
        yield from self.two()
        yield from self.ways()
        yield from self.elsewhere()

    def go(self, *keys: str) -> None:
        """Go to the circle's page, and from there by these words."""
        self.tour.press("page.my_circles")
        self.page.click(self.tour.names[0])
        self.page.wait("!!document.getElementById('text') || !!document.querySelector('#asks')")
        for key in keys:
            self.tour.press(key)

    def about(self) -> Iterator[str]:
        self.go("page_circle.around")
        self.tour.see("page_about.stays")
        yield "about"
        self.tour.press("page_about.stays_title")
        self.tour.see("page_stays.how")
        yield "stays"
        self.go("page_circle.members")
        self.page.click(self.tour.say("page_members.more_of", name=self.friend.name))
        self.tour.see("page_member.removal")
        yield "member"

    def govern(self) -> Iterator[str]:
        tour = self.tour
        tour.press("page_role.title")
        tour.see("page_role.what_they_are")
        yield "role"
        tour.press("page.back")
        tour.press("page_removal.short")
        tour.see("page_removal.means")
        yield "removal"
        tour.press("page.back")
        tour.press("page_mute.title")
        tour.see("page_mute.means")
        yield "mute"
        self.go("page_circle.members")
        self.page.click(tour.say("page_members.more_of", name=tour.names[2]))
        tour.press("page_term.title")
        tour.see("page_term.takes")
        yield "term"
        ours = tour.names[2]
        self.friend.ask(
            "circle_role",
            circle=self.circle,
            who=ours,
            role="member",
            reason="term",
            text=self.asks,
        )
        self.go()
        tour.see("page_acts.asks")
        yield "asked"
        tour.press("page_acts.look")
        tour.see("page_acts.waiting")
        yield "acts"

    def agree(self) -> Iterator[str]:
        tour = self.tour
        self.go("page_circle.around", "page_about.charter_title")
        tour.see("page_charter.everybody")
        yield "circle-charter"
        tour.press("page_charter.change")
        self.page.fill("charter", self.charter)
        yield "charter-change"
        tour.press("page_charter.propose")
        tour.see("page_acts.done_now")
        yield "charter-done"
        self.go("page_circle.around", "page_about.charter_title", "page_policy.title")
        tour.see("page_policy.other_direct")
        yield "policy"
        tour.press("page_policy.propose")
        tour.see("page_acts.waits_now")
        yield "policy-waits"

    def invite(self) -> Iterator[str]:
        tour = self.tour
        self.go("page_circle.invite")
        tour.see("page_seats.title")
        yield "invite-again"
        tour.press("page_seats.title")
        tour.see("page_seats.only_here")
        yield "seats"
        tour.press("page.back")
        tour.press("page_spoken.instead")
        tour.see("page_spoken.language")
        yield "spoken"
        tour.press("page_spoken.make")
        self.page.wait("!!document.querySelector('.spoken')")
        yield "spoken-code"
        tour.press("page_spoken.withdraw")
        tour.press("page_boards.title")
        tour.press("page_boards.new")
        self.page.fill("topic", self.topic)
        self.page.fill("hours", self.card)
        yield "board-new"
        tour.press("page_boards.publish")
        self.page.wait("!!document.getElementById('link')")
        yield "board"

    def door(self) -> Iterator[str]:
        tour = self.tour
        link = self.page.ask("document.getElementById('link').value")
        guest = tour.town.person(self.newcomer)
        guest.start()
        guest.ask("join", link=link, nickname=guest.name)
        [porch] = [one["id"] for one in guest.ask("circle_list")]
        tour.press("page_boards.done")
        tour.see("page_boards.hint")
        yield "boards"
        self.go()
        self.page.see(guest.name)
        tour.press("page_circle.open_door")
        self.page.see(self.topic)
        yield "door-by-notice"
        self.page.click(tour.say("page_door.words_with", name=guest.name))
        self.page.fill("door-text", self.asks)
        tour.press("page_circle.send")
        self.page.see(self.asks)
        await_true(
            lambda: any(not one["mine"] for one in guest.ask("door", circle=porch, who=None))
        )
        guest.ask("door_say", circle=porch, who=None, text=self.says)
        self.page.see(self.says)
        yield "door-words"
        tour.press("page.back")
        self.page.click(tour.say("page_door.decline_who", name=guest.name))
        tour.see("page_door.nobody")
        yield "door-nobody"
        guest.stop()

    def two(self) -> Iterator[str]:
        tour = self.tour
        self.go("page_circle.around", "page_talks.title")
        tour.see("page_talks.none")
        yield "talks-none"
        self.page.click(tour.say("page_talks.ask_of", name=self.friend.name))
        tour.press("page_talks.card")
        self.page.fill("card-when", self.card)
        yield "talk-ask"
        tour.press("page_talks.ask")
        tour.see("page_talks.asked")
        yield "talks-asked"

    def ways(self) -> Iterator[str]:
        tour = self.tour
        self.go("page_circle.around", "page_about.ways_title")
        self.page.see(self.friend.name)
        yield "ways"
        tour.press("page_relays.title")
        tour.see("page_relays.add_means")
        yield "relays"
        self.go("page_circle.members")
        self.page.click(tour.say("page_members.more_of", name=self.friend.name))
        tour.press("page_direct.title")
        tour.see("page_direct.means")
        yield "direct"
        tour.press("page.back")
        tour.press("page_bundle.title")
        tour.press("page_bundle.make")
        self.page.wait("document.getElementById('file-said').textContent.length > 30")
        yield "bundle"

    def elsewhere(self) -> Iterator[str]:
        tour = self.tour
        tour.press("page.my_circles")
        tour.press("page_relays.own_title")
        tour.see("page_relays.own_hint")
        yield "own-relays"
        tour.press("page.back")
        tour.press("page_meet.title")
        tour.see("page_meet.seen")
        yield "meet"
        tour.press("page.back")
        tour.press("page_bundle.take_title")
        tour.see("page_bundle.take_hint")
        yield "bundle-take"
        tour.press("page.back")
        tour.press("page_doctor.title")
        tour.see("page_doctor.again")
        yield "doctor"


def take_pictures(folder: Path, language: Language) -> None:
    """Write pictures of every screen around a circle."""
    from tests.support.tour import Tour  # it takes us along in its own walk

    with tempfile.TemporaryDirectory() as place, a_town(Path(place)) as town:
        with a_program(Path(place) / "ours") as program, a_browser(Path(place) / "b") as browser:
            page = Page(browser)
            page.size(*SIZES[0])
            tour = Tour(page, program, town, language)
            for _ in (*tour.begin(), *tour.make_circle()):
                pass
            friend = tour.make_friend()
            for _ in tour.let_in(friend):
                pass
            await_true(lambda: friend.state_of(friend.ask("circle_list")[0]["id"]) == "active")
            for number, name in enumerate(AroundCircle(tour, friend).walk()):
                page.pictures(folder, f"{language}-{number:02}-{name}")


if __name__ == "__main__":
    for chosen in LANGUAGES:
        if chosen in (sys.argv[2:] or LANGUAGES):
            take_pictures(Path(sys.argv[1]), chosen)
