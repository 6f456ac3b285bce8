"""Fetching a file: asking one member after the other for the chunks that are missing.

```
 wanted ──▶ no link ──▶ asking a source ──▶ all here
              ▲  ▲             │
              │  └── link lost ┤
              └── passed over ─┘  silent for 20 s, does not have it, or lied
```
`follow` runs at the end of every step and puts things right, so links may come and go anywhere.

Spec: docs/protocol/attachments.md, section 4.2.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from toheal_protocol.changing import changed
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.fetch_state import LEAST_WINDOW, MOST_WINDOW, Asked, Fetch
from toheal_protocol.machines.file_effects import FetchAsked
from toheal_protocol.machines.pair import pass_note
from toheal_protocol.machines.records import PutChunk
from toheal_protocol.machines.state import Stage, Standing
from toheal_protocol.messages.file_chunks import chunk_count
from toheal_protocol.messages.file_notes import NOT_HERE, Chunk, ChunksMissing, want_places
from toheal_protocol.messages.file_tree import is_chunk_of
from toheal_protocol.model import Audience, Instant, MemberId, MessageId, Role

ANSWER_LONGEST: Final = 20.0
"""Seconds a source has for all of a question: two chunks at the speed of a line of 1995."""

PASSED_OVER: Final = 30.0
"""Seconds a member is not asked who was silent, or does not have it."""

SHORT_WAIT: Final = 0.25
"""Seconds of queue below which more is asked for at once."""

LONG_WAIT: Final = 0.5
"""Seconds of queue above which less is: a text would have to wait as long."""

MAX_FETCHES: Final = 4
"""Files fetched at once in a circle."""


def begin_fetch(draft: Draft, wanted: FetchAsked) -> None:
    """Want a file. Of more than `MAX_FETCHES` the application makes the person wait."""
    if wanted.mid in draft.live.fetches or len(draft.live.fetches) >= MAX_FETCHES:
        return
    count = chunk_count(wanted.size)
    have = wanted.have & ((1 << count) - 1)
    fetch = Fetch(
        wanted.mid,
        wanted.file,
        wanted.size,
        count,
        wanted.author,
        have,
        audience=wanted.audience,
    )
    _put(draft, fetch)


def stop_fetch(draft: Draft, mid: MessageId) -> None:
    """Want it no more. What is under way is dropped when it comes."""
    if mid in draft.live.fetches:
        draft.set_live(fetches={k: v for k, v in draft.live.fetches.items() if k != mid})


def follow_fetches(draft: Draft) -> None:
    """Ask for what can be asked for now. Doing it again at once does nothing."""
    for fetch in tuple(draft.live.fetches.values()):
        if draft.cold.stage is not Stage.ACTIVE:
            stop_fetch(draft, fetch.mid)
        elif fetch.missing:
            after = _followed(draft, fetch)
            if after is not fetch:
                _put(draft, after)


def next_fetch_instant(draft: Draft) -> Instant | None:
    """Return when a source was silent for too long, or somebody may be asked again."""
    instants: list[Instant] = []
    for fetch in draft.live.fetches.values():
        if fetch.asked:
            instants.append(Instant(fetch.asked[0].at + ANSWER_LONGEST))
        elif fetch.missing:
            instants += [until for until in fetch.passed_over.values() if until > draft.now]
    return min(instants, default=None)


def take_chunk_note(draft: Draft, member: MemberId, note: Chunk) -> None:
    """Take a chunk that was asked for; one that is none of the file ends its source."""
    fetch = _fetch_from(draft, member, note)
    bit = 1 << note.place
    if fetch is None or not fetch.under_way & bit:
        return
    if not is_chunk_of(
        fetch.file,
        note.sealed,
        place=note.place,
        size=fetch.size,
        count=fetch.count,
        proof=note.proof,
    ):
        liars = fetch.liars | {member}
        _put(draft, changed(fetch, source=None, asked=(), liars=liars))
        return
    draft.write(PutChunk(draft.cold.id, fetch.file, note.place, note.proof, note.sealed))
    _put(draft, _answered(draft, changed(fetch, have=fetch.have | bit), bit))


def take_missing_note(draft: Draft, member: MemberId, note: ChunksMissing) -> None:
    """Turn to somebody else: this one does not have it, or not for us now."""
    fetch = _fetch_from(draft, member, note)
    if fetch is None:
        return
    if note.reason == NOT_HERE:
        fetch = changed(fetch, lacking=fetch.lacking | {member})
    _put(draft, _passed_over(draft, fetch))


def _fetch_from(draft: Draft, member: MemberId, note: Chunk | ChunksMissing) -> Fetch | None:
    return next(
        (
            fetch
            for fetch in draft.live.fetches.values()
            if fetch.file == note.file and fetch.source == member
        ),
        None,
    )


def _put(draft: Draft, fetch: Fetch) -> None:
    draft.set_live(fetches={**draft.live.fetches, fetch.mid: fetch})


def _followed(draft: Draft, fetch: Fetch) -> Fetch:
    source = fetch.source
    if source is not None and not _is_reached(draft, source):
        fetch = changed(fetch, source=None, asked=())
    elif fetch.asked and fetch.asked[0].at + ANSWER_LONGEST <= draft.now:
        over = _passed_over(draft, fetch)
        # Where nobody else can be asked, the same one is: a question may have been lost.
        fetch = over if _able(draft, over) else changed(fetch, source=None, asked=())
    if fetch.source is None:
        fetch = _with_source(draft, fetch)
    return fetch if fetch.source is None else _asking(draft, fetch, fetch.source)


def _with_source(draft: Draft, fetch: Fetch) -> Fetch:
    """Choose whom to ask: the author first. Who is out of reach may be asked at once when back."""
    over = {m: until for m, until in fetch.passed_over.items() if _is_reached(draft, m)}
    able = _able(draft, fetch)
    if len(over) < len(fetch.passed_over):
        fetch = changed(fetch, passed_over=over)
    if not able:
        return fetch
    source = fetch.author if fetch.author in able else able[0]
    return changed(fetch, source=source, asked=(), quickest=None)


def _able(draft: Draft, fetch: Fetch) -> list[MemberId]:
    """Return who can be asked now."""
    return [
        member
        for member in sorted(draft.cold.peers)
        if _is_reached(draft, member)
        and member not in fetch.liars
        and _may_have(draft, fetch, member)
        and fetch.passed_over.get(member, draft.now) <= draft.now
    ]


def _may_have(draft: Draft, fetch: Fetch, member: MemberId) -> bool:
    is_for_all = fetch.audience is Audience.CIRCLE
    return is_for_all or member == fetch.author or draft.peer(member).role is Role.FACILITATOR


def _asking(draft: Draft, fetch: Fetch, source: MemberId) -> Fetch:
    under_way = fetch.under_way
    count = under_way.bit_count()
    lacking = fetch.missing & ~under_way
    if not lacking or count > fetch.window // 2:
        return fetch
    note = want_places(fetch.file, _lowest(lacking, fetch.window - count))
    if not pass_note(draft, source, note):
        return _passed_over(draft, fetch)
    bits = sum(1 << place for place in note.places)
    return changed(fetch, asked=(*fetch.asked, Asked(draft.now, bits)))


def _answered(draft: Draft, fetch: Fetch, bit: int) -> Fetch:
    """Take a chunk off the question it answers, and learn from how long that took."""
    kept: list[Asked] = []
    for one in fetch.asked:
        if not one.left & bit:
            kept.append(one)
            continue
        took = draft.now - one.at
        if one.is_fresh:
            fetch = changed(fetch, quickest=min(fetch.quickest or took, took))
        left = one.left & ~bit
        if left:
            kept.append(evolve(one, left=left, is_fresh=False))
        else:
            fetch = _with_window(fetch, took - (fetch.quickest or 0.0))
    return changed(fetch, asked=tuple(kept))


def _with_window(fetch: Fetch, queued: float) -> Fetch:
    if queued < SHORT_WAIT:
        window = min(MOST_WINDOW, fetch.window + max(2, fetch.window // 2))
    elif queued > LONG_WAIT:
        window = max(LEAST_WINDOW, fetch.window // 2)
    else:
        return fetch
    return changed(fetch, window=window)


def _passed_over(draft: Draft, fetch: Fetch) -> Fetch:
    if fetch.source is None:
        return fetch
    over = {**fetch.passed_over, fetch.source: Instant(draft.now + PASSED_OVER)}
    return changed(fetch, source=None, asked=(), passed_over=over)


def _is_reached(draft: Draft, member: MemberId) -> bool:
    peer = draft.cold.peers.get(member)
    is_in = peer is not None and peer.standing is Standing.MEMBER
    return is_in and draft.courier(member).has_link


def _lowest(bits: int, count: int) -> list[int]:
    places: list[int] = []
    while bits and len(places) < count:
        lowest = bits & -bits
        places.append(lowest.bit_length() - 1)
        bits ^= lowest
    return places
