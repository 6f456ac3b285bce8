"""What a helpline is called and when it answers, in a person's language.

Docs: docs/helplines.md.
"""

from __future__ import annotations

import re

from toheal_p2p.care.helplines import Helpline
from toheal_p2p.locale import Words
from toheal_p2p.locale.shown import Own

_DAY = re.compile(r"\b(Sun|Mon|Tue|Wed|Thu|Fri|Sat)\b")


def name_of(words: Words, line: Helpline) -> str:
    """Return a line's name; of an emergency number, what comes."""
    if line.kind == "emergency":
        return words.word("emergency", line.service or "all")
    return (words.language == "ar" and line.name_ar) or line.name_en


def hours_of(words: Words, line: Helpline) -> str:
    """Return when a line answers; the file says it in English."""
    if not line.hours:
        return ""
    if line.hours == "24/7":
        return words.text("page_help.always")
    text = _DAY.sub(lambda day: words.word("weekday", day[0].lower()), line.hours)
    return Own(text.replace("daily", words.text("page_help.daily")))


def age_of(words: Words, line: Helpline, *, is_old: bool) -> str:
    """Return what is known of how old a line is."""
    if not line.checked:
        return words.text("page_help.undated")
    said = words.text("page_help.checked", date=line.checked)
    return Own(f"{said} {words.text('page_help.old')}") if is_old else said
