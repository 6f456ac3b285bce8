"""What is kept of the newest owed frames answers as the vault would, or not at all."""

from __future__ import annotations

from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toheal_p2p.services import recent_owed
from toheal_p2p.services.recent_owed import RecentOwed
from toheal_protocol.machines.events import LoadOwed, OwedFrame, OwedLoaded
from toheal_protocol.machines.records import (
    DropOwed,
    GiveUpOwed,
    MarkAtRelay,
    PutOwed,
    Write,
    marked,
)
from toheal_protocol.model import CircleId, Frame, MemberId

CIRCLE = CircleId(bytes(32))
MEMBERS = (MemberId(bytes([1]) * 32), MemberId(bytes([2]) * 32))
LAST_BEFORE = 5
"""What the vault held already when the process started."""

member = st.sampled_from(MEMBERS)
number = st.integers(LAST_BEFORE - 2, LAST_BEFORE + 8)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), member, st.integers(1, 60)),
        st.tuples(st.just("seal again"), member, number),
        st.tuples(st.just("drop"), member, number, st.lists(number, max_size=4)),
        st.tuples(st.just("mark"), member, st.lists(number, max_size=4)),
        st.tuples(st.just("give up"), member),
        st.tuples(st.just("load"), member, st.integers(0, 40), number, st.integers(1, 9)),
    ),
    max_size=60,
)


class PlainVault:
    """Every row, and nothing clever."""

    def __init__(self) -> None:
        self.rows = {
            m: {s: OwedFrame(s, None, b"", b"old", b"") for s in range(1, LAST_BEFORE + 1)}
            for m in MEMBERS
        }
        self.next_seq = dict.fromkeys(MEMBERS, LAST_BEFORE + 1)

    def take(self, write: Write) -> None:
        match write:
            case PutOwed(member=m, seq=seq):
                self.rows[m][seq] = OwedFrame(seq, write.mid, write.item, write.frame, b"")
                self.next_seq[m] = max(self.next_seq[m], seq + 1)
            case DropOwed(member=m):
                for seq in [s for s in self.rows[m] if s <= write.through or s in write.beyond]:
                    del self.rows[m][seq]
            case MarkAtRelay(member=m):
                for seq in set(write.seqs) & set(self.rows[m]):
                    self.rows[m][seq] = evolve(
                        self.rows[m][seq], boot=marked(self.rows[m][seq].boot, write.boot)
                    )
            case GiveUpOwed(member=m):
                self.rows[m].clear()

    def answer(self, asked: LoadOwed) -> OwedLoaded:
        rows = self.rows[asked.member]
        found = [rows[s] for s in sorted(rows) if asked.after < s <= asked.upto]
        is_complete = len(found) <= asked.limit
        return OwedLoaded(asked.member, asked.upto, is_complete, tuple(found[: asked.limit]))


@settings(max_examples=300)
@example([("put", MEMBERS[0], 5), ("put", MEMBERS[0], 6), ("seal again", MEMBERS[0], 6)], 1_000_000)
@given(steps, st.sampled_from((100, 1_000_000)))
def test_memory_never_contradicts_the_vault(
    steps: list[tuple[object, ...]], kept_most: int
) -> None:
    before, recent_owed.KEPT_MOST = recent_owed.KEPT_MOST, kept_most  # type: ignore[misc]
    try:
        _follow(steps)
    finally:
        recent_owed.KEPT_MOST = before  # type: ignore[misc]


def _follow(steps: list[tuple[object, ...]]) -> None:
    vault, recent = PlainVault(), RecentOwed()
    for name, who, *rest in steps:
        if name == "load":
            after, upto, limit = rest
            asked = LoadOwed(who, after, max(after, upto), limit)
            answer, truth = recent.answer(asked), vault.answer(asked)
            if answer is not None:
                assert answer.frames == truth.frames
                assert truth.is_complete or not answer.is_complete
        elif (write := _write(vault, name, who, rest)) is not None:
            recent.note([write], next_seq=dict(vault.next_seq).__getitem__)
            vault.take(write)
    for member, owed in recent._members.items():
        kept = sum(len(row.frame) + len(row.item) for row in owed.rows.values())
        assert recent.size_for(member) == kept
        assert owed.rows.items() <= vault.rows[member].items()
        assert list(owed.rows) == sorted(owed.rows)


def _write(vault: PlainVault, name: object, who: MemberId, rest: list) -> Write | None:
    match name:
        case "put":
            frame = Frame(bytes(rest[0]))
            return PutOwed(CIRCLE, who, vault.next_seq[who], None, b"item", frame)
        case "seal again" if rest[0] in vault.rows[who]:
            return PutOwed(CIRCLE, who, rest[0], None, b"item", Frame(b"sealed again"))
        case "drop":
            return DropOwed(CIRCLE, who, rest[0], tuple(rest[1]))
        case "mark":
            return MarkAtRelay(CIRCLE, who, tuple(rest[0]), b"boot")
        case "give up":
            return GiveUpOwed(CIRCLE, who)
    return None


def test_what_was_owed_before_the_start_is_left_to_the_vault() -> None:
    recent, frame = RecentOwed(), Frame(b"frame")
    put = PutOwed(CIRCLE, MEMBERS[0], 6, None, b"item", frame)
    recent.note([put], next_seq=lambda _member: 6)
    assert recent.answer(LoadOwed(MEMBERS[0], 4, 6, 64)) is None
    row = OwedFrame(6, None, b"item", frame, b"")
    assert recent.answer(LoadOwed(MEMBERS[0], 5, 6, 64)) == OwedLoaded(MEMBERS[0], 6, True, (row,))
