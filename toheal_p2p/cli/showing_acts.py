"""What was done in a circle, as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from toheal_p2p.cli.local_client import Item
from toheal_p2p.cli.terminal import clock_time
from toheal_p2p.locale import Words
from toheal_p2p.locale.acts import act_sentence as act_sentence
from toheal_p2p.locale.shown import FIRST_STRONG_ISOLATE, POP_ISOLATE, Own, plain_line, plain_lines

SHORT_ID: Final = 12
"""Hex digits of an id in lines for people: enough to be the only one, short enough to type."""


def short(id_: str) -> Own:
    """Return the beginning of an id, as other commands take it."""
    return Own("".join(char for char in id_[:SHORT_ID] if char.isalnum()))


def entry_act_lines(words: Words, entry: Item, *, at: str) -> Iterator[str]:
    """Give one entry of a circle's log about something done there, or supported."""
    act = entry["act"]
    what, id_ = act_sentence(words, act), short(act["id"])
    if entry["kind"] == "second":
        name = entry["author_name"]
        yield words.text("entry.second", name=name, at=at, what=what, id=id_)
        return
    state = words.word("act_state", act["state"])
    yield words.text("entry.act", what=what, at=at, state=state, id=id_)
    yield from _reason_lines(words, act)


def act_lines(words: Words, act: Item) -> Iterator[str]:
    """Give what was done and what became of it, then why, and for whom it waits."""
    state = words.word("act_state", act["state"])
    yield words.text("line.act", what=act_sentence(words, act), state=state, id=short(act["id"]))
    yield from _reason_lines(words, act)
    if act["seen_at"] is not None:
        yield "    " + words.text("line.act_seen", at=clock_time(act["seen_at"], words))
    if act["returns_until"] is not None:
        until = clock_time(act["returns_until"], words)
        yield "    " + words.text("line.act_returns", until=until)
    if act["until"] is not None:
        yield "    " + words.text("line.act_until", until=clock_time(act["until"], words))
    if len(act["supporters"]) > 1:
        yield "    " + words.text("line.supporters", names=_names(words, act["supporters"]))
    if act["state"] == "waits":
        yield from _waiting_lines(words, act)


def charter_lines(words: Words, charter: Item) -> Iterator[str]:
    """Give the charter in force, and who said yes to it and who did not yet."""
    yield words.text("line.charter_begins")
    for line in plain_lines(charter["text"]) if charter["text"] else ():
        yield f"    {FIRST_STRONG_ISOLATE}{line}{POP_ISOLATE}"
    if charter["accepted"]:
        yield words.text("line.charter_accepted", names=_names(words, charter["accepted"]))
    if charter["open"]:
        yield words.text("line.charter_open", names=_names(words, charter["open"]))


def _reason_lines(words: Words, act: Item) -> Iterator[str]:
    if act["reason"] is not None:
        yield "    " + words.text("line.reason", reason=words.word("act_reason", act["reason"]))
    for line in plain_lines(act["text"]) if act["text"] else ():
        yield f"    {FIRST_STRONG_ISOLATE}{line}{POP_ISOLATE}"


def _waiting_lines(words: Words, act: Item) -> Iterator[str]:
    if act["waiting_for"]:
        names = _names(words, act["waiting_for"])
        yield "    " + words.text("line.waits_for", names=names)
    members = words.count("count.members", act["members"])
    if act["facilitators"]:
        facilitators = words.count("count.facilitators", act["facilitators"])
        yield "    " + words.text("line.enough", facilitators=facilitators, members=members)
    else:
        yield "    " + words.text("line.enough_members", members=members)


def _names(words: Words, names: list[str]) -> Own:
    isolated = (f"{FIRST_STRONG_ISOLATE}{plain_line(name)}{POP_ISOLATE}" for name in names)
    return Own(words.text("line.comma").join(isolated))
