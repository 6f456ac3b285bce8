"""Both languages are whole, equal and written for everybody; what strangers wrote is shown safely."""

from __future__ import annotations

import ast
import re
import string
import unicodedata
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.source import CLIENT, name_of, python_files, tree_of
from toheal_p2p.app import vocabulary
from toheal_p2p.app.refusals import CODES, FACTS, Fact, RefusalCode, Refused
from toheal_p2p.app.settings import SETTINGS
from toheal_p2p.care.helplines import all_helplines, countries
from toheal_p2p.locale import LANGUAGES, Language, catalogue_path, choose_language, load_words
from toheal_p2p.locale.catalogue import Entry, load_po, parse_po
from toheal_p2p.locale.shown import (
    FIRST_STRONG_ISOLATE,
    POP_ISOLATE,
    Own,
    isolate,
    plain_line,
    plain_lines,
)
from toheal_protocol.messages.bodies import CONTENT_NOTES

CHOICES = {one.name: one.choices for one in SETTINGS if one.choices} | {
    "content-notes": ("covered", "shown", "hidden")
}

FAMILIES = {
    "refused": CODES,
    "circle_state": vocabulary.CIRCLE_STATES,
    "role": vocabulary.ROLES,
    "attachment_state": vocabulary.ATTACHMENT_STATES,
    "delivery": vocabulary.DELIVERY_STATES,
    "link": vocabulary.LINK_KINDS,
    "relay_state": vocabulary.RELAY_STATES,
    "relay_use": vocabulary.RELAY_USES,
    "meeting_state": vocabulary.MEETING_STATES,
    "spoken_state": vocabulary.SPOKEN_STATES,
    "seat_state": vocabulary.SEAT_STATES,
    "talk_state": vocabulary.TALK_STATES,
    "share_state": vocabulary.SHARE_STATES,
    "content_note": vocabulary.CONTENT_NOTES,
    "check": vocabulary.CHECK_CODES,
    "entry": vocabulary.ENTRY_KINDS,
    "setting": vocabulary.SETTING_NAMES,
    "progress": vocabulary.PROGRESS_CODES,
    "act_state": vocabulary.ACT_STATES,
    "act_reason": vocabulary.ACT_REASONS,
    "country": countries(),
    "emergency": ("all", *sorted({line.service for line in all_helplines() if line.service})),
    "weekday": ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
    "page_settings": tuple(name + end for name in CHOICES for end in ("", "_hint")),
    **{f"choice.{name}": choices for name, choices in CHOICES.items()},
    "choice.country": ("none",),  # the others are countries
}
"""Keys that code puts together from a word of the application."""

PLURALS = {0: 0, 1: 1, 2: 2, 3: 3, 10: 3, 11: 4, 99: 4, 100: 5, 102: 5, 103: 3, 111: 4}
"""Number -> form, in GNU's order for Arabic."""

ADDRESSED_TO_A_MAN = frozenset(
    """
    اكتب ادخل أدخل اضغط انقر اختر افتح اغلق أغلق شغل أوقف استخدم استعمل احفظ حاول تأكد انتظر اطلب
    راجع غادر انضم اقرأ أضف احذف تذكر سجل ابدأ انسخ الصق أرسل اقبل ارفض اسمع شارك ابحث جرب عدل
    تابع أكمل اعرض اضبط اذهب ارجع عد أعد كرر قل تكتب تريد تستطيع تقدر تستخدم ترغب يمكنكم عزيزي
    صديقي أنت
    """.split()  # noqa: SIM905  # words, not a list of quotation marks
)
"""Imperatives, second persons and addresses that Arabic gives to one man."""

WORDS_OF_OTHER_PLACES = ("دائرة", "قرين", "بلاغ", "جلسة", "مجهول", "قائد", "مشرف", "خادم", "طرد")
"""Words the glossary avoids."""


def _entries(language: Language) -> dict[str, Entry]:
    with open(catalogue_path(language), encoding="utf-8") as file:
        return {entry["msgid"]: entry for entry in parse_po(file.read()) if entry["msgid"]}


def _forms(entry: Entry) -> list[str]:
    return [text for keyword, text in entry.items() if keyword.startswith("msgstr")]


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


ARABIC, ENGLISH = _entries("ar"), _entries("en")
IN_ENGLISH = load_words("en")


# ---- whole and equal


