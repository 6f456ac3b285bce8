"""Templates into HTML: everything is escaped, what others wrote is cleaned as well.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import define, field
from jinja2 import Environment, PackageLoader, StrictUndefined

from toheal_p2p.app.names import SHORT_ID
from toheal_p2p.app.vocabulary import FILE_ENDINGS
from toheal_p2p.locale import Words
from toheal_p2p.locale.shown import Own, isolate, plain_line, plain_lines

EXCERPT: Final = 120
"""Characters of a message that are shown where it is spoken of."""


@define(eq=False)
class Renderer:
    """One environment per language."""

    _environments: dict[str, Environment] = field(factory=dict, init=False)

    def fill(self, template: str, words: Words, facts: Mapping[str, object]) -> str:
        """Fill one template."""
        environment = self._environments.get(words.language)
        if environment is None:
            environment = self._environments[words.language] = _environment(words)
        return environment.get_template(template).render(facts)


def _environment(words: Words) -> Environment:
    environment = Environment(
        loader=PackageLoader("toheal_p2p.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "name": plain_line,
        "body": _body,
        "short": _short,
        "excerpt": _excerpt,
    }
    functions: dict[str, Any] = {
        "t": words.text,
        "count": words.count,
        "word": words.word,
        "figures": words.figures,
        "clock": lambda seconds: clock(words, seconds),
        "names": lambda names: names_in(words, names),
        "notes": lambda notes: _notes(words, notes),
        "endings": FILE_ENDINGS,
        "language": words.language,
        "direction": "rtl" if words.language == "ar" else "ltr",
    }
    environment.globals |= functions
    return environment


def names_in(words: Words, names: Sequence[str]) -> Own:
    """Return several names as one part of a sentence."""
    isolated = (words.text("line.name", name=name) for name in names)
    return Own(words.text("line.comma").join(isolated))


def _notes(words: Words, notes: Sequence[str]) -> Own:
    return Own(words.text("line.comma").join(words.word("content_note", one) for one in notes))


def clock(words: Words, seconds: int) -> Own:
    """Return when something was, in the clock of this device: the day too, unless it is today."""
    try:
        then, today = time.localtime(seconds), time.localtime()
    except (OverflowError, ValueError, OSError):  # a time no clock shows
        return Own("")
    is_today = then[:3] == today[:3]
    shown = time.strftime("%H:%M" if is_today else "%Y\u2011%m\u2011%d\u00a0%H:%M", then)
    return Own(isolate(words.figures(shown)))  # beside Arabic a date would be turned around


def _body(text: str) -> str:
    return "\n".join(plain_lines(text))


def _excerpt(text: str) -> str:
    first = " ".join(plain_line(text).split())
    return first if len(first) <= EXCERPT else first[: EXCERPT - 1] + "…"


def _short(id_: str) -> str:
    return "".join(char for char in id_[:SHORT_ID] if char.isalnum())
