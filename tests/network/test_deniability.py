"""What was said can be denied, what was signed cannot.

A reader who wants to prove what somebody said has only this to show: its own device, with every
key on it, and the frames that came. The judge here gets exactly that and runs our own program on
it. The reader makes up a frame with words never said, from what is on its own device and without
any secret of the author's; the judge finds it as good as a true one. An act of governance, put
into a frame that was made up the same way, is refused: it needs a signature.
"""

from __future__ import annotations

import pytest
from attrs import evolve, frozen

from tests.network.test_removal import gather, now, state
from tests.support.entropy import SeededEntropy
from tests.support.world import Person, World
from toheal_protocol.crypto import DhSecretKey, Signature
from toheal_protocol.envelope import (
    MARK_SIZE,
    Content,
    ContentKey,
    Parent,
    encode_content,
    message_id,
    seal_content,
)
from toheal_protocol.errors import ForgedMessage
from toheal_protocol.machines import events as m
from toheal_protocol.machines.circle import step
from toheal_protocol.machines.ledgers import membership_of
from toheal_protocol.machines.state import Circle, Stream
from toheal_protocol.membership import Membership
from toheal_protocol.messages.acts import Leaving, encode_act, kind_of
from toheal_protocol.messages.announcement import Announcement, encode_announcement
from toheal_protocol.messages.bodies import ContentKind, TextBody, encode_text
from toheal_protocol.messages.frames import Envelope, decode_frame, encode_frame
from toheal_protocol.messages.operations import Operation, sign_operation, verify_operation
from toheal_protocol.model import Audience, Instant, MemberId
from toheal_protocol.ratchet import seal_message
from toheal_protocol.ratchet.state import Sending
from toheal_protocol.wire.codec import u64

SENT_AT = 1_800_000_100
TRUE, FALSE = "I will come on Tuesday", "I never liked you all."


@frozen
class Verdict:
    """What the judge sees when the program takes a frame: who said what, in which terms."""

    shown: tuple[tuple[MemberId, str, str, int, bool], ...]
    told: tuple[str, ...]
    membership: Membership


def judge(device: Circle, author: MemberId, frame: bytes) -> Verdict:
    """Run the program on the reader's device as it was, and let it take one frame."""
    decision = step(
        device,
        m.FramesArrived(author, (frame,)),
        now=Instant(10_000.0),
        wall_now=World(0).person("judge").wall,
        entropy=SeededEntropy(5),
    )
    cold = decision.circle.cold
    return Verdict(
        shown=tuple(
            (e.entry.author, e.entry.kind, e.entry.text, e.entry.author_seq, e.entry.is_mine)
            for e in decision.effects
            if isinstance(e, m.Show)
        ),
        told=tuple(e.what for e in decision.effects if isinstance(e, m.Tell)),
        membership=membership_of(cold.id, cold.operations),
    )


def make_up(device: Circle, author: MemberId, kind: ContentKind, body: bytes) -> bytes:
    """Make the author's next frame from what the reader's device holds, and nothing else."""
    pair, entropy = device.pairs[author], SeededEntropy(6)
    head = device.log.heads[Stream(author, Audience.CIRCLE)]
    content = Content(
        circle_id=device.cold.id,
        audience=Audience.CIRCLE,
        author_seq=head.seq + 1,
        prev_own=head.mid,
        parents=(Parent(author[:MARK_SIZE], Audience.CIRCLE, head.seq, head.mid),),
        view=membership_of(device.cold.id, device.cold.operations).heads,
        lamport=device.log.newest_for(Audience.CIRCLE).lamport + 1,
        ttl=7 * 24 * 3600,
        type=kind,
        reply=None,
        body=body,
    )
    key = ContentKey(entropy.draw(32))
    common = seal_content(encode_content(content), key, author=author)
    session = pair.session
    assert session is not None and session.receiving is not None
    theirs = session.receiving
    as_if_ours = Sending(
        header_key=theirs.header_key,
        chain_key=theirs.chain_key,
        number=theirs.number,
        previous=0,
        dh=theirs.dh,
        secret=DhSecretKey(bytes(32)),
        flags=0,
        tail=b"",
        offered=None,
    )
    _, wrap = seal_message(
        evolve(session, ours=as_if_ours),
        u64(pair.received_through + 1) + key,
        message_id(common),
        entropy=entropy,
        now=World(0).person("forger").wall,
    )
    return bytes(encode_frame(Envelope(wrap, common)))


