"""Holes: what is missing of a gap that is shown, and what becomes of the gap as they are filled.

Spec: docs/protocol/sync.md, section 5.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.changing import changed
from toheal_protocol.crypto import hash_parts
from toheal_protocol.envelope import Content, ContentKey, decode_content, open_content
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Show, Tell
from toheal_protocol.machines.records import DropEntry, PutEntry
from toheal_protocol.machines.state import Held, Stream
from toheal_protocol.machines.streams import LEAP, Gap
from toheal_protocol.model import MessageId
from toheal_protocol.wire.codec import u8, u32

MAX_GAPS: Final = 32
"""Gaps of one stream that are remembered; older ones stay shown and are not asked for any more."""

MAX_RANGES: Final = 32
"""Ranges of holes in one gap; further ones are not asked for any more."""


def open_gap(
    draft: Draft,
    stream: Stream,
    first: int,
    last: int,
    *,
    above: MessageId | None = None,
    is_quiet: bool = False,
) -> None:
    """Show that messages with these numbers are missing, if there are any.

    What was shown as missing before is not counted a second time.

    Args:
        above: the mid of the last one, where the author itself named it.
        is_quiet: nobody knows whether they were for us; they are asked for and not shown. So is
            what reaches over a leap.
    """
    first = max(first, draft.log.gaps_shown.get(stream, 0) + 1)
    if first > last:
        return
    is_quiet = is_quiet or first // LEAP < last // LEAP
    gap = Gap(first, last, ((first, last),), above, is_quiet)
    gaps = (*draft.log.gaps.get(stream, ()), gap)[-MAX_GAPS:]
    draft.log = changed(
        draft.log,
        gaps_shown={**draft.log.gaps_shown, stream: last},
        gaps={**draft.log.gaps, stream: gaps},
    )
    if gap.is_quiet:
        return
    entry = _entry(draft, stream, gap)
    draft.write(entry)
    draft.ask(Show(entry))


def gap_around(draft: Draft, stream: Stream, seq: int) -> Gap | None:
    """Return the gap in which this number is a hole."""
    for gap in draft.log.gaps.get(stream, ()):
        if _has_hole(gap, seq):
            return gap
    return None


def names_another(gap: Gap, seq: int, mid: MessageId) -> bool:
    """Say whether the author named another message for this hole."""
    return gap.above is not None and gap.missing[-1][1] == seq and gap.above != mid


def fill(
    draft: Draft,
    stream: Stream,
    gap: Gap,
    seq: int,
    previous: MessageId | None,
    mid: MessageId,
    *,
    is_own: bool,
) -> bool:
    """Fill a hole, and take the gap back with the last one.

    Args:
        seq: the number of the hole.
        previous: the author's message before it, as far as it named one.
        is_own: the author itself brought it.

    Returns:
        Whether the author stands by it: it brought it, or named it in what came after.
    """
    is_top = gap.missing[-1][1] == seq
    is_sure = is_own or (is_top and gap.above == mid)
    above = gap.above
    if is_top:  # what it names is a hole no more where somebody passed it on before
        above = previous if is_sure and _has_hole(gap, seq - 1) else None
    missing = tuple(span for one in gap.missing for span in _without(one, seq))[-MAX_RANGES:]
    after = evolve(gap, missing=missing, above=above)
    gaps = tuple(
        after if one == gap else one
        for one in draft.log.gaps.get(stream, ())
        if one != gap or missing
    )
    others = {one: kept for one, kept in draft.log.gaps.items() if one != stream}
    draft.log = changed(draft.log, gaps={**others, stream: gaps} if gaps else others)
    if gap.is_quiet:
        return is_sure
    if missing:
        draft.write(_entry(draft, stream, after))
    else:
        draft.write(DropEntry(draft.cold.id, _name(draft, stream, gap)))
    draft.ask(Tell("gap_filled", stream.author))
    return is_sure


def content_of(held: Held) -> Content:
    """Return what a held message says."""
    if held.content is not None:
        return held.content
    plain = open_content(held.common, ContentKey(held.key), author=held.author)
    return decode_content(plain)


def _has_hole(gap: Gap, seq: int) -> bool:
    return any(first <= seq <= last for first, last in gap.missing)


def _without(span: tuple[int, int], seq: int) -> list[tuple[int, int]]:
    first, last = span
    if not first <= seq <= last:
        return [span]
    return [one for one in ((first, seq - 1), (seq + 1, last)) if one[0] <= one[1]]


def _name(draft: Draft, stream: Stream, gap: Gap) -> MessageId:
    named = (draft.cold.id, stream.author, u8(stream.audience), u32(gap.first), u32(gap.last))
    return MessageId(hash_parts("th1/gap", *named))


def _entry(draft: Draft, stream: Stream, gap: Gap) -> PutEntry:
    return PutEntry(
        circle=draft.cold.id,
        mid=_name(draft, stream, gap),
        author=stream.author,
        audience=stream.audience,
        author_seq=gap.first,
        kind="gap",
        text=str(sum(last - first + 1 for first, last in gap.missing)),
        sent_at=draft.wall_now,
        received_at=draft.wall_now,
        is_mine=False,
        notes=(),
        key=b"",
        common=b"",
        recipients=(),
        passed_on_by=None,
        parents=(),
        ttl=draft.cold.disappear,
    )
