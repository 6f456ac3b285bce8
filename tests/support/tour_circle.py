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
        "شكرًا على هذه الشهور.",
    ),
    "en": (
        "We meet quietly.\nEverybody has their own time.",
        "Siham",
        "Grief",
        "How did you hear of us?",
        "From a friend. I would like to listen first.",
        "In the evening, after eight",
        "Thank you for these months.",
    ),
}
"""A charter, a newcomer, a topic, a question and its answer, a line of a card, and why."""


class AroundCircle:
    """The screens of one circle with two members, of whom the other one is driven by commands."""

    def __init__(self, tour: Tour, friend: PersonProcess) -> None:
        self.tour = tour
        self.page = tour.page
        self.friend = friend
        [self.circle] = [one["id"] for one in friend.ask("circle_list")]
        words = WORDS[tour.language]
        self.charter, self.newcomer, self.topic, self.asks, self.says, self.card, self.why = words

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

    def go_to_member(self, name: str) -> None:
        self.go("page_circle.members")
        self.page.click(self.tour.say("page_members.more_of", name=name))

    def about(self) -> Iterator[str]:
        self.go("page_circle.around")
        self.tour.see("page_about.stays")
        yield "about"
        yield from self.tour.to("page_about.stays_title", "page_stays.how", "stays")
        self.go_to_member(self.friend.name)
        self.tour.see("page_member.removal")
        yield "member"

    def govern(self) -> Iterator[str]:
        tour = self.tour
        yield from tour.to("page_role.title", "page_role.what_they_are", "role")
        tour.press("page.back")
        yield from tour.to("page_removal.short", "page_removal.means", "removal")
        tour.press("page.back")
        yield from tour.to("page_mute.title", "page_mute.means", "mute")
        self.go_to_member(tour.names[2])
        yield from tour.to("page_term.title", "page_term.takes", "term")
        ours = tour.names[2]
        self.friend.ask(
            "circle_role",
            circle=self.circle,
            who=ours,
            role="member",
            reason="term",
            text=self.why,
        )
        self.go()
        tour.see("page_acts.asks")
        yield "asked"
        yield from tour.to("page_acts.look", "page_acts.waiting", "acts")

    def agree(self) -> Iterator[str]:
        tour = self.tour
        self.go("page_circle.around", "page_about.charter_title")
        tour.see("page_charter.everybody")
        yield "circle-charter"
        tour.press("page_charter.change")
        self.page.fill("charter", self.charter)
        yield "charter-change"
        yield from tour.to("page_charter.propose", "page_acts.done_now", "charter-done")
        self.go("page_circle.around", "page_about.charter_title", "page_policy.title")
        tour.see("page_policy.other_direct")
        yield "policy"
        yield from tour.to("page_policy.propose", "page_acts.waits_now", "policy-waits")

    def invite(self) -> Iterator[str]:
        tour = self.tour
        self.go("page_circle.invite")
        tour.see("page_seats.title")
        yield "invite-again"
        yield from tour.to("page_seats.title", "page_seats.only_here", "seats")
        tour.press("page.back")
        yield from tour.to("page_spoken.instead", "page_spoken.language", "spoken")
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
        yield from tour.to("page_boards.done", "page_boards.hint", "boards")
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
        yield from tour.to("page_talks.ask", "page_talks.asked", "talks-asked")

    def ways(self) -> Iterator[str]:
        tour = self.tour
        self.go("page_circle.around", "page_about.ways_title")
        self.page.see(self.friend.name)
        yield "ways"
        yield from tour.to("page_relays.title", "page_relays.add_means", "relays")
        self.go("page_circle.members")
        self.page.click(tour.say("page_members.more_of", name=self.friend.name))
        yield from tour.to("page_direct.title", "page_direct.means", "direct")
        tour.press("page.back")
        tour.press("page_bundle.title")
        tour.press("page_bundle.make")
        self.page.wait("document.getElementById('file-said').textContent.length > 30")
        yield "bundle"

    def elsewhere(self) -> Iterator[str]:
        tour = self.tour
        tour.press("page.my_circles")
        yield from tour.to("page_relays.own_title", "page_relays.own_hint", "own-relays")
        tour.press("page.back")
        yield from tour.to("page_meet.title", "page_meet.seen", "meet")
        tour.press("page.back")
        yield from tour.to("page_bundle.take_title", "page_bundle.take_hint", "bundle-take")
        tour.press("page.back")
        yield from tour.to("page_doctor.title", "page_doctor.again", "doctor")


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
