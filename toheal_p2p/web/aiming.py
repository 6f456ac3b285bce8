"""To whom words and files go, and what they answer: chosen before anything is sent.

Docs: docs/page.md, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from toheal_p2p.app.interface import AppInterface, CircleView, EntryView, MemberView
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.vocabulary import AUDIENCES, CONTENT_NOTES, Role
from toheal_p2p.web.finding import called_apart
from toheal_p2p.web.site import Form


@frozen
class Writing:
    """To whom we can write in a circle.

    Attributes:
        listens: to facilitators only.
        facilitators: what the others are called who facilitate.
    """

    listens: bool
    facilitators: tuple[str, ...]


@frozen
class Aim:
    """Whom something is for, as far as that was chosen."""

    writing: Writing
    audience: str
    reply: EntryView | None = None
    is_covered: bool = True
    """Words with a content note are not shown beside the answer."""

    @property
    def to_few(self) -> bool:
        """Say whether it is for facilitators, as things are chosen."""
        return self.audience == "facilitators" or self.writing.listens

    @property
    def chooses(self) -> bool:
        """Say whether there is something to choose: an answer to a note for few is for few."""
        is_narrow = self.reply is not None and self.reply.audience == "facilitators"
        return bool(self.writing.facilitators) and not self.writing.listens and not is_narrow


async def writing_in(app: AppInterface, view: CircleView) -> Writing | None:
    """Return to whom we can write; None: to nobody."""
    members = called_apart(await members_of(app, view))
    facilitators = tuple(one.name for one in members if one.role == "facilitator" and not one.is_me)
    listens = my_role(members) == "listener"
    return None if not members or (listens and not facilitators) else Writing(listens, facilitators)


async def aim_from(app: AppInterface, view: CircleView, form: Form, *, answer: str) -> Aim:
    """Return whom something is for, as a form says it.

    Args:
        answer: the message that it answers; empty: none.
    """
    reply = await _answered(app, view.id, answer)
    narrow = reply is not None and reply.audience == "facilitators"
    choice = (await app.settings.get("content-notes")).value
    return Aim(
        writing=await writing_in(app, view) or Writing(listens=False, facilitators=()),
        audience="facilitators" if narrow else form["audience"] or "circle",
        reply=reply,
        is_covered=choice != "shown",
    )


def require_audience(form: Form) -> bool:
    """Say whether it is for facilitators only.

    Raises:
        Refused: nobody was chosen, and nothing goes to people who were not chosen.
    """
    if form["audience"] not in AUDIENCES:
        raise Refused("internal")
    return form["audience"] == "facilitators"


def chosen_notes(form: Form) -> list[str]:
    """Return the content notes that were ticked."""
    return [note for note in CONTENT_NOTES if form.get(f"note-{note}")]


async def members_of(app: AppInterface, view: CircleView) -> Sequence[MemberView]:
    """Return who is in a circle that we are in."""
    return await app.circle_members(view.id) if view.state == "active" else ()


def my_role(members: Sequence[MemberView]) -> Role | None:
    """Return what we do among these members."""
    return next((one.role for one in members if one.is_me), None)


async def _answered(app: AppInterface, wanted: str, message: str) -> EntryView | None:
    """Return what is to be answered; what has disappeared meanwhile takes nothing typed with it."""
    if not message:
        return None
    try:
        return await app.entry(wanted, message)
    except Refused as refusal:
        if refusal.code != "no_such_message":
            raise
        return None
