"""Serving chunks to those who ask: few at a time, and nobody without an end.

Chunks wait in the vault, not in memory: four are read when nothing else waits to go over the
link, so what is said meanwhile goes first.

Spec: docs/protocol/attachments.md, section 4.1.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.changing import changed
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.fetch_state import Serving
from toheal_protocol.machines.file_effects import ChunksLoaded, LoadChunks
from toheal_protocol.machines.pair import pass_note
from toheal_protocol.machines.state import Stage, Standing
from toheal_protocol.messages.file_chunks import MAX_CHUNKS
from toheal_protocol.messages.file_notes import (
    MAX_WANTED,
    NOT_HERE,
    NOT_NOW,
    Chunk,
    ChunksMissing,
    ChunksWanted,
)
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.model import MemberId

MAX_WAITING: Final = MAX_WANTED
"""Chunks that wait for one member. An honest reader never asks for more than these at once."""

AT_ONCE: Final = 4
"""Chunks read and sealed at once: what a text has to wait for on our side of the link."""

SERVED_AGAIN: Final = 16
"""How often one chunk goes to one member in `MEMORY`: a line that breaks again and again loses what
is under way each time."""

SERVED_MOST: Final = 8192
"""Chunks for one member in `MEMORY`: ten of the largest files, 120 MB."""

MEMORY: Final = 3600.0
"""Seconds after which a member is served as if for the first time."""


def take_chunks_wanted(draft: Draft, member: MemberId, note: ChunksWanted) -> None:
    """Note what a member wants, as far as it may have it."""
    if not _may_be_served(draft, member):
        return
    serving = draft.live.serving.get(member)
    if serving is None or serving.since + MEMORY <= draft.now:
        waiting = serving.waiting if serving is not None else ()
        is_loading = serving is not None and serving.is_loading
        serving = Serving(draft.now, waiting, is_loading)
    given = serving.given.get(note.file, b"")
    room = min(MAX_WAITING - len(serving.waiting), SERVED_MOST - serving.total)
    queued = set(serving.waiting)
    fresh = [
        (note.file, place)
        for place in note.places
        if (place >= len(given) or given[place] < SERVED_AGAIN) and (note.file, place) not in queued
    ]
    if not fresh or serving.total >= SERVED_MOST:
        if not serving.waiting:
            pass_note(draft, member, ChunksMissing(note.file, NOT_NOW))
        return
    _go_on(draft, member, changed(serving, waiting=(*serving.waiting, *fresh[: max(0, room)])))


def take_chunks_loaded(draft: Draft, loaded: ChunksLoaded) -> None:
    """Bring what the vault gave, and go on with what waits."""
    member, file = loaded.member, loaded.file
    serving = draft.live.serving.get(member)
    if serving is None:
        return
    serving = changed(serving, is_loading=False)
    if _may_be_served(draft, member):
        went = 0
        for one in loaded.found:
            if not pass_note(draft, member, Chunk(file, one.place, one.proof, one.sealed)):
                break  # too much of our chain may be lost: the peer has to answer first
            serving = _counted(serving, file, one.place)
            went += 1
        if loaded.is_missing or went < len(loaded.found):
            left = tuple(one for one in serving.waiting if one[0] != file)
            serving = changed(serving, waiting=left)
            reason = NOT_HERE if loaded.is_missing else NOT_NOW
            pass_note(draft, member, ChunksMissing(file, reason))
    _go_on(draft, member, serving)


def follow_serving(draft: Draft) -> None:
    """Forget what waits for whom no link leads to any more."""
    for member, serving in tuple(draft.live.serving.items()):
        if (serving.waiting or serving.is_loading) and not _may_be_served(draft, member):
            _put(draft, member, changed(serving, waiting=(), is_loading=False))


def _go_on(draft: Draft, member: MemberId, serving: Serving) -> None:
    if serving.waiting and not serving.is_loading:
        file = serving.waiting[0][0]
        now = [one for one in serving.waiting if one[0] == file][:AT_ONCE]
        rest = tuple(one for one in serving.waiting if one not in now)
        serving = changed(serving, waiting=rest, is_loading=True)
        draft.ask(LoadChunks(member, file, tuple(place for _, place in now)))
    _put(draft, member, serving)


def _counted(serving: Serving, file: FileId, place: int) -> Serving:
    counts = bytearray(serving.given.get(file, bytes(MAX_CHUNKS)))
    counts[place] = min(255, counts[place] + 1)
    return changed(serving, given={**serving.given, file: bytes(counts)}, total=serving.total + 1)


def _put(draft: Draft, member: MemberId, serving: Serving) -> None:
    draft.set_live(serving={**draft.live.serving, member: serving})


def _may_be_served(draft: Draft, member: MemberId) -> bool:
    peer = draft.cold.peers.get(member)
    is_in = peer is not None and peer.standing is Standing.MEMBER
    return is_in and draft.cold.stage is Stage.ACTIVE and draft.courier(member).has_link
