"""The safety words: two lists that can be read aloud, and what a pair of members reads."""

from __future__ import annotations

import unicodedata
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.personas import person
from toheal_protocol.errors import LocalError, RemoteError
from toheal_protocol.identity import (
    UnknownWord,
    find_word,
    fold_word,
    safety_positions,
    safety_words,
)
from toheal_protocol.identity.words import PREFIX_LENGTH, WORD_LISTS
from toheal_protocol.identity.words_arabic import ARABIC
from toheal_protocol.identity.words_english import ENGLISH
from toheal_protocol.model import MemberId

CHEAP = 8 * 1024
"""Bytes of memory for Argon2id where a test does not need the real price."""

OURS = person(1).member_id
THEIRS = person(2).member_id

# What hurts, as beginnings: no word of a list may begin like one of these.
HURTFUL_ENGLISH = """
abort abus addict agony alcohol alone anger army arrest arrow ash assault axe baby battle beard
beat beer belly belt betray bishop bite blade bleed blind blood body bomb bone bottom brain breast
brother bruise bullet burn bury cage camp cancer casket cemet chain chest child christ church cigar
cliff clinic cloth clot coffin coma combat corpse cross crucif cruel cry curse cut dad dagger damn
dark daughter dead deaf death debt defeat demon depress despair devil diet disease divorce doctor
dog donkey drown drug dumb dying enemy evil exile face fail family fat father fear fever fight fire
flee flesh flood foot foreign fracture fugitive funeral ghost god grave grief grudge gun hand hang
hate head heart hell heroin homeless hospital hunger hurt husband idiot idol ill imam infan injur
insan insult iraq islam israel jail jew kidnap kidney kill king knife knot lash leg liar lion
lone lose loss lunatic mad mafia mass mecca medic migra military mirror miscarr misery missile
mock monkey monster mosque mother mourn mouth murder muslim naked narcis needle nerve noose nude
nurse obese opium orphan overdose pain panic party patient pig pill pistol plague poison police
pope pray pregnan priest prison pulse punish queen quran rabbi rage rape rat razor refug regret
religi revolt rifle rocket roof rope rot ruin sad saint scale scar scold scream sex shame shell
shoot sick sin sister skin skull slap slave slim smoke snake sob soldier son sorrow soul spider
stab starv steal stomach strang stress stupid suffer suicid surger sword syria syringe tablet tank
tears temple tent terror thief thin threat throat thunder tooth torment torture tower toxic trauma
trench tumor ugly uncle ulcer victim violen virus vodka vomit war weak weapon weed weep weigh whip
whore widow wife wine womb wound wrath wreck xanax
"""

HURTFUL_ARABIC = """
أب أخت أرمل أسد أسير إثم إجهاض إدمان إرهاب إله ألم أم انتحار إعاق أفيون إمام بارود بشع بكاء بندق
بوليس بيرة تعذيب تابوت تيس ثكل جثة جحيم جرح جريح جريم جسد جنازة جندي جنون جهاد جوع جيش حبل حداد
حرب حرق حرمان حزن حزب حشيش حقد حقن حمار حية خائن خراب خسار خطيئ خمر خنجر خنزير خنق خوف خيمة دم
دبابة دفن دواء ذبح ذل ذنب رئيس رصاص رضيع رعب رعد رعشة روح ريجيم زنا زوج زنزانة سجن سحر سرطان
سكر سكين سلاح سم سمين سمنة سياس سيجار سيف شتم شرطة شلل شيطان شهيد صاروخ صدم صراخ صرع صفع صلاة
صليب صنم ضرب ضحي ضغط طفل طلاق طعن ظلم ظهر عار عبد عدو عذاب عذر عزل عسكر عظم عقاب عقرب عقم عمى
عنف عيد غربة غرق غضب غم غول فأس فخ فرعون فشل فقد فقر قبر قتل قتيل قرد قذيف قرآن قسيس قصف قلب قلق
قمع قنبل قنص كآبة كابوس كبد كذب كسر كفر كفن كلب كلى كنيس لاجئ لعن لص ليل مأساة ماتم مخدر مدفع
مذنب مرض مريض مسجد مسدس مسيح مشفى مشنق مصحف مصيب معركة معبد معدة ملك ملجأ منفى مهجور موت موس ميت
مئذن نازح نبي نحيف ندب نزيف نصراني نعش نفي نكب نكس نواح هجر هزيم هلاك وباء وثن وجع وحش وحيد وزن
وطن وهم يأس يتيم يهود حامل إعدام اغتصاب اكتئاب اعتقال احتلال استشهاد قنديد وسواس نيك كس زب طيز عاهر
قحب شرموط خول عرص
"""

# Whole words of the lists that begin like a hurtful one and say something else.
HARMLESS_ENGLISH = """
crystal firefly foothill handle hanger headset hello jewel paint pigment pillow rabbit ratio saddle
scarf singing sink sonata song stable warm
"""

HARMLESS_ARABIC = "ألمنيوم ألماس عميق غولف ياسمين ليلك موسيقى موسلين فقرة"


def begins_like(word: str, root: str) -> bool:
    """Two letters begin too many words: such a root counts as a whole word only."""
    word, root = fold_word(word), fold_word(root)
    return word == root if len(root) < 3 else word.startswith(root)


@pytest.mark.parametrize("words", [ENGLISH, ARABIC], ids=["en", "ar"])
def test_a_list_has_1024_different_words(words: tuple[str, ...]) -> None:
    assert len(words) == 1024
    assert not [word for word, count in Counter(map(fold_word, words)).items() if count > 1]


