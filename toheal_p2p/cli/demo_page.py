"""The end of the demonstration where somebody is there to look: one of the three gets a page.

The others are played by this program, with words that were written before; it says so. Whoever looks
reads, answers and tries everything, and it ends with Ctrl-C.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Final, Protocol

from attrs import define, field

from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli.local_client import Item
from toheal_p2p.locale import Words

LOOK: Final = 0.5
"""Seconds between two looks at what the page has said."""

PAUSE: Final = 4.0
"""Seconds after which one of the others answers, as a person would not at once."""

FRESH: Final = 30.0
"""Seconds after which the way in is made anew: it is good for sixty."""

MEANWHILE: Final = (
    (20.0, "naseem", "مرّ أسبوع على زيارة الطبيب، وما زلت أرتّب أسئلتي على ورقة.", ()),
    (50.0, "mariam", "في مثل هذه الأيام رحلت أمي. أشعلت شمعة.", ("loss",)),
)
"""Who says what after so many seconds, with which content notes."""

ANSWERS: Final = (
    ("naseem", "شكرًا على هذا الكلام. نحن هنا."),
    ("mariam", "Thank you for saying that. There is no hurry."),
)
"""What is answered to whatever the page says, one after the other."""


class Player(Protocol):
    """Somebody with a running process."""

    @property
    def nickname(self) -> str:
        """Their name."""
        ...

    def ask(self, command: str, /, **args: object) -> list[Item]:
        """Have their process carry out a command."""
        ...


@define
class Scene:
    """What goes on while the page is open."""

    players: dict[str, Player]
    circle: str
    looks_as: str
    _began: float = field(factory=time.monotonic)
    _answers: Iterator[tuple[str, str]] = field(factory=lambda: cycle(ANSWERS))
    _said: int = 0
    _answered: set[str] = field(factory=set)
    _waiting: dict[str, float] = field(factory=dict)

    def begin(self) -> None:
        """Take what was said so far for answered."""
        self._answered = {one["id"] for one in self._by_page()}

    def go_on(self) -> None:
        """Say what is due."""
        now = time.monotonic()
        if self._said < len(MEANWHILE) and now - self._began >= MEANWHILE[self._said][0]:
            _after, name, text, notes = MEANWHILE[self._said]
            self._said += 1
            self._say(name, text, notes=notes)
        for one in self._by_page():
            if one["id"] not in self._answered:
                self._waiting.setdefault(one["id"], now + PAUSE)
        for message in [one for one, due in self._waiting.items() if due <= now]:
            del self._waiting[message]
            self._answered.add(message)
            name, text = next(self._answers)
            self._say(name, text, reply=message)

    def _by_page(self) -> list[Item]:
        looker = self.players[self.looks_as].nickname
        other = next(one for name, one in self.players.items() if name != self.looks_as)
        entries = other.ask("read", circle=self.circle, follow=False, after=0)
        return [
            one
            for one in entries
            if one["kind"] in ("text", "attachment") and one["author_name"] == looker
        ]

    def _say(self, name: str, text: str, **more: object) -> None:
        said = {"notes": (), "to_facilitators": False, **more}
        self.players[name].ask("say", circle=self.circle, text=text, **said)


def stay_open(
    words: Words, scene: Scene, home: str, tell: Callable[[str], None], *, opens_browser: bool
) -> None:
    """Open a page for one of the three, and go on until Ctrl-C."""
    from toheal_p2p.cli.page import open_again, open_in_browser

    address = open_again(home)
    if address is None:
        tell(words.text("demo.no_page"))
        return
    looker = scene.players[scene.looks_as].nickname
    others = [one.nickname for name, one in scene.players.items() if name != scene.looks_as]
    tell(words.text("demo.page", name=looker, names=words.text("line.comma").join(others)))
    if not (opens_browser and open_in_browser(address)):
        tell(words.text("done.page", path=str(address.start_file)))
    scene.begin()
    renewed = time.monotonic()
    try:
        while True:
            try:
                scene.go_on()
            except Refused as refusal:  # locked, wiped or ended on the page: that is allowed
                if refusal.code not in ("busy", "connection_lost"):
                    tell(words.text("demo.page_ended"))
                    return
            if time.monotonic() - renewed > FRESH:
                open_again(home)
                renewed = time.monotonic()
            time.sleep(LOOK)
    except KeyboardInterrupt:
        tell(words.text("demo.page_over"))
