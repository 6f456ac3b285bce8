"""Random writes over a few keys, and everything that can be asked afterwards."""

from __future__ import annotations

from attrs import evolve
from hypothesis import strategies as st

from tests.support.vaults import (
    an_entry,
    an_owed,
    circle_id,
    made_up_id,
    member_id,
    message_id,
)
from toheal_p2p.ports.vault import Vault
from toheal_protocol.machines.lifetime import HARD_END, Ages
from toheal_protocol.machines.records import (
    ConfirmEntries,
    DropAttachment,
    DropCircle,
    DropEntry,
    DropHeld,
    DropOwed,
    DropStrayChunks,
    GiveUpOwed,
    MarkAtRelay,
    MarkAttachment,
    MarkShown,
    PutAges,
    PutAttachment,
    PutChunk,
    PutCircle,
    PutHeld,
    PutLog,
    PutPair,
    PutSetting,
    UnsayOwed,
)
from toheal_protocol.messages.asking import Range
from toheal_protocol.messages.file_chunks import FileKey
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.model import Audience, WallTime

some_circle = st.sampled_from([circle_id(1), circle_id(2)])
some_member = st.sampled_from([member_id(1), member_id(2)])
some_mid = st.sampled_from([message_id(number) for number in range(3)])
some_blob = st.binary(min_size=1, max_size=2)
some_seq = st.integers(0, 3)

some_file = st.sampled_from([FileId(made_up_id("file", number)) for number in range(2)])
some_place = st.integers(0, 2)

some_file_write = st.one_of(
    st.builds(
        PutAttachment,
        some_circle,
        some_mid,
        some_file,
        st.just(FileKey(b"k" * 32)),
        st.integers(1, 9),
        st.just(1),
    ),
    st.builds(MarkAttachment, some_circle, some_mid, st.booleans()),
    st.builds(DropAttachment, some_circle, some_mid, st.booleans()),
    # one chunk of one file is one sequence of bytes: its file id says so
    st.builds(
        lambda circle, file, place: PutChunk(
            circle, file, place, (b"s" * 32,) * 2, file + b"%d" % place
        ),
        some_circle,
        some_file,
        some_place,
    ),
    st.builds(DropStrayChunks),
)

some_write = st.one_of(
    some_file_write,
    st.builds(PutCircle, some_circle, some_blob),
    st.builds(PutLog, some_circle, some_blob),
    st.builds(PutPair, some_circle, some_member, some_blob),
    st.builds(PutSetting, st.sampled_from(["a", "b"]), some_blob),
    st.builds(DropCircle, some_circle),
    st.builds(PutHeld, some_circle, some_mid, some_blob),
    st.builds(DropHeld, some_circle, some_mid),
    st.builds(
        lambda circle, member, seq, mid, item: an_owed(
            seq, member=member, circle=circle, mid=mid, item=item
        ),
        some_circle,
        st.integers(1, 2),
        some_seq,
        st.none() | st.integers(0, 2),
        some_blob,
    ),
    st.builds(UnsayOwed, some_circle, some_mid, some_blob),
    st.builds(MarkAtRelay, some_circle, some_member, st.tuples(some_seq), some_blob),
    st.builds(DropOwed, some_circle, some_member, some_seq, st.tuples(some_seq)),
    st.builds(GiveUpOwed, some_circle, some_member),
    st.builds(MarkShown, some_circle, st.tuples(some_mid)),
    st.builds(
        PutAges,
        st.builds(
            Ages, st.integers(0, 9), st.integers(0, 2).map(HARD_END.__mul__), st.just(WallTime(7))
        ),
    ),
    st.builds(
        lambda circle, number, text, author, about, ttl, passer, previous: an_entry(
            number,
            passed_on_by=passer,
            previous=previous,
            circle=circle,
            text=text,
            author=author,
            kind=about[0],
            reply=about[1],
            ttl=ttl,
            is_mine=author == member_id(1),
            recipients=(member_id(1), member_id(2)),
        ),
        some_circle,
        st.integers(0, 2),
        st.sampled_from(["", "كَلِمة", "الكلمة x", "y"]),
        some_member,
        st.just(("text", None))
        | st.tuples(st.sampled_from(["text", "edit", "retraction"]), some_mid),
        st.sampled_from([0, 1, 5]),
        st.none() | some_member,
        st.none() | some_mid,
    ),
    st.builds(ConfirmEntries, some_circle, some_mid),
    st.builds(DropEntry, some_circle, some_mid),
)


async def everything(vault: Vault) -> list[object]:
    """Return all that can be asked of a vault, in a form that two vaults have in common.

    The order in which circles were made does not count, and of positions only their order.
    """
    circles = (circle_id(1), circle_id(2))
    stored = await vault.load()
    found: list[object] = [
        {one.circle: one for one in stored.circles},
        stored.settings,
        stored.ages,
    ]
    rows = [row for circle in circles for row in await vault.entries(circle, limit=99)]
    rank = {position: place for place, position in enumerate(sorted(row.position for row in rows))}
    found += [evolve(row, position=rank[row.position]) for row in rows]
    for circle in circles:
        matches = await vault.search(circle, "كلمة", limit=99)
        found.append([rank[row.position] for row in matches])
        found.append(await vault.deliveries(circle, None, limit=99))
        found.append(await vault.attachments(circle, [message_id(n) for n in range(3)]))
        found.append(await vault.chunk_count(circle))
        for number in range(2):
            file = FileId(made_up_id("file", number))
            found.append(await vault.chunk_places(circle, file))
            found.append(await vault.chunks(circle, file, range(3)))
        for number in range(3):
            kept = await vault.entry(circle, message_id(number))
            found.append(kept and (kept.key, kept.common))
        for member in (member_id(1), member_id(2)):
            found.append(await vault.owed(circle, member, after=-1, limit=99))
            found.append(
                await vault.ids_by_author(circle, member, Audience.CIRCLE, after=0, limit=99)
            )
            for audience in Audience:
                found += [await vault.stories(circle, member, audience, seq) for seq in range(3)]
            asked = Range(member, Audience.CIRCLE, 1, 2)
            mids = (message_id(0), message_id(1))
            some = await vault.asked_entries(circle, (asked,), mids, after=0, limit=2, most=500)
            rest = await vault.asked_entries(
                circle, (asked,), mids, after=some.upto, limit=9, most=900
            )
            found += [evolve(one, upto=0) for one in (some, rest)]
    return [*found, await vault.chunk_count(None)]
