"""Words and names of strangers in every place where the page of a talk shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.web_client import a_page
from tests.web.test_entries import OTHER, SAID, page
from tests.web.test_page_talk import a_circle, talk
from toheal_p2p.app.interface import AttachmentView, QuoteView

pytestmark = [pytest.mark.real]

HOSTILE = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("<>&\"'`={}%\u202e\u2066\u2069\u200b\u200f\x00\x1b\u0430"),
    ),
    max_size=60,
)


@settings(max_examples=80, deadline=None)
@given(
    name=HOSTILE,
    text=HOSTILE,
    other=HOSTILE,
    notes=st.booleans(),
    kind=st.sampled_from(["text", "attachment", "request"]),
)
@pytest.mark.parametrize("medium", ["image/png", "audio/ogg"])
def test_names_and_words_of_others_make_no_element_and_turn_no_line(
    name: str, text: str, other: str, notes: bool, kind: str, medium: str
) -> None:
    entry = evolve(
        SAID,
        kind=kind,
        author_name=name,
        text=text,
        reply_to=OTHER,
        quote=QuoteView(other, text),
        passed_on_by=other,
        notes=("loss",) if notes else (),
        attachment=AttachmentView(medium, 10**9, "here", 100) if kind == "attachment" else None,
    )
    plain = evolve(
        entry,
        author_name="n",
        text="t" if text else "",
        quote=QuoteView("o", "t"),
        passed_on_by="o",
    )
    for choice in ("covered", "shown"):
        html = page(entry, choice=choice, can_answer=True)
        assert tags(html) == tags(page(plain, choice=choice, can_answer=True))
        for char in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u200b\x00\x1b":
            assert char not in html


def tags(html: str) -> list[str]:
    """Return the elements of a page and the names of their attributes."""
    found = re.findall(r"<(/?[a-z0-9]+)((?:\s+[\w:-]+(?:=\"[^\"]*\")?)*)\s*>", html)
    assert html.count("<") == len(found), html
    return [
        tag + ",".join(re.findall(r"([\w:-]+)(?==|\s|$)", re.sub(r'"[^"]*"', "", names)))
        for tag, names in found
    ]


@pytest.mark.trio
async def test_a_megabyte_of_a_stranger_is_shown_in_part_where_it_is_spoken_of(
    tmp_path: Path,
) -> None:
    async with a_page(tmp_path) as web:
        way = await a_circle(web)
        app = talk(web)
        app.add(way[8:], "\u202e<b>" * 250_000, author_name="S\u0430m" * 1000)
        long = app.entries[0].id
        for path in (f"/retract/{long}", f"/request/{long}"):
            shown = (await web.get(way + path)).text
            assert "<b>" not in shown and "\u202e" not in shown
            assert len(shown) < 60_000
        composer = (await web.post(f"{way}/compose", {"answer": long})).text
        assert len(composer) < 60_000 and "<b>" not in composer
