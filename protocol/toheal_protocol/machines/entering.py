"""Entering a message into the log: what a person will read of it.

Spec: docs/protocol/circle.md, section 7.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

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

_UNKNOWN: Final = "unknown"
"""The kind of what a later version of the program may understand."""


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
    note_return(draft, author, content)
    read = _read(draft, author, sealed.mid, content)
    entry = PutEntry(
        circle=draft.cold.id,
        mid=sealed.mid,
        author=author,
        audience=content.audience,
        author_seq=content.author_seq,
        kind=read.kind,
        text=read.text,
        sent_at=draft.wall_now if read.sent_at is None else WallTime(read.sent_at),
        received_at=draft.wall_now,
        is_mine=author == draft.our_id,
        notes=read.notes,
        key=sealed.key,
        common=sealed.common,
        recipients=recipients,
        passed_on_by=passed_on_by,
        parents=tuple([parent.mid for parent in content.parents]),
        reply=content.reply,
        previous=content.prev_own,
        ttl=content.ttl,
    )
    if not is_late:
        move_heads(draft, author, content, sealed.mid)
    draft.write(entry)
    draft.ask(Show(entry) if is_new else Tell("confirmed", author))


@frozen
class _Read:
    """What a message's body says; `sent_at` is None where it says nothing of time."""

    kind: str
    text: str = ""
    sent_at: int | None = None
    notes: tuple[str, ...] = ()


def _read(draft: Draft, author: MemberId, mid: MessageId, content: Content) -> _Read:
    match content.type:
        case ContentKind.TEXT:
            body = decode_text(content.body)
            return _Read("text", body.text, body.sent_at, body.notes)
        case ContentKind.ATTACHMENT:
            attached = take_announcement_of_file(draft, mid, content.body)
            kind = "attachment" if medium_of(attached) is not None else _UNKNOWN
            return _Read(kind, attached.about, attached.sent_at, attached.notes)
        case ContentKind.OPERATION:
            announcement = decode_announcement(content.body)
            kind = take_announcement(draft, announcement, author=author)
            return _Read(kind, announcement.operation.id.hex())
        case ContentKind.REQUEST | ContentKind.EDIT | ContentKind.RETRACTION:
            return _read_about(draft, author, content)
        case _:
            return _Read(_UNKNOWN)


def _read_about(draft: Draft, author: MemberId, content: Content) -> _Read:
    """Read what is said about another message.

    An edit that comes when its author's words do not count is never carried out. What one takes
    back is taken back in any case: it harms nobody.
    """
    if content.reply is None:
        raise MalformedFrame("about no message")
    body = decode_text(content.body)
    match content.type:
        case ContentKind.REQUEST if content.audience is Audience.FACILITATORS:
            return _Read("request", body.text, body.sent_at)
        case ContentKind.REQUEST:
            raise MalformedFrame("a request that everybody reads")
        case ContentKind.RETRACTION:
            return _Read("retraction", sent_at=body.sent_at)
        case _:
            peer = draft.cold.peers.get(author)
            if is_silenced(peer, content.audience, content.author_seq):
                return _Read("crossed", sent_at=body.sent_at)
            return _Read("edit", body.text, body.sent_at, body.notes)
