"""What was said, as HTML: for the page of a circle, for what is put into it later, for a search.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import asdict, evolve

from toheal_p2p.app.interface import AppInterface, EntryView, MemberView
from toheal_p2p.locale.acts import act_sentence
from toheal_p2p.web.finding import called_apart, named_apart
from toheal_p2p.web.site import Site

ANSWERABLE: Final = frozenset({"text", "attachment"})
"""Kinds that can be answered, and that facilitators can be asked to look at."""


async def entries_as_html(
    site: Site,
    app: AppInterface,
    entries: Sequence[EntryView],
    *,
    can_answer: bool = False,
    is_again: bool = False,
    first_new: int | None = None,
) -> list[str]:
    """Return each entry as a list item.

    Args:
        can_answer: there is a place to write on the page.
        is_again: in the place of what the page shows of it.
        first_new: the position of the entry above which the page says that new ones begin.
    """
    choice = (await app.settings.get("content-notes")).value
    members: Sequence[MemberView] = ()
    if entries:
        members = called_apart(await app.circle_members(entries[0].circle))
    called = {one.id: one.name for one in members}
    made = []
    for entry in entries:
        act = None if entry.act is None else asdict(named_apart(entry.act, members))
        made.append(
            site.fill(
                "entry.html",
                entry=evolve(entry, author_name=called.get(entry.author, entry.author_name)),
                what="" if act is None else act_sentence(site.words, act),
                choice=choice,
                can_answer=can_answer and entry.kind in ANSWERABLE,
                is_again=is_again,
                is_first_new=entry.position == first_new,
            )
        )
    return made
