"""Attachments as the log sees them: what an announcement leaves in the vault, and forgetting it.

Spec: docs/protocol/attachments.md, sections 3 and 6.
"""

from __future__ import annotations

from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.fetching import stop_fetch
from toheal_protocol.machines.records import DropAttachment, PutAttachment
from toheal_protocol.messages.attachment import AttachmentBody, decode_attachment, medium_of
from toheal_protocol.messages.file_chunks import FileKey
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.model import MessageId


def take_announcement_of_file(draft: Draft, mid: MessageId, encoded: bytes) -> AttachmentBody:
    """Keep what a message says of its file; nothing is fetched. One of a later version is not kept.

    Raises:
        MalformedFrame: it says nothing that makes sense.
    """
    body = decode_attachment(encoded)
    medium = medium_of(body)
    if medium is not None:
        file, key = FileId(body.file), FileKey(body.key)
        draft.write(PutAttachment(draft.cold.id, mid, file, key, body.size, int(medium)))
    return body


def forget_chunks(draft: Draft, mid: MessageId) -> None:
    """Give the room back that a file takes. Its message stays, and it can be fetched again."""
    stop_fetch(draft, mid)
    draft.write(DropAttachment(draft.cold.id, mid, keeps_facts=True))


def forget_attachment(draft: Draft, mid: MessageId) -> None:
    """Forget a message's file: its key, its facts, and its chunks unless another message has them.

    For every way in which a message goes: forgotten, taken back, or its time over. A message
    without a file may be named too.
    """
    stop_fetch(draft, mid)
    draft.write(DropAttachment(draft.cold.id, mid))
