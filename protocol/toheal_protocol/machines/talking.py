"""Talking: what the person says to the circle or its facilitators, and about what was said.

Each of these is one message of the log, for those it is for and for nobody else. Whether it fits
what it is about is asked before, where the messages are kept; readers check it for themselves.

Spec: docs/protocol/circle.md, sections 7.1 to 7.3.
"""

from __future__ import annotations

from toheal_protocol.errors import LocalError
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Edited, HelpAsked, Retracted, Submitted
from toheal_protocol.machines.governing import act
from toheal_protocol.machines.log import write_message
from toheal_protocol.machines.mutes import muted_until
from toheal_protocol.machines.state import Stage
from toheal_protocol.machines.unsaying import unsay
from toheal_protocol.messages.acts import Unmuting
from toheal_protocol.messages.bodies import ContentKind, TextBody, encode_text
from toheal_protocol.messages.unsaid import Unsaid
from toheal_protocol.model import Audience, Role


def submit(draft: Draft, said: Submitted) -> None:
    """Say something. A mute of ours whose time is over ends with it."""
    require_voice(draft, said.audience)
    body = _words(draft, said.text, said.notes)
    write_message(draft, ContentKind.TEXT, body, audience=said.audience, reply=said.reply)


def ask_help(draft: Draft, asked: HelpAsked) -> None:
    """Ask the facilitators to look at a message; its author, if one of them, is not asked."""
    require_voice(draft, Audience.FACILITATORS)
    write_message(
        draft,
        ContentKind.REQUEST,
        _words(draft, asked.text),
        audience=Audience.FACILITATORS,
        reply=asked.about,
        leave_out=asked.author,
    )


def edit(draft: Draft, edited: Edited) -> None:
    """Say a message of ours differently."""
    require_voice(draft, edited.audience)
    body = _words(draft, edited.text, edited.notes)
    write_message(draft, ContentKind.EDIT, body, audience=edited.audience, reply=edited.target)


def retract(draft: Draft, retracted: Retracted) -> None:
    """Take a message of ours back. A listener may as well: it says nothing new."""
    _require_member(draft)
    audience, target = retracted.audience, retracted.target
    if retracted.author_seq:
        unsay(draft, Unsaid(audience, retracted.author_seq, target))
    write_message(draft, ContentKind.RETRACTION, _words(draft, ""), audience=audience, reply=target)


def _require_member(draft: Draft) -> None:
    if draft.cold.stage is not Stage.ACTIVE:
        raise LocalError("writing to a circle we are not in")


def require_voice(draft: Draft, audience: Audience) -> None:
    """Return where our person may write to this audience; the application asked before.

    Raises:
        LocalError: not in, only listening, or muted.
    """
    _require_member(draft)
    if audience is not Audience.CIRCLE:
        return
    if draft.cold.my_role is Role.LISTENER:
        raise LocalError("writing where we listen only")
    until = muted_until(draft.cold, draft.our_id)
    if until is None:
        return
    if draft.wall_now < until:
        raise LocalError("writing while we are muted")
    act(draft, Unmuting(draft.our_id))


def _words(draft: Draft, text: str, notes: tuple[str, ...] = ()) -> bytes:
    # half a surrogate out of a terminal has no UTF-8
    clean = text.encode(errors="replace").decode()
    return encode_text(TextBody(text=clean, sent_at=draft.wall_now, notes=notes))
