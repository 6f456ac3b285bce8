"""Everything about files that goes through a circle's `step`, in one place.

Spec: docs/protocol/attachments.md.
"""

from __future__ import annotations

from typing import assert_never

from toheal_protocol.machines import file_effects as files
from toheal_protocol.machines.attachments import forget_chunks
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.fetching import begin_fetch, follow_fetches, stop_fetch
from toheal_protocol.machines.log import write_message
from toheal_protocol.machines.serving import follow_serving, take_chunks_loaded
from toheal_protocol.machines.talking import require_voice
from toheal_protocol.messages.attachment import encode_attachment
from toheal_protocol.messages.bodies import ContentKind


def take_file_event(draft: Draft, event: files.FileEvent) -> None:
    """Take one event about files."""
    match event:
        case files.Attached():
            _attach(draft, event)
        case files.FetchAsked():
            begin_fetch(draft, event)
        case files.FetchStopped(mid):
            stop_fetch(draft, mid)
        case files.AttachmentDropped(mid):
            forget_chunks(draft, mid)
        case files.ChunksLoaded():
            take_chunks_loaded(draft, event)
        case _:
            assert_never(event)


def follow_files(draft: Draft) -> None:
    """Go on with what is fetched and served, now that links or members may be others."""
    follow_fetches(draft)
    follow_serving(draft)


def _attach(draft: Draft, attached: files.Attached) -> None:
    require_voice(draft, attached.audience)
    write_message(
        draft,
        ContentKind.ATTACHMENT,
        encode_attachment(attached.body),
        audience=attached.audience,
        reply=attached.reply,
    )
