"""A made-up language: every page and every command's help in it, so that no sentence escapes the catalogues."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest

from tests.support.web_client import Web, a_page
from toheal_p2p.cli.program import toheal
from toheal_p2p.cli.terminal import Terminal
from toheal_p2p.locale import Words, load_words
from toheal_p2p.locale.shown import Own
from toheal_p2p.web import site as pages
from toheal_p2p.web.routes import PAGES

OPENS, CLOSES = "⟦", "⟧"

READ_ALOUD = ("aria-label", "title", "alt", "placeholder", "data-copied", "data-low")

OWN_NAMES = {"العربية", "English", "اللغة", "Language", "·"}
"""How languages call themselves, and what stands between."""

VOID = {"input", "meta", "link", "br", "img", "hr", "path", "circle", "rect"}

OF_PEOPLE = re.compile(r"evening|Nawras|Sam|Guest|One line\.|Another line\.|[\u2066-\u2069]|\W|\d")
"""What others wrote, in the application of the tests; most of it stands where nothing is translated."""


class MadeUp(Words):
    """A language in which every sentence can be told from whatever is none."""

    def _filled(self, sentence: str, facts: object) -> Own:
        return Own(OPENS + super()._filled(sentence, facts) + CLOSES)  # type: ignore[arg-type]

    def word(self, family: str, value: str, /) -> Own:
        return Own(OPENS + super().word(family, value) + CLOSES)


class Read(HTMLParser):
    """Everything of a page that a person reads or hears, one piece each."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._inside: list[str] = []
        self._tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        is_kept = dict(attrs).get("translate") == "no" and tag not in ("html", "body")
        self._inside.append("of people" if is_kept and tag not in VOID else tag)
        self._tags.append(tag)
        if tag in VOID:
            self._inside.pop(), self._tags.pop()
        self.pieces += [value for name, value in attrs if name in READ_ALOUD and value]

    def handle_endtag(self, tag: str) -> None:
        while self._tags and self._tags.pop() != tag:
            self._inside.pop()
        if self._inside:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        hidden = {"style", "script", "bdi", "textarea", "title", "of people"}
        if not hidden & set(self._inside):
            self.pieces.append(data)


def untranslated(text: str) -> list[str]:
    """Return what of a page stands in no catalogue."""
    reader = Read()
    reader.feed(text)
    whole = "\x00".join(reader.pieces)
    while OPENS in whole:  # sentences stand inside sentences
        shorter = re.sub(f"{OPENS}[^{OPENS}{CLOSES}]*{CLOSES}", "", whole)
        assert shorter != whole
        whole = shorter
    left = (piece.strip() for piece in whole.split("\x00"))
    return [piece for piece in left if piece not in OWN_NAMES and OF_PEOPLE.sub("", piece)]


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Words:
    words = MadeUp("en", load_words("en").translations)
    monkeypatch.setattr(pages, "load_words_once", lambda _language: words)
    return words


GETS = [path for method, path, _ in PAGES if method == "GET" and not path.endswith("/live")]


@pytest.mark.real
@pytest.mark.trio
async def test_no_page_has_a_sentence_of_its_own(tmp_path: Path, made_up: Words) -> None:
    seen = 0
    async with a_page(tmp_path) as web:
        await web.enter()
        await _read(web, "/now")
        await web.open_again()
        app = web.profile.app
        made = await app.circle_create(
            "evening", relays=[], direct=False, charter="x", nickname="Nawras"
        )
        for path in GETS:
            if "{" in path.replace("{circle}", ""):
                continue
            seen += await _read(web, path.replace("{circle}", made.id))
    assert seen > 12


async def _read(web: Web, path: str) -> int:
    answer = await web.get(path)
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return 0
    assert untranslated(answer.text) == [], path
    assert OPENS in answer.text, path
    return 1


def test_this_test_sees_a_sentence_of_its_own() -> None:
    assert untranslated(f"<p>{OPENS}in{CLOSES} out</p>") == ["out"]
    assert untranslated(f'<button title="bare">{OPENS}x {OPENS}y{CLOSES} z{CLOSES}</button>') == [
        "bare"
    ]
    assert untranslated("<p>" + html.escape("<b>") + "</p>") == ["<b>"]


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for below, inner in command.commands.items():
            yield from _commands(inner, f"{name} {below}")


def test_no_help_has_a_sentence_of_its_own() -> None:
    terminal = Terminal(MadeUp("en", load_words("en").translations), "nowhere")
    for name, command in _commands(toheal, "toheal"):
        shown = command.get_help(click.Context(command, info_name=name, obj=terminal))
        bare = re.sub(f"{OPENS}.*?{CLOSES}", "", shown, flags=re.DOTALL).replace(name, "")
        assert not re.search(r"[a-z]{3,} [a-z]{3,} [a-z]{2,}", bare), (name, bare)
