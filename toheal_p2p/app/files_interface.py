"""What the doors see of attached files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from toheal_p2p.app.progress_view import Report
from toheal_p2p.app.vocabulary import AttachmentState


@frozen
class AttachmentView:
    """The file of one message.

    Attributes:
        size: bytes, as its author announced them.
        percent: how much of it is here.
    """

    media_type: str
    size: int
    state: AttachmentState
    percent: int


class FilesInterface(Protocol):
    """Pictures and voice notes."""

    async def attach(
        self,
        circle: str,
        path: str,
        *,
        about: str,
        notes: Sequence[str],
        report: Report,
        to_facilitators: bool = False,
        reply: str | None = None,
    ) -> str:
        """Clean a file, seal it and announce it; return the message's id once it is durable.

        Cancelled before it is announced, nothing was sent.

        Raises:
            Refused: cannot_read_file, attachment_*, attachments_full, disk_full, text_too_long,
                no_such_message, reply_narrower, no_facilitator, listens_only and how else we
                stand to the circle.
        """
        ...

    async def attach_content(
        self,
        circle: str,
        content: bytes,
        *,
        about: str,
        notes: Sequence[str],
        report: Report,
        to_facilitators: bool = False,
        reply: str | None = None,
    ) -> str:
        """Attach bytes that are here already, as `attach` does a file."""
        ...

    async def fetch(self, circle: str, message: str, *, report: Report) -> AttachmentView:
        """Fetch a message's file; return once all of it is here and was looked through.

        Waits for as long as it takes. Cancelled, it goes on from there the next time.

        Raises:
            Refused: no_such_message, no_attachment, attachment_damaged, attachments_full,
                attachments_busy, disk_full, and how we stand to the circle.
        """
        ...

    async def content(self, circle: str, message: str) -> bytes:
        """Return a file that is here: no_attachment, attachment_not_here, attachment_damaged."""
        ...

    async def drop(self, circle: str, message: str) -> None:
        """Give the room back that a file takes. The message stays: no_attachment."""
        ...