def _keys_in_code() -> set[str]:
    known = {key.partition(".")[0] for key in ENGLISH}
    found = {f"{family}.{word}" for family, words in FAMILIES.items() for word in words}
    for path in python_files(CLIENT):
        for node in ast.walk(tree_of(path)):
            match node:
                case ast.Call(func=ast.Attribute(attr="text" | "count" | "tell"), args=[first, *_]):
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        found.add(first.value)
                case ast.Constant(value=str(text)) if re.fullmatch(r"[a-z_]+\.[a-z_]+", text):
                    if text.partition(".")[0] in known and not text.endswith((".html", ".csv")):
                        found.add(text)
    for path in (CLIENT / "web" / "templates").iterdir():
        written = re.findall(r'"([a-z_]+\.[a-z_]+)"', path.read_text(encoding="utf-8"))
        found |= {text for text in written if text.partition(".")[0] in known - {"link"}}
    # the page says some refusals in words of its own
    return found | {key for key in ENGLISH if key.removeprefix("page_refused.") in CODES}


def test_every_key_of_the_code_is_in_both_catalogues_and_no_other() -> None:
    used = _keys_in_code()
    assert sorted(used ^ set(ENGLISH)) == []
    assert sorted(used ^ set(ARABIC)) == []


def test_a_key_comes_once_in_a_catalogue() -> None:
    for language in LANGUAGES:
        with open(catalogue_path(language), encoding="utf-8") as file:
            text = file.read()
        assert len(parse_po(text)) == len(_entries(language)) + 1
        assert "fuzzy" not in text


def test_a_sentence_is_there_in_both_languages_with_the_same_facts() -> None:
    wrong = []
    for key in ENGLISH:
        facts = _placeholders(_forms(ENGLISH[key])[-1])
        same = ("msgid_plural" in ARABIC[key]) == ("msgid_plural" in ENGLISH[key])
        for form in _forms(ARABIC[key]) + _forms(ENGLISH[key]):
            if not (same and form and _placeholders(form) in (facts, facts - {"number"})):
                wrong.append(key)
    assert wrong == []


def test_a_plural_has_as_many_forms_as_its_language() -> None:
    for entries, number in ((ARABIC, 6), (ENGLISH, 2)):
        plurals = [entry for entry in entries.values() if "msgid_plural" in entry]
        assert plurals
        assert {len(_forms(entry)) for entry in plurals} == {number}


@pytest.mark.parametrize("code", CODES)
def test_a_refusal_uses_the_facts_it_promises(code: RefusalCode) -> None:
    assert _placeholders(ENGLISH[f"refused.{code}"]["msgstr"]) == set(FACTS.get(code, ()))


def _refusals_in_code() -> Iterator[tuple[str, str, set[str | None]]]:
    for path in python_files(CLIENT):
        for node in ast.walk(tree_of(path)):
            match node:
                case ast.Call(
                    func=ast.Name(id="Refused"),
                    args=[ast.Constant(value=str(code))],
                    keywords=facts,
                ):
                    yield f"{name_of(path)}:{node.lineno}", code, {fact.arg for fact in facts}


def test_every_refusal_in_the_code_gives_its_facts() -> None:
    wrong = [
        (place, code)
        for place, code, facts in _refusals_in_code()
        if code not in CODES or not set(FACTS.get(code, ())) <= facts  # type: ignore[call-overload]
    ]
    assert wrong == []


def test_content_notes_are_those_of_the_protocol() -> None:
    assert get_args(vocabulary.ContentNote) == CONTENT_NOTES


@pytest.mark.parametrize(("number", "form"), PLURALS.items())
def test_arabic_numbers_choose_their_form(number: int, form: int) -> None:
    text = load_words("ar").count("count.members", number)
    assert text == ARABIC["count.members"][f"msgstr[{form}]"].format(number=number)


# ---- written for everybody


def _arabic_words(text: str) -> list[str]:
    bare = "".join(char for char in text if not unicodedata.category(char).startswith("M"))
    return re.findall(r"[\u0621-\u064a]+", bare)


def _speaks_to_one_man(text: str) -> bool:
    return bool(
        re.search(r"/\s?[\u0621-\u064a]", text) or ADDRESSED_TO_A_MAN & set(_arabic_words(text))
    )


def test_arabic_speaks_to_women_and_men() -> None:
    assert [key for key in ARABIC if any(map(_speaks_to_one_man, _forms(ARABIC[key])))] == []


def test_arabic_uses_the_words_of_the_glossary() -> None:
    avoided = [
        (key, word)
        for key in ARABIC
        for word in WORDS_OF_OTHER_PLACES
        if any(word in form for form in _forms(ARABIC[key]))
    ]
    assert avoided == []


@pytest.mark.parametrize("text", ["انضم/ت", "اسم عضو/ة", "اُكتُب الاسم", "هل تريد المتابعة؟"])
def test_the_lint_sees_what_it_is_there_for(text: str) -> None:
    assert _speaks_to_one_man(text)


def test_arabic_is_typed_as_arabic() -> None:
    foreign = re.compile(r"[\u0621-\u064a][,;?]|[\u0640\u0660-\u0669\ufb50-\ufeff]")
    wrong = [
        key
        for key in ARABIC
        for form in _forms(ARABIC[key])
        if foreign.search(form) or not unicodedata.is_normalized("NFC", form)
    ]
    assert wrong == []


