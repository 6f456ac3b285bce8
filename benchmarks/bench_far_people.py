"""Two whole people far apart in a default circle: how late a word is, and how soon all is there.

Each person is a process with its vault; both reach the relay, mailboxes and TURN alike, through a
proxy in user space (`tests/support/lossy.py`) that stands between them and it. A word passes the
proxy twice, from one to the relay and from the relay to the other, so half of the delay and half of
the loss is given to each passage: the sums are those of the name, **each way**. Over TCP a lost
segment is a pause of its stream.

"Late" is from `say` to the text being durable and readable at the other person, ten a second.
Each climate has people of its own, who talk once the link over TURN is open, as it always is soon.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from benchmarks.figures import Figure, print_figures
from benchmarks.lines import Line
from benchmarks.people import a_person, a_relay, newest
from tests.support.lossy import HOST, Climate, bad_weather

CLIMATES: Final = (
    ("40 ms, 2 % loss", Climate(delay=0.020, loss=0.01), "aim: 60", "aim: 600"),
    ("100 ms, 5 % loss", Climate(delay=0.050, loss=0.025), "", ""),
)
WORDS: Final = 150
EVERY: Final = 0.1
"""Seconds between two words of one person; both speak."""
SIZE: Final = 200


def free_port() -> int:
    """A port that nobody has just now, over TCP and UDP."""
    with socket.socket() as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        one.bind((HOST, 0))
        port = int(one.getsockname()[1])
        other.bind((HOST, port))
        return port


def measure(name: str, climate: Climate, p50_aim: str, p99_aim: str) -> list[Figure]:
    """Two people meet, open a link, and talk."""
    with tempfile.TemporaryDirectory() as scratch, bad_weather(climate) as weather:
        folder, port = Path(scratch), free_port()
        front = weather.before((HOST, port))
        with a_relay(folder, port=port, public=f"{HOST}:{front[1]}") as (relay, _pid):
            people = [a_person(folder, one) for one in ("ours", "theirs")]
            try:
                return _meet_and_talk(name, people, relay, p50_aim, p99_aim)
            finally:
                for person in people:
                    person.end()


def _meet_and_talk(
    name: str, people: Sequence[Line], relay: str, p50_aim: str, p99_aim: str
) -> list[Figure]:
    ours, theirs = people
    circle = ours.ask("create", name="evening", relay=relay, direct=False)["circle"]
    link = ours.ask("invite", circle=circle)["link"]
    ours.begin("admit_first", circle=circle)
    joined = theirs.ask("join", link=link)
    admitted = ours.answer()
    theirs.begin("readable", circle=circle, count=1, after=newest(theirs, circle))
    ours.ask("say", circle=circle, text="welcome")
    readable = theirs.answer()
    linked = max(one.ask("await_link", circle=circle, kind="turn")["at"] for one in people)
    late = _talk(people, circle)
    return [
        Figure(f"{name}: join to admitted", (admitted["at"] - joined["began"]) * 1e3, "ms"),
        Figure(f"{name}: admitted to first word", (readable["at"] - admitted["at"]) * 1e3, "ms"),
        Figure(f"{name}: admitted to link", (linked - admitted["at"]) * 1e3, "ms", "over TURN"),
        Figure(f"{name}: late, p50", median(late), "ms", p50_aim),
        Figure(f"{name}: late, p99", quantiles(late, n=100)[98], "ms", p99_aim),
    ]


def _talk(people: Sequence[Line], circle: str) -> list[float]:
    """Both speak at the same time; return how late each word was, in milliseconds."""
    for person in people:
        after = newest(person, circle)
        person.begin("converse", circle=circle, size=SIZE, count=WORDS, every=EVERY, after=after)
    ours, theirs = (person.answer() for person in people)
    return [
        (end - start) * 1e3
        for speaker, listener in ((ours, theirs), (theirs, ours))
        for start, end in zip(speaker["began"], listener["at"], strict=True)
    ]


def main() -> list[Figure]:
    """Measure both climates."""
    return [figure for climate in CLIMATES for figure in measure(*climate)]


if __name__ == "__main__":
    print_figures(main())
