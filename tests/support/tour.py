"""A walk through every screen of the page, in one language: for the tests that look at all of them.

`python -m tests.support.tour FOLDER` takes pictures of all (`make screenshots`).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from attrs import define

from tests.support.browser import a_browser
from tests.support.page_program import PASSPHRASE, PageProgram, a_program
from tests.support.pages import SIZES, Page
from tests.support.processes import PersonProcess, Town, a_town, await_true
from tests.support.tour_circle import take_pictures as take_pictures_around
from tests.support.tour_talk import talk_more
from toheal_p2p.locale import LANGUAGES, Language, load_words
from toheal_p2p.locale.charter import default_charter

_words: Final = cache(load_words)

TALK: Final = {
    "ar": (
        ("حلقة المساء", "قهوة الصباح", "نورس", "سلمى"),
        "مساء الخير. كان أسبوعًا ثقيلًا، وأحببت أن أجلس هنا قليلًا.",
        "أهلًا بك. أنا هنا، ولا حاجة إلى العجلة.",
        "في الربيع فقدتُ أخي، وما زلت أضع له كوبًا على الطاولة.",
    ),
    "en": (
        ("Evening circle", "Morning coffee", "Nawras", "Salma"),
        "Good evening. It was a heavy week, and I wanted to sit here for a while.",
        "Welcome. I am here, and there is no hurry.",
        "In spring I lost my brother, and I still put a cup on the table for him.",
    ),
}


@define(eq=False)
class Tour:
    """One walk. The friend has a program of their own, driven by the local channel."""

    page: Page
    program: PageProgram
    town: Town
    language: Language

    def say(self, key: str, **facts: str) -> str:
        """Return a sentence of the page, without marks of direction."""
        text = _words(self.language).text(key, **facts)
        return "".join(char for char in text if not "\u2066" <= char <= "\u2069")

    def press(self, key: str) -> None:
        self.page.click(self.say(key))

    def see(self, key: str, **facts: str) -> None:
        self.page.see(self.say(key, **facts))

    def to(self, key: str, shown: str, screen: str) -> Iterator[str]:
        """Press something, and give the screen once it shows this sentence."""
        self.press(key)
        self.see(shown)
        yield screen

    def walk(self) -> Iterator[str]:
        """Go from the first start to quick exit; give the name of each screen when it is there."""
        yield from self.begin()
        yield from self.make_circle()
        friend = self.make_friend()
        yield from self.let_in(friend)
        yield from self.talk(friend)
        yield from talk_more(self, friend)
        yield from self.look_around()
        yield from self.join(friend)
        yield from self.be_calm()
        yield from self.lock()

    def begin(self) -> Iterator[str]:
        page = self.page
        self.program.come_in(page)
        page.see("English")
        yield "language"
        page.click({"ar": "العربية", "en": "English"}[self.language])
        page.wait(f"document.documentElement.lang === '{self.language}'")
        self.see("page_first.welcome")
        yield "welcome"
        self.press("page_first.adult")
        page.fill("nickname", self.names[2])
        page.fill("passphrase", PASSPHRASE)
        page.fill("again", PASSPHRASE)
        yield "name"
        yield from self.to("page_first.create", "page_circles.empty_title", "no-circle")

    def make_circle(self) -> Iterator[str]:
        page = self.page
        self.press("page_circles.create")
        page.fill("name", self.names[0])
        page.fill("relay", self.town.relay.address)
        yield "new-circle"
        yield from self.to("page_new.create", "page_new.created", "created")
        yield from self.to("page_new.invite", "page_invite.make", "invite")
        yield from self.to("page_invite.make", "page_invite.copy", "invitation")

    def make_friend(self) -> PersonProcess:
        friend = self.town.person(self.names[3])
        friend.start()
        link = self.page.ask("document.getElementById('link').value")
        friend.ask("join", link=link, nickname=friend.name)
        return friend

    def let_in(self, friend: PersonProcess) -> Iterator[str]:
        yield from self.to("page_invite.done", "page_circle.open_door", "somebody-waits")
        self.press("page_circle.open_door")
        self.page.see(friend.name)
        yield "door"
        self.page.click(self.say("page_door.admit_who", name=friend.name))
        self.page.wait("!!document.getElementById('text')")

    def talk(self, friend: PersonProcess) -> Iterator[str]:
        _names, first, second, third = TALK[self.language]
        [circle] = [one["id"] for one in friend.ask("circle_list")]
        await_true(lambda: friend.state_of(circle) == "active")
        self.page.fill("text", first)
        self.press("page_circle.send")
        self.page.see(first)
        self.see("page_circle.all_have_it")
        friend.say(circle, second)
        self.page.see(second)
        friend.ask("say", circle=circle, text=third, notes=["loss"], to_facilitators=False)
        self.see("page_circle.covered", notes=self.say("content_note.loss"))
        yield "circle"

    def look_around(self) -> Iterator[str]:
        page = self.page
        self.press("page_circle.members")
        page.see(self.names[3])
        yield "members"
        self.press("page_members.words")
        page.wait("document.querySelectorAll('.words li').length === 8")
        yield "safety-words"
        self.press("page.back")
        page.wait("!document.querySelector('.words')")
        self.press("page.back")
        yield from self.to("page_circle.leave", "page_leave.hint", "leave")
        self.press("page.my_circles")
        page.see(self.names[0])
        yield "circles"

    def join(self, friend: PersonProcess) -> Iterator[str]:
        page = self.page
        self.press("page_circles.join")
        page.fill("link", "toheal:1:broken")
        yield from self.to("page_join.look", "refused.invitation_malformed", "join")
        charter = default_charter(load_words(self.language))
        other = self.town.create(friend, [self.town.relay.address], self.names[1], charter=charter)
        [invitation] = friend.ask("invite", circle=other, expires_in=3600)
        page.fill("link", invitation["link"])
        yield from self.to("page_join.look", "page_join.charter", "charter")
        yield from self.to("page_join.agree", "page_circle.waiting_title", "waiting")

    def be_calm(self) -> Iterator[str]:
        page = self.page
        self.press("page.help_now")
        page.wait("!!document.getElementById('country')")
        page.ask("document.getElementById('country').value = 'lb'")
        self.press("page_help.show")
        page.see("1564")
        yield "help"
        yield from self.to("page.calm", "page_calm.first", "calm")

    def lock(self) -> Iterator[str]:
        page = self.page
        yield from self.to("page.lock", "page_first.unlock_title", "locked")
        page.fill("passphrase", "wrong")
        yield from self.to("page_first.unlock", "refused.wrong_passphrase", "wrong")
        page.fill("passphrase", PASSPHRASE)
        self.press("page_first.unlock")
        page.see(self.names[0])
        self.press("page.quick_exit")
        page.wait("location.pathname === '/calendar' && !!document.querySelector('table')")
        yield "calendar"

    @property
    def names(self) -> Sequence[str]:
        return TALK[self.language][0]


def take_pictures(folder: Path, language: Language) -> None:
    """Write a picture of every screen: telephone and desktop, light and dark."""
    with tempfile.TemporaryDirectory() as place, a_town(Path(place)) as town:
        with a_program(Path(place) / "ours") as program, a_browser(Path(place) / "b") as browser:
            page = Page(browser)
            page.size(*SIZES[0])
            tour = Tour(page, program, town, language)
            for number, name in enumerate(tour.walk()):
                page.pictures(folder, f"{language}-{number:02}-{name}")


if __name__ == "__main__":
    for chosen in LANGUAGES:
        take_pictures(Path(sys.argv[1]), chosen)
        take_pictures_around(Path(sys.argv[1]) / "circle", chosen)