NEVER_ON_THE_PAGE = re.compile(
    ".*_file|.*setting.*|proxy_malformed|not_(running|confirmed|supported_here)|passphrase_needed"
    "|connection_lost|other_version|ambiguous_name|relay_not_allowed|port_in_use|clock_doubtful|locked"
)
"""Refusals of what only commands do; `locked` is the page that asks for the passphrase."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_never_tells_anybody_to_type_a_command(language: Language) -> None:
    words = load_words(language)
    told = []
    for code in CODES:
        own = words.text(f"page_refused.{code}")
        shown = words.text(f"refused.{code}") if own == f"page_refused.{code}" else own
        if not NEVER_ON_THE_PAGE.fullmatch(code) and re.search(r"toheal [a-z-]|--[a-z]", shown):
            told.append(code)
    assert told == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_names_a_way_on(language: Language) -> None:
    """Two sentences, or one and a command: what happened, and what can be done."""
    entries = ARABIC if language == "ar" else ENGLISH
    short = [
        code for code in CODES if not re.search(r"[.:؛]\s", entries[f"refused.{code}"]["msgstr"])
    ]
    assert short == []


# ---- choosing and reading


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "ar_EG.UTF-8"}, "ar"),
        ({"LANG": "ar_EG.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_MESSAGES": "ar", "LANG": "en_GB"}, "ar"),
        ({"LANG": "ar", "TOHEAL_LANG": "en"}, "en"),
        ({"LANG": "fr", "TOHEAL_LANG": "xx"}, "en"),
    ],
)
def test_the_environment_chooses_the_language(environ: dict[str, str], language: str) -> None:
    assert choose_language(environ) == language


@pytest.mark.parametrize(
    "text", ['msgid "a', "msgid a", '"before anything"', 'msgctxt "x"', 'msgid "a" "b"']
)
def test_a_broken_catalogue_is_noticed(text: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        parse_po(text)


TEXT = st.text(st.characters(exclude_characters="\x00\r", exclude_categories=["Cs"]))


@given(key=TEXT.filter(bool), sentence=TEXT.filter(bool))
@example(key="a", sentence='"\\\n\t"')
def test_what_stands_in_a_catalogue_is_what_is_looked_up(key: str, sentence: str) -> None:
    def quoted(text: str) -> str:
        for char, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
            text = text.replace(char, escaped)
        return f'"{text}"'

    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n'
    lines = f'{header}# comment\n\nmsgid {quoted(key)}\nmsgstr ""\n{quoted(sentence)}\n'
    if len(lines.splitlines()) == 7:  # other line ends are for editors, not for catalogues
        assert load_po(lines).gettext(key) == sentence


# ---- words of strangers


@given(st.text())
@example("\u2069\u202e\x1b]0;x\x07\u2028\ud800")
def test_no_text_reaches_the_terminal_with_something_to_obey(text: str) -> None:
    for line in (plain_line(text), *plain_lines(text)):
        categories = {unicodedata.category(char) for char in line}
        assert not categories & {"Cc", "Cs", "Zl", "Zp"}
        assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
        line.encode()


@given(st.text())
def test_a_fact_stays_between_its_marks(fact: str) -> None:
    sentence = IN_ENGLISH.text("done.left", circle=fact)
    assert sentence.count(FIRST_STRONG_ISOLATE) == sentence.count(POP_ISOLATE) == 1
    assert sentence.startswith(f"Left the circle: {FIRST_STRONG_ISOLATE}")
    assert sentence.endswith(POP_ISOLATE)


def test_letters_that_languages_need_are_kept() -> None:
    kept = "مرحبًا می‌خواهم 👩‍👧 \u200f!\u200e \u061c"
    assert plain_line(kept) == kept
    assert plain_line("a\tb\r\nc") == "a b c"


def test_a_fact_cannot_open_a_placeholder() -> None:
    words = IN_ENGLISH
    assert isolate("{name}") in words.text("done.left", circle="{name}")
    assert words.text("done.left") == "Left the circle: …"
    assert words.text("done.left", circle=Own("evening")) == "Left the circle: evening"


def test_a_state_of_a_later_version_is_shown_as_it_is() -> None:
    words = IN_ENGLISH
    assert words.word("delivery", "at_relay") == "waiting at a relay"
    assert words.word("delivery", "teleported") == isolate("teleported")


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.text(), st.integers()), max_size=3))
def test_a_refusal_with_any_facts_has_a_sentence(facts: dict[str, Fact]) -> None:
    refused = Refused("circle_full", **facts)
    assert IN_ENGLISH.text(f"refused.{refused.code}", **refused.facts)