def a_reader_and_its_author(seed: int) -> tuple[Circle, Person, bytes]:
    """A reader's device, its author, and the author's next true frame for it."""
    world, (reader, author, *_) = gather(seed, 3)
    author.say("good evening")
    author.say("all of you")
    world.run_for(30)
    world.disconnect(reader)
    for member in list(reader.links):
        world.cut_link(reader, member)
    device = state(reader)
    author.say(TRUE)
    [owed] = [row for row in author.disk.owed[reader.id].values() if row.mid is not None]
    return device, author, owed.frame


def words(text: str) -> bytes:
    return encode_text(TextBody(text, SENT_AT))


@pytest.mark.parametrize("seed", range(3))
def test_a_transcript_made_up_without_the_authors_keys_is_as_good_as_the_true_one(
    seed: int,
) -> None:
    device, author, true_frame = a_reader_and_its_author(seed)
    true = judge(device, author.id, true_frame)
    false = judge(device, author.id, make_up(device, author.id, ContentKind.TEXT, words(FALSE)))
    [(*who, said, seq, is_mine)] = true.shown
    assert (who, said, is_mine) == ([author.id, "text"], TRUE, False)
    assert false == evolve(true, shown=((author.id, "text", FALSE, seq, False),))


def test_what_is_made_up_shows_itself_in_no_size() -> None:
    device, author, true_frame = a_reader_and_its_author(3)
    made_up = make_up(device, author.id, ContentKind.TEXT, words(FALSE))
    true, false = decode_frame(true_frame), decode_frame(made_up)
    assert isinstance(true, Envelope) and isinstance(false, Envelope)
    assert len(true.common) == len(false.common)
    assert true.common[:1] == false.common[:1]


def test_what_is_made_up_holds_only_for_the_author_whose_session_it_is() -> None:
    """It is no way to speak as somebody to others: only who shares the session can make it."""
    device, author, _ = a_reader_and_its_author(4)
    [other] = [one for one in device.cold.peers if one != author.id]
    made_up = make_up(device, author.id, ContentKind.TEXT, words(FALSE))
    assert judge(device, other, made_up).shown == ()


def forged_leaving(device: Circle, author: MemberId, *, signed: bool) -> Operation:
    """Let the author leave: signed by the reader in its name, or with bytes for a signature."""
    act, heads = Leaving(), membership_of(device.cold.id, device.cold.operations).heads
    ours = sign_operation(
        kind_of(act),
        circle=device.cold.id,
        parents=heads,
        body=encode_act(act),
        author=device.cold.persona,
    )
    signature = ours.signature if signed else Signature(bytes(64))
    return evolve(ours, author=author, signature=signature)


@pytest.mark.parametrize("signed", [False, True])
def test_an_act_of_governance_cannot_be_made_up(*, signed: bool) -> None:
    device, author, _ = a_reader_and_its_author(5)
    operation = forged_leaving(device, author.id, signed=signed)
    body = encode_announcement(Announcement(operation, ""))
    verdict = judge(device, author.id, make_up(device, author.id, ContentKind.OPERATION, body))
    assert verdict.shown == () and "unreadable" in verdict.told
    assert verdict.membership == membership_of(device.cold.id, device.cold.operations)
    with pytest.raises(ForgedMessage):
        verify_operation(operation, device.cold.peers[author.id].keys.verify)


def test_a_true_act_of_governance_convinces_everybody() -> None:
    world, (reader, author, _) = gather(6, 3)
    author.feed(m.Left())
    world.run_for(30)
    [leaving] = [one for one in now(reader).outcomes if isinstance(one.act, Leaving)]
    assert leaving.author == author.id and author.id not in now(reader).members
