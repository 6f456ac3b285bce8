"""The words of spoken codes, and how a code is read however somebody types it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocol.test_identity_words import (
    HARMLESS_ARABIC,
    HARMLESS_ENGLISH,
    HURTFUL_ARABIC,
    HURTFUL_ENGLISH,
    begins_like,
)
from tests.support.entropy import ReplayedEntropy, SeededEntropy
from toheal_protocol.errors import RemoteError
from toheal_protocol.identity import (
    NoSpokenCode,
    SpokenCode,
    WordNotFound,
    draw_spoken_code,
    find_spoken_word,
    fold_spoken,
    parse_spoken_code,
)
from toheal_protocol.identity.spoken_words import SPOKEN_LISTS
from toheal_protocol.identity.words import PREFIX_LENGTH

LANGUAGES = ("ar", "en")
lists = pytest.mark.parametrize("language", LANGUAGES)

# Letters that dialects say alike, so that one who listens may write the other.
SOUNDS_ALIKE = str.maketrans("ثصذظضطقحغ", "سسززدتكهخ")

MORE_HURTFUL_ENGLISH = """
alcohol abuse bullet cancer coffin crime famine gambl grandm grandp gravest injury lawsuit mourn
parent politic president religion surgeon tomb toilet underwear widow wreck
"""

MORE_HURTFUL_ARABIC = (
    "رشاش درع شظية لغم كمين مخيم ضحية إعدام قنبلة سرطان مأتم عزاء طائفة انتخاب زعيم"
)

HOMOPHONES = """
flour flower|sail sale|mail male|tale tail|plain plane|root route|reed read|week weak|red read|
one won|eight ate|blue blew|wood would|dew due do|rye wry|thyme time|pier peer|pole poll|maze maize|
lynx links|mussel muscle|kernel colonel|cymbal symbol|cereal serial|sauce source|peak peek|son sun
"""


def folded(language) -> list[str]:
    return [fold_spoken(word) for word in SPOKEN_LISTS[language]]


def without_one_letter(word: str) -> Iterator[str]:
    yield word
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]


@lists
def test_a_list_has_1024_different_words(language) -> None:
    assert len(SPOKEN_LISTS[language]) == 1024
    assert len(set(folded(language))) == 1024


@lists
def test_four_letters_tell_every_word(language) -> None:
    beginnings = Counter(word[:PREFIX_LENGTH] for word in folded(language))
    assert [beginning for beginning, count in beginnings.items() if count > 1] == []
    assert [(a, b) for a, b in pairwise(sorted(folded(language))) if b.startswith(a)] == []


@lists
def test_one_wrong_letter_makes_no_other_word(language) -> None:
    """Two words one insertion, omission or change apart share a form with one letter left out."""
    forms: dict[str, set[str]] = defaultdict(set)
    for word in folded(language):
        for form in without_one_letter(word):
            forms[form].add(word)
    near = {pair for pair in map(frozenset, forms.values()) if len(pair) > 1}
    assert [sorted(pair) for pair in near if any(map(are_near, *pairs_of(pair)))] == []


def pairs_of(words: frozenset[str]) -> tuple[list[str], list[str]]:
    listed = sorted(words)
    pairs = [(a, b) for at, a in enumerate(listed) for b in listed[at + 1 :]]
    return [a for a, _ in pairs], [b for _, b in pairs]


def are_near(a: str, b: str) -> bool:
    """Say whether one letter added, left out or changed makes one of the other."""
    if len(a) == len(b):
        return sum(x != y for x, y in zip(a, b, strict=True)) <= 1
    short, long = sorted((a, b), key=len)
    return len(long) - len(short) == 1 and short in set(without_one_letter(long))


def test_the_measure_of_nearness_sees_what_it_is_there_for() -> None:
    assert are_near("moon", "noon")
    assert are_near("cat", "coat")
    assert not are_near("moon", "soap")
    assert not are_near("flour", "flower")


def test_arabic_words_stay_different_in_a_dialect() -> None:
    heard = Counter(word.translate(SOUNDS_ALIKE) for word in folded("ar"))
    assert [word for word, count in heard.items() if count > 1] == []


def test_no_english_word_sounds_like_a_common_other_one() -> None:
    words = set(SPOKEN_LISTS["en"])
    for group in re.sub(r"\s*\n\s*", "", HOMOPHONES).split("|"):
        assert len(words & set(group.split())) <= 1


def test_arabic_words_have_no_hamza_that_is_written_in_two_ways() -> None:
    letters = {chr(code) for code in range(0x0621, 0x064B)} - set("ءؤئ\u0640")
    assert [word for word in SPOKEN_LISTS["ar"] if not set(word) <= letters] == []
    assert [word for word in SPOKEN_LISTS["ar"] if not 3 <= len(word) <= 10] == []
    assert [word for word in SPOKEN_LISTS["ar"] if word.startswith("ال")] == []


def test_english_words_are_three_to_twelve_small_letters() -> None:
    words = SPOKEN_LISTS["en"]
    assert [word for word in words if not re.fullmatch("[a-z]{3,12}", word)] == []


@pytest.mark.parametrize(
    ("language", "roots", "harmless"),
    [
        ("en", HURTFUL_ENGLISH + MORE_HURTFUL_ENGLISH, HARMLESS_ENGLISH),
        ("ar", HURTFUL_ARABIC + MORE_HURTFUL_ARABIC, HARMLESS_ARABIC),
    ],
)
def test_no_word_hurts(language, roots: str, harmless: str) -> None:
    words = SPOKEN_LISTS[language]
    found = {word for word in words if any(begins_like(word, root) for root in roots.split())}
    assert sorted(found - set(harmless.split())) == []


# ---- reading


@pytest.mark.parametrize(
    "typed",
    [
        "7421 lantern giraffe marble",
        "  7421   LANTERN giraffe\tMarble\n",
        "7421, lantern, giraffe, marble.",
        "7421-lantern-giraffe-marble",
        "7421lantern giraffe marble",
        "74 21 lantern giraffe marble",
        "lantern giraffe marble 7421",
        "lant gira marb 7421",
        "٧٤٢١ lantern giraffe marble",
        "۷۴۲۱ lantern giraffe marble",
        "\u2068lantern\u2069 giraffe marble \u200e7421\u200e",
        "'7421 lantern giraffe marble'",
        "ｌａｎｔｅｒｎ giraffe marble 7421",
    ],
)
def test_a_code_is_read_however_it_is_typed(typed: str) -> None:
    assert str(parse_spoken_code(typed)) == "7421 lantern giraffe marble"


@pytest.mark.parametrize(
    "typed",
    [
        "7421 فانوس زرافة رخام",
        "٧٤٢١، فانوس، زرافه، رخام",
        "فانوس - زَرَافَة - رُخَام ٧٤٢١",
        "۷۴۲۱ فانـــوس زرافة رخام",
        "7421 فان\u200cوس زرافة رخام",
        "فانوس زراف رخام 7421",
    ],
)
def test_an_arabic_code_is_read_however_it_is_typed(typed: str) -> None:
    assert str(parse_spoken_code(typed)) == "7421 فانوس زرافة رخام"


@pytest.mark.parametrize(
    ("written", "folded"),
    [("شاطئ", "شاطي"), ("لؤلؤ", "لولو"), ("سماء", "سما"), ("کتاب", "كتاب"), ("إطار", "اطار")],
)
def test_every_hamza_and_persian_letter_is_folded(written: str, folded: str) -> None:
    assert fold_spoken(written) == folded


def _typed(draw, code: SpokenCode) -> str:
    """Write a code as somebody might: with other digits, separators, capitals, marks and order."""
    number, *words = str(code).split()
    digits = draw(st.sampled_from(["0123456789", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹"]))
    number = "".join(digits[int(digit)] for digit in number)
    mark = draw(st.sampled_from(["", "\u064e", "\u0651", "\u0640", "\u200f"]))
    if code.language == "ar":
        words = [word[:2] + mark + word[2:] for word in words]
        words = [word.replace("أ", draw(st.sampled_from("أاآإ"))) for word in words]
        words = [re.sub("ة$", draw(st.sampled_from("ةه")), word) for word in words]
        words = [re.sub("ى$", draw(st.sampled_from("ىي")), word) for word in words]
    else:
        words = [draw(st.sampled_from([str.upper, str.lower, str.title]))(word) for word in words]
    words = [word if len(word) < 6 else word[: draw(st.integers(5, len(word)))] for word in words]
    separator = draw(st.sampled_from([" ", "  ", ", ", "، ", " - ", "\n", ". ", "\u00a0"]))
    parts = [number, *words] if draw(st.booleans()) else [*words, number]
    return separator.join(parts)


@st.composite
def typed_codes(draw) -> tuple[SpokenCode, str]:
    positions = tuple(draw(st.integers(0, 1023)) for _ in range(3))
    code = SpokenCode(
        str(draw(st.integers(1000, 9999))), draw(st.sampled_from(LANGUAGES)), positions
    )
    return code, _typed(draw, code)


@given(typed_codes())
@settings(max_examples=300, deadline=None)
def test_any_code_typed_in_any_usual_way_is_that_code(case: tuple[SpokenCode, str]) -> None:
    code, typed = case
    assert parse_spoken_code(typed) == code


@given(st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_code_or_a_remote_error(text: str) -> None:
    try:
        code = parse_spoken_code(text)
    except RemoteError:
        return
    assert parse_spoken_code(str(code)) == code


@given(st.text(max_size=30))
@settings(max_examples=200)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold_spoken(fold_spoken(text)) == fold_spoken(text)


@lists
def test_every_word_is_found_by_itself_and_by_four_letters(language) -> None:
    for at, word in enumerate(folded(language)):
        assert find_spoken_word(word, language=language) == at
        assert find_spoken_word(word[:PREFIX_LENGTH], language=language) == at


@pytest.mark.parametrize(
    ("typed", "language", "suggestion"),
    [
        ("lantren", "en", "lantern"),
        ("girafe", "en", "giraffe"),
        ("marbel", "en", "marble"),
        ("zzzzzz", "en", ""),
        ("فنوس", "ar", "فانوس"),
        ("زرفة", "ar", "زرافة"),
        ("lan", "en", ""),
    ],
)
def test_a_word_that_is_in_no_list_is_named_and_another_suggested(
    typed: str, language, suggestion: str
) -> None:
    with pytest.raises(WordNotFound) as missing:
        find_spoken_word(typed, language=language)
    assert missing.value.typed == typed
    assert missing.value.suggestion == suggestion
    assert typed not in str(missing.value)


def test_nothing_is_corrected_silently() -> None:
    """A right beginning with a wrong end is asked about: guessing would burn a try."""
    for typed in ("lanternfish", "lantxxx", "giraffes"):
        with pytest.raises(WordNotFound):
            parse_spoken_code(f"7421 {typed} giraffe marble")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "7421",
        "742 lantern giraffe marble",
        "74210 lantern giraffe marble",
        "7421 lantern giraffe",
        "7421 lantern giraffe marble zebra",
        "lantern giraffe marble",
        "7421 " + "lantern " * 200,
        "toheal:1:relay",
    ],
)
def test_what_is_no_code_is_refused(typed: str) -> None:
    with pytest.raises(NoSpokenCode):
        parse_spoken_code(typed)


def test_words_of_two_languages_are_no_code() -> None:
    with pytest.raises(WordNotFound):
        parse_spoken_code("7421 lantern giraffe رخام")


# ---- drawing


def test_a_code_is_drawn_from_all_numbers_and_all_words() -> None:
    lowest = draw_spoken_code(ReplayedEntropy([bytes(4), bytes(4)]), language="en")
    assert (lowest.nameplate, lowest.positions) == ("1000", (0, 0, 0))
    last = (8999).to_bytes(4, "big")
    highest = draw_spoken_code(ReplayedEntropy([last, b"\xff" * 4]), language="ar")
    assert (highest.nameplate, highest.positions) == ("9999", (1023, 1023, 1023))


def test_each_bit_of_30_decides_about_a_word() -> None:
    codes = {
        draw_spoken_code(
            ReplayedEntropy([bytes(4), (1 << bit).to_bytes(4, "big")]), language="en"
        ).positions
        for bit in range(30)
    }
    assert len(codes) == 30


@given(st.integers(0, 10**6), st.sampled_from(LANGUAGES))
@settings(max_examples=50)
def test_a_drawn_code_is_read_back(seed: int, language) -> None:
    code = draw_spoken_code(SeededEntropy(seed), language=language)
    assert parse_spoken_code(str(code)) == code
    assert len(code.secret) == 8


def test_a_code_shows_its_words_to_nobody_who_prints_it_by_mistake() -> None:
    code = parse_spoken_code("7421 lantern giraffe marble")
    assert "lantern" not in repr(code)
    assert str(code.positions) not in repr(code)