@pytest.mark.parametrize("words", [ENGLISH, ARABIC], ids=["en", "ar"])
def test_four_letters_tell_every_word(words: tuple[str, ...]) -> None:
    beginnings = Counter(fold_word(word)[:PREFIX_LENGTH] for word in words)
    assert not [beginning for beginning, count in beginnings.items() if count > 1]


@pytest.mark.parametrize("words", [ENGLISH, ARABIC], ids=["en", "ar"])
def test_no_word_is_the_beginning_of_another(words: tuple[str, ...]) -> None:
    folded = sorted(map(fold_word, words))
    assert not [(short, long) for short, long in pairwise(folded) if long.startswith(short)]


def test_english_words_are_three_to_twelve_small_letters() -> None:
    assert not [
        word
        for word in ENGLISH
        if not (3 <= len(word) <= 12 and word.isascii() and word.isalpha() and word.islower())
    ]
    assert list(ENGLISH) == sorted(ENGLISH)


def test_arabic_words_are_three_to_nine_arabic_letters_without_marks() -> None:
    letters = {chr(code) for code in range(0x0621, 0x064B)} - {"\u0640"}
    assert not [word for word in ARABIC if not (3 <= len(word) <= 9 and set(word) <= letters)]
    assert not [word for word in ARABIC if unicodedata.normalize("NFC", word) != word]


def test_arabic_words_stand_without_the_article() -> None:
    assert not [word for word in ARABIC if word.startswith("ال") and word not in {"الماس"}]


@pytest.mark.parametrize(
    ("words", "roots", "harmless"),
    [
        (ENGLISH, HURTFUL_ENGLISH, HARMLESS_ENGLISH),
        (ARABIC, HURTFUL_ARABIC, HARMLESS_ARABIC),
    ],
    ids=["en", "ar"],
)
def test_no_word_hurts(words: tuple[str, ...], roots: str, harmless: str) -> None:
    found = [word for word in words if any(begins_like(word, root) for root in roots.split())]
    assert sorted(found) == sorted(harmless.split())


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Apple ", "apple"),
        ("إِبْرِيق", "ابريق"),
        ("كــتــاب", "كتاب"),
        ("أرنب", "ارنب"),
        ("آنية", "انيه"),
        ("ا\u0653نية", "انيه"),
        ("مقهى", "مقهي"),
        ("شجرة", "شجره"),
        ("ﻛﺘﺎﺏ", "كتاب"),
    ],
)
def test_folding_takes_away_what_people_write_differently(written: str, folded: str) -> None:
    assert fold_word(written) == folded


@given(st.text(max_size=30))
@settings(max_examples=200)
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold_word(fold_word(text)) == fold_word(text)


@pytest.mark.parametrize("language", ["ar", "en"])
def test_every_word_is_found_by_itself_and_by_four_letters(language) -> None:
    for at, word in enumerate(WORD_LISTS[language]):
        assert find_word(word, language=language) == at
        assert find_word(fold_word(word)[:PREFIX_LENGTH], language=language) == at


def test_a_word_is_found_however_it_is_written() -> None:
    expected = ARABIC.index("مقهى")
    for written in ("مقهي", "مَقْهَى", "مقـهى", "مقهى"):
        assert find_word(written, language="ar") == expected


@pytest.mark.parametrize("typed", ["", "a", "zzzz", "كت", "a" * 1000, "\x00", "app"])
def test_what_is_no_word_is_refused(typed: str) -> None:
    for language in ("ar", "en"):
        with pytest.raises(UnknownWord):
            find_word(typed, language=language)


@given(st.text(max_size=80), st.sampled_from(["ar", "en"]))
@settings(max_examples=100)
def test_any_text_is_a_word_or_a_remote_error(text: str, language) -> None:
    try:
        assert 0 <= find_word(text, language=language) < 1024
    except RemoteError:
        pass


def test_both_sides_read_the_same_words() -> None:
    ours = safety_words(OURS, THEIRS, language="ar", memory=CHEAP)
    assert ours == safety_words(THEIRS, OURS, language="ar", memory=CHEAP)
    assert len(ours) == 8


def test_one_may_read_arabic_and_the_other_english() -> None:
    positions = safety_positions(OURS, THEIRS, memory=CHEAP)
    arabic = safety_words(OURS, THEIRS, language="ar", memory=CHEAP)
    english = safety_words(OURS, THEIRS, language="en", memory=CHEAP)
    assert arabic == tuple(ARABIC[at] for at in positions)
    assert english == tuple(ENGLISH[at] for at in positions)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 255))
@settings(max_examples=30)
def test_another_member_gives_other_words(theirs: bytes, bit: int) -> None:
    other = bytearray(theirs)
    other[bit // 8] ^= 1 << bit % 8
    if OURS in (theirs, bytes(other)):
        return
    first = safety_positions(OURS, MemberId(theirs), memory=CHEAP)
    second = safety_positions(OURS, MemberId(bytes(other)), memory=CHEAP)
    assert first != second
    assert all(0 <= at < 1024 for at in first + second)


def test_the_price_is_part_of_the_words() -> None:
    cheap = safety_positions(OURS, THEIRS, memory=CHEAP)
    assert cheap != safety_positions(OURS, THEIRS, memory=2 * CHEAP)


def test_nobody_compares_words_with_themselves() -> None:
    with pytest.raises(LocalError):
        safety_words(OURS, OURS, language="en", memory=CHEAP)
    with pytest.raises(LocalError):
        safety_words(OURS, MemberId(THEIRS[:31]), language="en", memory=CHEAP)
