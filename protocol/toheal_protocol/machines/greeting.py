"""Greeting: telling the others that we are here, one after the other where there are several.

Spec: docs/protocol/circle.md, sections 8.2 and 10.
"""

from __future__ import annotations

from toheal_protocol.machines import comparing, spreading
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.ledgers import members, our_view
from toheal_protocol.machines.pair import pass_note
from toheal_protocol.machines.state import Stage, Standing
from toheal_protocol.messages.notes import Here
from toheal_protocol.model import MemberId


def say_here(draft: Draft, member: MemberId, *, is_reply: bool) -> None:
    """Tell a peer that we are here. It answers once, and links may follow.

    Who is out, or was not let in, says nothing any more, and to them nothing is said.
    """
    if draft.cold.stage not in (Stage.ACTIVE, Stage.KNOCKING):
        return
    if draft.peer(member).standing is Standing.GONE:
        return
    is_member = draft.peer(member).standing is Standing.MEMBER
    digest = comparing.digest_for(draft, member)
    here = Here(is_reply, digest, view=our_view(draft) if is_member else ())
    if pass_note(draft, member, here):
        if not draft.courier(member).is_greeted:
            draft.change_courier(member, is_greeted=True)
        comparing.note_said(draft, member, digest)


def greet_in_turn(draft: Draft, member: MemberId) -> None:
    """Say to a peer that we are here: now, or a moment later where several are told."""
    at = spreading.greet_at(draft, member)
    if at > draft.now:
        draft.change_courier(member, here_at=at)
    else:
        say_here(draft, member, is_reply=False)


def say_if_due(draft: Draft, member: MemberId) -> None:
    """Greet, or answer a greeting, when the turn for it has come."""
    present = draft.courier(member)
    if present.here_at is not None and present.here_at <= draft.now:
        draft.change_courier(member, here_at=None)
        if not present.has_link:
            say_here(draft, member, is_reply=False)
    if present.answer_at is not None and present.answer_at <= draft.now:
        draft.change_courier(member, answer_at=None)
        say_here(draft, member, is_reply=True)


def greet(draft: Draft) -> None:
    """Say to everybody that we are here: taken back, we were silent until now."""
    for member in members(draft)[1:]:
        greet_in_turn(draft, member)


def compare_again(draft: Draft) -> None:
    """Tell those who are there that our log is another one than we said, after a while."""
    for member in draft.cold.peers:
        if comparing.is_news(draft, member):
            say_here(draft, member, is_reply=True)
