"""Helplines on a terminal. Loaded by the command that shows them only.

Docs: docs/helplines.md.
"""

from __future__ import annotations

import time

from toheal_p2p.care.helpline_words import age_of, hours_of, name_of
from toheal_p2p.care.helplines import Helpline, countries, helplines_in, may_have_changed
from toheal_p2p.cli.terminal import Terminal
from toheal_p2p.locale import Words
from toheal_p2p.locale.shown import Own


def show_helplines(terminal: Terminal, country: str, *, wants_more: bool, as_json: bool) -> None:
    """Print the lines of a country, or how to find one. A country we do not know is not refused."""
    found = helplines_in(country, on_request=wants_more)
    today = time.localtime()
    for line in found:
        is_old = may_have_changed(line, year=today.tm_year, month=today.tm_mon)
        if as_json:
            terminal.show_json(_as_json(terminal.words, line, is_old=is_old))
        else:
            terminal.show(_shown(terminal.words, line, is_old=is_old))
    if as_json:
        return
    if country not in countries():
        terminal.tell("help_now.which", countries=", ".join(countries()))
    if not found:
        terminal.tell("page_help.elsewhere")
    terminal.tell("page_help.also")
    terminal.note(terminal.words.text("page_help.nobody_phoned"))


def _shown(words: Words, line: Helpline, *, is_old: bool) -> str:
    number = line.dial
    if line.text:
        number = words.text("page_help.by_text", word=line.text, number=line.dial)
    about = Own(
        " · ".join(filter(None, (hours_of(words, line), age_of(words, line, is_old=is_old))))
    )
    return words.text("line.helpline", name=name_of(words, line), number=number, about=about)


def _as_json(words: Words, line: Helpline, *, is_old: bool) -> dict[str, object]:
    return {
        "country": line.country.lower(),
        "kind": line.kind,
        "name": name_of(words, line),
        "service": line.service,
        "dial": line.dial,
        "text": line.text,
        "hours": line.hours,
        "checked": line.checked,
        "may_have_changed": is_old,
    }
