"""What survives a crash in the world of `tests.support.world`: everything committed, as a vault keeps it."""

from __future__ import annotations

from attrs import define, evolve, field

from toheal_protocol.machines import events as m
from toheal_protocol.machines import sync_events
from toheal_protocol.machines.file_effects import LoadedChunk
from toheal_protocol.machines.records import (
    ConfirmEntries,
    DropAttachment,
    DropCircle,
    DropEntry,
    DropHeld,
    DropOwed,
    GiveUpOwed,
    KeptEntry,
    MarkAtRelay,
    MarkShown,
    PutAges,
    PutAttachment,
    PutChunk,
    PutCircle,
    PutEntry,
    PutForgotten,
    PutHeld,
    PutLog,
    PutOwed,
    PutPair,
    PutSetting,
    UnsayOwed,
    Write,
    has_never_left,
    marked,
)
from toheal_protocol.machines.state import Circle
from toheal_protocol.machines.storing import (
    decode_cold,
    decode_held,
    decode_log,
    decode_pair,
)
from toheal_protocol.messages.asking import Asked, Range
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.model import (
    Frame,
    MemberId,
    MessageId,
)


@define
class Disk:
    """What survives a crash: everything committed."""

    blobs: dict[str, bytes] = field(factory=dict)
    pairs: dict[MemberId, bytes] = field(factory=dict)
    owed: dict[MemberId, dict[int, m.OwedFrame]] = field(factory=dict)
    entries: dict[MessageId, PutEntry] = field(factory=dict)
    held: dict[MessageId, bytes] = field(factory=dict)
    attachments: dict[MessageId, PutAttachment] = field(factory=dict)
    chunks: dict[FileId, dict[int, LoadedChunk]] = field(factory=dict)

    def apply(self, writes: tuple[Write, ...]) -> None:
        for write in writes:
            self._apply(write)

    def _apply(self, write: Write) -> None:
        match write:
            case PutCircle(_, blob):
                self.blobs["cold"] = blob
            case PutLog(_, blob):
                self.blobs["log"] = blob
            case PutPair(_, member, blob):
                self.pairs[member] = blob
            case PutOwed(_, member, seq, mid, item, frame):
                self.owed.setdefault(member, {})[seq] = m.OwedFrame(seq, mid, item, frame, b"")
            case MarkAtRelay(_, member, seqs, boot):
                rows = self.owed.get(member, {})
                for seq in seqs:
                    if seq in rows:
                        rows[seq] = evolve(rows[seq], boot=marked(rows[seq].boot, boot))
            case DropOwed(_, member, through, beyond):
                rows = self.owed.get(member, {})
                for seq in [s for s in rows if s <= through or s in beyond]:
                    del rows[seq]
            case UnsayOwed(_, unsaid, item):
                for rows in self.owed.values():
                    for seq, row in rows.items():
                        if row.mid == unsaid and has_never_left(row.item):
                            rows[seq] = evolve(row, mid=None, item=item, frame=Frame(b""))
            case GiveUpOwed(_, member):
                self.owed.pop(member, None)
            case PutEntry():
                self.entries[write.mid] = write
            case ConfirmEntries(_, mid):
                self._confirm(mid)
            case DropEntry(_, mid):
                self.entries.pop(mid, None)
            case PutHeld(_, mid, blob):
                self.held[mid] = blob
            case DropHeld(_, mid):
                self.held.pop(mid, None)
            case PutAttachment(_, mid):
                self.attachments[mid] = write
            case PutChunk(_, file, place, proof, sealed):
                self.chunks.setdefault(file, {})[place] = LoadedChunk(place, proof, sealed)
            case DropAttachment(_, mid):
                self._drop_attachment(mid, keeps_facts=write.keeps_facts)
            case (
                DropCircle() | PutSetting() | MarkShown() | PutAges() | KeptEntry() | PutForgotten()
            ):
                raise AssertionError("not written by a circle's machine")

    def _drop_attachment(self, mid: MessageId, *, keeps_facts: bool) -> None:
        facts = self.attachments.get(mid)
        others = {one.file for key, one in self.attachments.items() if key != mid}
        if facts is not None and facts.file not in others:
            self.chunks.pop(facts.file, None)
        if not keeps_facts:
            self.attachments.pop(mid, None)

    def _confirm(self, mid: MessageId | None) -> None:
        while mid is not None and (entry := self.entries.get(mid)) is not None:
            if entry.passed_on_by is None:
                return
            self.entries[mid] = evolve(entry, passed_on_by=None)
            mid = entry.previous

    def asked_entries(
        self, asked: Asked, after: int, limit: int, most: int
    ) -> sync_events.FoundEntries:
        """As `ports.vault.Vault.asked_entries`; a place is counted from 1."""
        found: list[sync_events.FoundEntry] = []
        upto, size = after, 0
        taken_back = {
            (entry.reply, entry.author, entry.audience)
            for entry in self.entries.values()
            if entry.kind == "retraction"
        }
        wanted = [
            (place, entry)
            for place, entry in enumerate(self.entries.values(), 1)
            if entry.kind != "gap" and place > after
            if (entry.mid, entry.author, entry.audience) not in taken_back
            if entry.mid in asked.mids or any(_is_in(entry, one) for one in asked.ranges)
        ]
        for place, entry in wanted[:limit]:
            if found and size + len(entry.common) > most:
                break
            size, upto = size + len(entry.common), place
            sealed = (entry.mid, entry.key, entry.common)
            found.append(sync_events.FoundEntry(entry.author, *sealed, entry.passed_on_by))
        return sync_events.FoundEntries(tuple(found), len(found) < len(wanted), upto)

    def stories(self, asked: sync_events.FindStories) -> tuple[sync_events.Story, ...]:
        return tuple(
            sync_events.Story(entry.mid, entry.passed_on_by)
            for entry in self.entries.values()
            if (entry.author, entry.audience, entry.author_seq)
            == (asked.author, asked.audience, asked.seq)
            and entry.kind != "gap"
        )

    def load(self) -> Circle:
        log = decode_log(self.blobs["log"]) if "log" in self.blobs else Circle(None).log  # type: ignore[arg-type]
        held = {mid: decode_held(blob) for mid, blob in self.held.items()}
        return Circle(
            cold=decode_cold(self.blobs["cold"]),
            log=evolve(log, held=held),
            pairs={member: decode_pair(blob) for member, blob in self.pairs.items()},
        )

    def copy(self) -> Disk:
        return Disk(
            dict(self.blobs),
            dict(self.pairs),
            {member: dict(rows) for member, rows in self.owed.items()},
            dict(self.entries),
            dict(self.held),
            dict(self.attachments),
            {file: dict(places) for file, places in self.chunks.items()},
        )


def _is_in(entry: PutEntry, one: Range) -> bool:
    is_of = (entry.author, entry.audience) == (one.author, one.audience)
    return is_of and one.first <= entry.author_seq <= one.last
