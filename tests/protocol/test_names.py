"""Names: what nobody can see is taken out, what people write stays."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import UnusableName, clean_name
from toheal_protocol.identity.names import MAX_MARKS_IN_A_ROW
from toheal_protocol.model import MAX_NAME_LENGTH

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e\ufe0f\U000e0100"
FILLERS = "\u115f\u1160\u3164\uffa0\u2800"
TAGS = "".join(map(chr, range(0xE0020, 0xE0080)))
CONTROLS = "\x00\x07\x1b\x7f\x9b"
HOSTILE = BIDI + ZERO_WIDTH + FILLERS + TAGS + CONTROLS + "\ue000\U0010fffd\ud800\U000e0001\u0378"

any_text = st.text(st.characters(), max_size=80)
"""Every code point, half surrogate pairs included."""

nasty_text = st.text(
    st.one_of(
        st.sampled_from(HOSTILE + " \t\n\u3000\u0300\u0301\u0651\u064e\u20dd\u0345\u1100\u1161"),
        st.characters(),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    "name",
    [
        "نورس",
        "Nawras",
        "أم ليلى",
        "José",
        "Zoë",
        "李雷",
        "काव्या",
        "ليلى ٢",
        "O'Neill-Smith",
        "🌱 sprout",
    ],
)
def test_what_people_call_themselves_stays(name: str) -> None:
    assert clean_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("sign", HOSTILE, ids=[f"U+{ord(sign):04X}" for sign in HOSTILE])
def test_a_sign_nobody_sees_is_taken_out(sign: str) -> None:
    assert clean_name(f"{sign}نو{sign}رس{sign}") == "نورس"
    with pytest.raises(UnusableName):
        clean_name(sign * 3)


def test_a_name_cannot_turn_the_line_around() -> None:
    assert clean_name("admin \u202egnp.exe") == "admin gnp.exe"


def test_two_spellings_of_one_name_become_one() -> None:
    assert clean_name("Jose\u0301") == clean_name("José")
    assert clean_name("e\u200d\u0301") == clean_name("é")


def test_space_of_every_kind_becomes_one_space() -> None:
    assert clean_name("  a \t\n\u00a0\u2003\u3000 b\u2028") == "a b"


def test_marks_do_not_climb_over_other_lines() -> None:
    assert clean_name("a" + "\u0335" * 40 + "b") == "a" + "\u0335" * MAX_MARKS_IN_A_ROW + "b"


def test_marks_that_stand_on_nothing_are_dropped() -> None:
    assert clean_name("\u0335\u0335 \u0335a \u20dd b") == "a b"


def test_arabic_vowel_signs_stay() -> None:
    assert clean_name("مُحَمَّد") == unicodedata.normalize("NFC", "مُحَمَّد")


@pytest.mark.parametrize("name", ["", " ", "\n", "\u200b", "\u0301", "\u3164 \u2800", "x" * 49])
def test_nothing_and_too_much_are_no_names(name: str) -> None:
    with pytest.raises(UnusableName):
        clean_name(name)


def test_ten_thousand_characters_are_no_name() -> None:
    for flood in ("a" * 10_000, "\u200b" * 10_000, " " * 9_999 + "a", "a" + "\u0301" * 9_999):
        with pytest.raises(UnusableName):
            clean_name(flood)


def test_the_longest_name_is_counted_after_cleaning() -> None:
    assert clean_name("\u200b" + "س" * MAX_NAME_LENGTH + "\u200b") == "س" * MAX_NAME_LENGTH


def test_an_unusable_name_is_a_remote_error() -> None:
    assert issubclass(UnusableName, RemoteError)


def cleaned(text: str) -> str | None:
    try:
        return clean_name(text)
    except UnusableName:
        return None


@given(st.one_of(any_text, nasty_text))
@settings(max_examples=300)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    name = cleaned(text)
    if name is not None:
        assert clean_name(name) == name


@given(st.one_of(any_text, nasty_text))
@settings(max_examples=300)
def test_a_clean_name_is_one_short_line_of_visible_signs(text: str) -> None:
    name = cleaned(text)
    if name is None:
        return
    assert 1 <= len(name) <= MAX_NAME_LENGTH
    assert name == unicodedata.normalize("NFC", name)
    assert name == " ".join(name.split(" ")).strip()
    assert "  " not in name
    assert not {unicodedata.category(sign) for sign in name} & {"Cc", "Cf", "Cs", "Co", "Cn"}
    assert not {unicodedata.category(sign) for sign in name} & {"Zl", "Zp"}
    assert not set(name) & set(HOSTILE)
    assert not unicodedata.category(name[0]).startswith("M")
    name.encode("utf-8")


@given(st.text(st.sampled_from("a\u0301\u0335\u20dd \u064e\u0651"), max_size=48))
@settings(max_examples=200)
def test_no_letter_carries_more_marks_than_the_limit(text: str) -> None:
    name, row = cleaned(text) or "", 0
    for sign in name:
        row = row + 1 if unicodedata.category(sign).startswith("M") else 0
        assert row <= MAX_MARKS_IN_A_ROW


@given(nasty_text, st.sampled_from(BIDI + ZERO_WIDTH), st.integers(0, 60))
@settings(max_examples=200)
def test_an_invisible_sign_anywhere_makes_no_other_name(text: str, sign: str, at: int) -> None:
    assert cleaned(text[:at] + sign + text[at:]) == cleaned(text)
