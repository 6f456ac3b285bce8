"""The same word is found however it is written, and a query is never more than words."""

from __future__ import annotations

import re

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toheal_p2p.adapters.search_text import (
    MAX_QUERY_WORDS,
    MAX_WORD_LENGTH,
    asked_words,
    match_expression,
    normalise_text,
)

arabic = st.text(st.characters(min_codepoint=0x0600, max_codepoint=0x06FF), max_size=40)
any_text = st.text(max_size=60) | arabic


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("السَّلامُ عَلَيكُم", "السلام عليكم"),
        ("مرحـــبا", "مرحبا"),
        ("أحمد إيمان آمال ٱسم", "احمد ايمان امال اسم"),
        ("مستشفى فتاة", "مستشفي فتاه"),
        ("مؤمن قائد", "مومن قايد"),
        ("کتاب فارسی", "كتاب فارسي"),
        ("٢٠٢٤ ۲۰۲۴", "2024 2024"),
        ("ﻻ ﺣﻮﻝ", "لا حول"),
        ("Crème BRÛLÉE Straße", "creme brulee strasse"),
        ("a\u202eb\u200dc\ufeffd", "abcd"),
        ("wo-rd, an_other. 😀!", "wo rd an other"),
        ("ء", "ء"),
        ("", ""),
        ("\x00\ud800 ok", "ok"),
    ],
)
def test_ways_to_write_a_word_have_one_normal_form(written: str, normal: str) -> None:
    assert normalise_text(written) == normal


@given(any_text)
def test_the_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    once = normalise_text(text)
    assert normalise_text(once) == once


@given(any_text)
def test_the_index_cuts_words_where_we_cut_them(text: str) -> None:
    """SQLite's tokenizer sees exactly our words: nothing is split again, nothing is lost."""
    db = apsw.Connection(":memory:")
    tokenizer = db.fts5_tokenizer("ascii")
    words = normalise_text(text)
    tokens = tokenizer(
        words.encode(),
        apsw.FTS5_TOKENIZE_DOCUMENT,
        None,
        include_offsets=False,
        include_colocated=False,
    )
    assert tokens == words.split()


@given(any_text)
@settings(max_examples=200)
def test_any_query_is_a_valid_expression_of_nothing_but_words(query: str) -> None:
    expression = match_expression(asked_words(query))
    if not expression:
        assert not normalise_text(query)
        return
    assert re.fullmatch(r'\("\w+"\*( OR "\w+"\*)*\)( AND \("\w+"\*( OR "\w+"\*)*\))*', expression)
    db = apsw.Connection(":memory:")
    db.execute(
        "CREATE VIRTUAL TABLE words USING fts5 (text, content='', detail='none', tokenize='ascii')"
    )
    db.execute("SELECT rowid FROM words WHERE words MATCH ?", (expression,)).fetchall()


@pytest.mark.parametrize(
    "query",
    ['"', "*", "a AND", "NEAR(a b)", "text:x", "^x", "- -", "') DROP TABLE words --", '" OR ""*'],
)
def test_the_language_of_queries_cannot_be_spoken(query: str) -> None:
    expression = match_expression(asked_words(query))
    assert set(expression) <= set('()"* ORAND') | set("abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("كتاب", "قرأت الكتاب"),
        ("الكتاب", "قرأت كتاباً"),
        ("كتاب", "وبالكتاب نبدأ، بالكتاب"),
        ("للكتاب", "كتابي"),
        ("الكِتَابُ", "والكتاب"),
        ("ألم", "أشعر بألم"),
        ("SUP", "Peer support"),
    ],
)
def test_a_word_is_found_with_and_without_what_is_written_before_it(asked: str, text: str) -> None:
    words = normalise_text(text).split()
    assert all(any(word.startswith(group) for word in words) for group in asked_words(asked))


@pytest.mark.parametrize("short", ["الم", "ال", "لل", "بال", "و"])
def test_a_short_word_is_not_taken_for_an_article(short: str) -> None:
    (group,) = asked_words(short)
    assert short in group
    assert all(len(word) >= min(3, len(short)) for word in group)


def test_a_long_query_costs_no_more_than_a_person_types() -> None:
    groups = asked_words(" ".join(f"w{n}" for n in range(10_000)) + "x" * 100_000)
    assert len(groups) <= MAX_QUERY_WORDS
    assert all(len(word) <= MAX_WORD_LENGTH + 3 for group in groups for word in group)


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=200))
def test_a_text_without_other_letters_is_cut_as_any_text_is(text):
    """It takes a shorter way; a letter beyond ASCII sends the same text the long way."""
    assert normalise_text(text + " é") == " ".join([*normalise_text(text).split(), "e"])


@pytest.mark.parametrize("digit", range(10))
def test_every_digit_and_folded_letter_has_one_form(digit):
    assert normalise_text(chr(0x0660 + digit)) == normalise_text(chr(0x06F0 + digit)) == str(digit)
    assert {normalise_text(letter) for letter in "ىیېي"} == {"ي"}
    assert {normalise_text(letter) for letter in "ةہھەه"} == {"ه"}
    assert {normalise_text(letter) for letter in "کڪك"} == {"ك"}
