"""How messages look on the page: whom they are for, what they answer, and what became of them."""

from __future__ import annotations

import pytest
from attrs import evolve

from toheal_p2p.app.interface import EntryView, QuoteView
from toheal_p2p.app.vocabulary import ENTRY_KINDS
from toheal_p2p.locale import LANGUAGES, Language, load_words
from toheal_p2p.web.rendering import Renderer

SAID = EntryView(
    position=1,
    id="ab" * 32,
    circle="cd" * 32,
    author="ef" * 32,
    author_name="Sam",
    mine=False,
    kind="text",
    text="good <evening>",
    sent_at=1_800_000_000,
    received_at=1_800_000_001,
    notes=(),
    passed_on_by=None,
)
OTHER = "12" * 32
RENDERER = Renderer()
WORDS = {language: load_words(language) for language in LANGUAGES}


def page(
    entry: EntryView,
    *,
    is_again: bool = False,
    language: Language = "en",
    choice: str = "covered",
    can_answer: bool = False,
    is_first_new: bool = False,
) -> str:
    facts = {
        "entry": entry,
        "what": "",
        "choice": choice,
        "can_answer": can_answer,
        "is_again": is_again,
        "is_first_new": is_first_new,
    }
    return RENDERER.fill("entry.html", WORDS[language], facts)


def test_a_plain_text_is_shown_with_nothing_beside_it() -> None:
    html = page(SAID)
    assert "good &lt;evening&gt;" in html
    for beside in ("For facilitators only", "Edited", "On ", "Taken back", "hx-swap-oob"):
        assert beside not in html


def test_a_note_for_facilitators_says_so() -> None:
    assert "For facilitators only" in page(evolve(SAID, audience="facilitators"))


def test_an_answer_shows_what_it_answers_or_that_it_is_not_here() -> None:
    answer = evolve(SAID, reply_to=OTHER, quote=QuoteView("Nawras", "<b>how are you?"))
    assert "&lt;b&gt;how are you?" in page(answer)
    assert "a message that is not here" in page(evolve(answer, quote=None))


def test_a_request_for_intervention_is_one() -> None:
    request = evolve(SAID, kind="request", audience="facilitators", reply_to=OTHER)
    assert "asks the facilitators" in page(request) and "For facilitators only" in page(request)


def test_what_was_taken_back_shows_no_word() -> None:
    assert "Taken back by its author" in page(evolve(SAID, kind="retracted", text=""))


def test_an_edit_says_that_something_changed_and_the_message_itself_what() -> None:
    assert "other words" not in page(evolve(SAID, kind="edit", text="other words"))
    changed = page(evolve(SAID, text="other words", edited=True), is_again=True)
    assert 'id="m-abababababab" hx-swap-oob="true"' in changed
    assert "other words" in changed and "Edited" in changed


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ENTRY_KINDS)
def test_every_kind_of_entry_is_shown_in_both_languages(kind: str, language: Language) -> None:
    entry = evolve(SAID, kind=kind, reply_to=OTHER, text="3" if kind == "gap" else "text")
    assert "<li" in page(entry, language=language)
