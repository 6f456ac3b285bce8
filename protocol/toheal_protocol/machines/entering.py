"""Entering a message into the log: what a person will read of it.

Spec: docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from attrs import evolve, frozen

from toheal_protocol.envelope import Content, ContentKey
from toheal_protocol.errors import MalformedFrame
from toheal_protocol.machines.attachments import take_announcement_of_file
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Show, Tell
from toheal_protocol.machines.following import move_heads
from toheal_protocol.machines.membership import take_announcement
from toheal_protocol.machines.records import PutEntry
from toheal_protocol.machines.voice import is_silenced, note_return
from toheal_protocol.messages.announcement import decode_announcement
from toheal_protocol.messages.attachment import medium_of
from toheal_protocol.messages.bodies import ContentKind, decode_text
from toheal_protocol.model import Audience, MemberId, MessageId, WallTime


@frozen
class Sealed:
    """A message as it travels: its id, its key and its common part."""

    mid: MessageId
    key: ContentKey
    common: bytes


def enter(
    draft: Draft,
    author: MemberId,
    content: Content,
    sealed: Sealed,
    *,
    recipients: tuple[MemberId, ...] = (),
    is_late: bool = False,
    passed_on_by: MemberId | None = None,
    is_new: bool = True,
) -> None:
    """Show a message and keep it.

    Args:
        recipients: of ours, whom it was wrapped for.
        is_late: it fills a gap that was shown, and moves nothing on.
        passed_on_by: who brought it, while its author has not stood by it.
        is_new: False: it may be here already, and then nothing is shown a second time.

    Raises:
        RemoteError: its body is not what its kind says.
    """
    entry = PutEntry(
        circle=draft.cold.id,
        mid=sealed.mid,
        author=author,
        audience=content.audience,
        author_seq=content.author_seq,
        kind="unknown",
        text="",
        sent_at=draft.wall_now,
        received_at=draft.wall_now,
        is_mine=author == draft.our_id,
        notes=(),
        key=sealed.key,
        common=sealed.common,
        recipients=recipients,
        passed_on_by=passed_on_by,
        parents=tuple(parent.mid for parent in content.parents),
        reply=content.reply,
        previous=content.prev_own,
        ttl=content.ttl,
    )
    note_return(draft, author, content)
    entry = _read_into(draft, entry, content)
    if not is_late:
        move_heads(draft, author, content, sealed.mid)
    draft.write(entry)
    draft.ask(Show(entry) if is_new else Tell("confirmed", author))


def _read_into(draft: Draft, entry: PutEntry, content: Content) -> PutEntry:
    """Fill in what a message's body says."""
    match content.type:
        case ContentKind.TEXT:
            body = decode_text(content.body)
            sent_at = WallTime(body.sent_at)
            return evolve(entry, kind="text", text=body.text, notes=body.notes, sent_at=sent_at)
        case ContentKind.ATTACHMENT:
            attached = take_announcement_of_file(draft, entry.mid, content.body)
            kind = "attachment" if medium_of(attached) is not None else entry.kind
            sent_at = WallTime(attached.sent_at)
            return evolve(
                entry, kind=kind, text=attached.about, notes=attached.notes, sent_at=sent_at
            )
        case ContentKind.OPERATION:
            announcement = decode_announcement(content.body)
            kind = take_announcement(draft, announcement, author=entry.author)
            return evolve(entry, kind=kind, text=announcement.operation.id.hex())
        case ContentKind.REQUEST | ContentKind.EDIT | ContentKind.RETRACTION:
            return _read_about(draft, entry, content)
        case _:
            return entry


def _read_about(draft: Draft, entry: PutEntry, content: Content) -> PutEntry:
    """Fill in what is said about another message.

    An edit that comes when its author's words do not count is never carried out. What one takes
    back is taken back in any case: it harms nobody.
    """
    if content.reply is None:
        raise MalformedFrame("about no message")
    body = decode_text(content.body)
    entry = evolve(entry, sent_at=WallTime(body.sent_at))
    match content.type:
        case ContentKind.REQUEST if content.audience is Audience.FACILITATORS:
            return evolve(entry, kind="request", text=body.text)
        case ContentKind.REQUEST:
            raise MalformedFrame("a request that everybody reads")
        case ContentKind.RETRACTION:
            return evolve(entry, kind="retraction")
        case _:
            peer = draft.cold.peers.get(entry.author)
            if is_silenced(peer, content.audience, content.author_seq):
                return evolve(entry, kind="crossed")
            return evolve(entry, kind="edit", text=body.text, notes=body.notes)
