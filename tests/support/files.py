"""Files in the world of virtual time: attached, wanted, and looked for on a disk."""

from __future__ import annotations

import msgspec

from tests.support.entropy import SeededEntropy
from tests.support.world import Person
from toheal_protocol.machines import events as m
from toheal_protocol.machines import file_effects as files
from toheal_protocol.machines.fetch_state import Fetch
from toheal_protocol.machines.records import PutChunk
from toheal_protocol.messages.attachment import AttachmentBody, Medium
from toheal_protocol.messages.file_chunks import FileKey, chunk_count, open_file, seal_file
from toheal_protocol.model import Audience, MessageId


def a_file(size: int, *, seed: int = 1) -> bytes:
    return SeededEntropy(seed).draw(size)


def attach(
    person: Person, content: bytes, *, audience: Audience = Audience.CIRCLE, **changes: object
) -> MessageId | None:
    """Put a file's chunks on the disk and announce it; `changes` say what is announced otherwise.

    None: the process died over it.
    """
    assert person.circle is not None
    key = FileKey(person.entropy.draw(32))
    sealed = seal_file(content, key)
    circle = person.circle.cold.id
    person.disk.apply(
        tuple(
            PutChunk(circle, sealed.id, place, sealed.proofs[place], chunk)
            for place, chunk in enumerate(sealed.chunks)
        )
    )
    body = AttachmentBody(sealed.id, key, len(content), Medium.JPEG, "نافذة", person.wall)
    body = msgspec.structs.replace(body, **changes)
    decision = person.feed(files.Attached(body, audience))
    if decision is None:
        return None
    mine = [e.entry for e in decision.effects if isinstance(e, m.Show) and e.entry.is_mine]
    return mine[-1].mid


def want(person: Person, mid: MessageId) -> None:
    """Tap: want a file, going on from what is on the disk."""
    facts, entry = person.disk.attachments[mid], person.disk.entries[mid]
    have = sum(1 << place for place in person.disk.chunks.get(facts.file, {}))
    author, audience = entry.author, entry.audience
    person.feed(files.FetchAsked(mid, facts.file, facts.size, author, have, audience))


def fetch_of(person: Person, mid: MessageId) -> Fetch:
    assert person.circle is not None
    return person.circle.live.fetches[mid]


def held_chunks(person: Person, mid: MessageId) -> int:
    facts = person.disk.attachments.get(mid)
    return len(person.disk.chunks.get(facts.file, {})) if facts is not None else 0


def is_here(person: Person, mid: MessageId) -> bool:
    facts = person.disk.attachments.get(mid)
    return facts is not None and held_chunks(person, mid) == chunk_count(facts.size)


def content_of(person: Person, mid: MessageId) -> bytes:
    facts = person.disk.attachments[mid]
    chunks = person.disk.chunks[facts.file]
    return open_file([chunks[at].sealed for at in sorted(chunks)], facts.key, size=facts.size)
