"""What a circle's machines read: frames, notes, operations, bodies, and the records of the vault."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from tests.support.entropy import SeededEntropy
from tests.support.personas import person
from tests.support.world import World
from toheal_protocol.crypto import SealKey, Signature
from toheal_protocol.identity import encode_card
from toheal_protocol.machines.addressing import open_deposit, seal_deposit
from toheal_protocol.machines.state import Held
from toheal_protocol.machines.storing import (
    decode_cold,
    decode_held,
    decode_log,
    decode_pair,
    encode_held,
)
from toheal_protocol.messages.acts import (
    Acceptance,
    Act,
    Addition,
    CharterChange,
    Foundation,
    Leaving,
    Muting,
    PolicyChange,
    Reason,
    ReasonCategory,
    Removal,
    RoleChange,
    Second,
    Term,
    Unmuting,
    decode_act,
    encode_act,
    kind_of,
    sign_voucher,
    take_keys,
)
from toheal_protocol.messages.announcement import (
    Announcement,
    decode_announcement,
    encode_announcement,
)
from toheal_protocol.messages.asking import Answered, Asked, Range
from toheal_protocol.messages.bodies import TextBody, decode_text, encode_text
from toheal_protocol.messages.consent import Receipt, decode_receipt, encode_receipt
from toheal_protocol.messages.door_notes import (
    DoorWords,
    LanSecret,
    MeetAgain,
    TalkAgreed,
    TalkAsk,
    TalkLink,
    TalkYes,
    Unmet,
)
from toheal_protocol.messages.file_chunks import CHUNK_SIZE
from toheal_protocol.messages.file_notes import Chunk, ChunksMissing, ChunksWanted
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.messages.frames import (
    Answer,
    Envelope,
    Note,
    Opening,
    Passed,
    Renewal,
    decode_frame,
    encode_frame,
)
from toheal_protocol.messages.grants import MAIL, SIGNAL, Grant, encode_grants, take_grants
from toheal_protocol.messages.heads import Heads
from toheal_protocol.messages.invitation import (
    InvitationEnd,
    open_invitation_end,
    seal_invitation_end,
)
from toheal_protocol.messages.notes import (
    Ack,
    Acquaintance,
    AnyNote,
    AskLink,
    Carried,
    Declined,
    DirectChoice,
    Followed,
    ForkSeen,
    Granted,
    Head,
    Here,
    Introduction,
    Knock,
    Lasting,
    LinkAnswer,
    LinkOffer,
    Moved,
    NewCard,
    Unsaid,
    Wanted,
    Welcome,
    YourHead,
    decode_item,
    decode_note,
    encode_item,
    encode_note,
)
from toheal_protocol.messages.operations import (
    NO_CIRCLE,
    Operation,
    OperationKind,
    decode_operation,
    encode_operation,
    sign_operation,
)
from toheal_protocol.messages.share_notes import ShareAnswer, ShareAsk, ShareWithdrawn
from toheal_protocol.model import (
    Address,
    Audience,
    CircleId,
    DepositToken,
    Frame,
    Instant,
    MemberId,
    MessageId,
    OperationId,
    Role,
    WallTime,
)
from toheal_protocol.wire.codec import Reader
from toheal_protocol.wire.relay_address import RelayAddress

_OURS, _THEIRS = person(1), person(2)
_KEYS = _OURS.card.keys
_ID = MemberId(b"m" * 32)
_MID = MessageId(b"i" * 32)
_CIRCLE = CircleId(b"c" * 32)
_RELAY = RelayAddress("relay.example.org", 443, bytes(32))
_SEAL_KEY = SealKey(bytes(range(32)))


def _grant(number: int, kind: int) -> Grant:
    address, token = Address(b"a" * 16), DepositToken(b"t" * 16)
    return Grant(number, kind, _RELAY, address, token, _SEAL_KEY)


GRANTS = (_grant(1, MAIL), _grant(1, SIGNAL))

_ACQUAINTANCE = Acquaintance(encode_card(_THEIRS.card), "سلمى", b"s" * 32)

_WHY = Reason(ReasonCategory.HARM, b"t" * 32)
_PARENTS = (OperationId(b"p" * 32), OperationId(b"q" * 32))


def _signed(act: Act, *, circle: CircleId = _CIRCLE) -> Operation:
    parents = () if isinstance(act, Foundation) else _PARENTS
    return sign_operation(
        kind_of(act), circle=circle, parents=parents, body=encode_act(act), author=_OURS.persona
    )


CREATE = _signed(Foundation(b"n" * 32, _KEYS, True, b"h" * 32), circle=NO_CIRCLE)
ADD = _signed(
    Addition(
        _THEIRS.card.keys,
        b"h" * 32,
        sign_voucher(_THEIRS.persona, circle=_CIRCLE, charter=b"h" * 32),
    )
)
EVERY_OPERATION = (
    CREATE,
    ADD,
    _signed(Leaving()),
    _signed(Removal(_ID, 7, _WHY)),
    _signed(RoleChange(_ID, Role.LISTENER, 7, _WHY)),
    _signed(PolicyChange(True)),
    _signed(CharterChange(b"h" * 32)),
    _signed(Second(OperationId(b"o" * 32), 7)),
    _signed(Acceptance(b"h" * 32)),
    _signed(RoleChange(_ID, Role.FACILITATOR, 7, _WHY, until=1_800_000_000)),
    _signed(Term(_ID, 1_800_000_000)),
    _signed(Muting(_ID, 1_800_000_000, 7, _WHY)),
    _signed(Unmuting(_ID)),
)

EVERY_NOTE: tuple[AnyNote, ...] = (
    Ack(((3, 4), (6, 6))),
    Here(False, b"d" * 32, (OperationId(b"o" * 32),)),
    Heads(False, (Head(_ID, Audience.FACILITATORS, 7, _MID),)),
    Asked(5, (Range(_ID, Audience.CIRCLE, 3, 9),), (_MID,)),
    Answered(5, True),
    LinkOffer(b"a" * 16, b"s" * 32, b"blob"),
    LinkAnswer(b"a" * 16, b"s" * 32, b"blob"),
    ForkSeen(),
    Granted(GRANTS),
    Knock("نورس", b"h" * 32, Signature(b"v" * 64)),
    Welcome((OperationId(b"o" * 32),), "ميثاق", (Head(_ID, Audience.FACILITATORS, 7, _MID),)),
    Introduction(_ACQUAINTANCE),
    Introduction(_ACQUAINTANCE, is_yours_to_call=True),
    Declined(),
    NewCard(encode_card(_THEIRS.card)),
    YourHead(Audience.CIRCLE, 9, _MID),
    AskLink(),
    DirectChoice(True, 3),
    Carried((encode_announcement(Announcement(CREATE)), encode_announcement(Announcement(ADD)))),
    Wanted((OperationId(b"o" * 32),)),
    TalkAsk(b"t" * 16, None),
    TalkAsk(b"t" * 16, _ID),
    TalkYes(b"t" * 16),
    DoorWords("مرحبا"),
    TalkAgreed(b"t" * 16),
    Unmet(_ID, b"s" * 32),
    MeetAgain(_ID, b"s" * 32),
    TalkLink(b"t" * 16, "toheal:1:x"),
    LanSecret(3, _ID, b"s" * 32, (b"m" * 8, b"n" * 8)),
    ChunksWanted(FileId(b"f" * 32), ((0, 3), (9, 9))),
    Chunk(FileId(b"f" * 32), 2, (b"l" * 32, b"r" * 32), b"c" * CHUNK_SIZE),
    ChunksMissing(FileId(b"f" * 32), 1),
    ShareAsk(b"s" * 16, _MID, WallTime(9), "مرشدتي", "شرح", "كلمات"),
    ShareAnswer(b"s" * 16, Signature(b"v" * 64)),
    ShareAnswer(b"s" * 16, None),
    ShareWithdrawn(b"s" * 16),
    Moved(2, tuple(dict.fromkeys(grant.relay for grant in GRANTS))),
    Followed(2),
    Unsaid(Audience.CIRCLE, 9, _MID),
)
"""One of each kind; a test says that none is missing."""

EVERY_FRAME = (
    Opening(b"flight"),
    Answer(b"flight"),
    Renewal(b"card"),
    Note(b"sealed"),
    Envelope(b"wrap", b"common"),
    Passed(b"wrap", b"common"),
)
"""One of each kind."""

_WORLD = World(3)
_A, _B = _WORLD.bring_together()
_A.say("seed")
_A.say("seed", Audience.FACILITATORS)
_WORLD.run_for(5)
_HELD = Held(_ID, b"k" * 32, b"common", WallTime(1), Instant(1.0))


def _take_grants(frame: bytes) -> object:
    return take_grants(Reader(frame))


def _take_keys(frame: bytes) -> object:
    return take_keys(Reader(frame))


def _decode_act(frame: bytes) -> object:
    """The first byte chooses the kind, the rest is the body."""
    kinds = tuple(OperationKind)
    kind = kinds[frame[0] % len(kinds)] if frame else OperationKind.LEAVE
    return decode_act(evolve(CREATE, kind=kind, body=frame[1:]))


def _open_invitation_end(frame: bytes) -> object:
    return open_invitation_end(frame, secret=bytes(32))


def _open_deposit(frame: bytes) -> object:
    return open_deposit(_SEAL_KEY, frame)


PARSERS: tuple[tuple[str, Callable[[bytes], object]], ...] = (
    ("decode_frame", decode_frame),
    ("decode_note", decode_note),
    ("decode_item", decode_item),
    ("decode_operation", decode_operation),
    ("decode_act", _decode_act),
    ("decode_announcement", decode_announcement),
    ("take_keys", _take_keys),
    ("decode_text", decode_text),
    ("decode_receipt", decode_receipt),
    ("take_grants", _take_grants),
    ("open_deposit", _open_deposit),
    ("open_invitation_end", _open_invitation_end),
    ("decode_cold", decode_cold),
    ("decode_log", decode_log),
    ("decode_pair", decode_pair),
    ("decode_held", decode_held),
)

SEEDS: tuple[bytes, ...] = (
    *(encode_frame(frame) for frame in EVERY_FRAME),
    *(encode_note(note, seq=isinstance(note, Lasting), through=2) for note in EVERY_NOTE),
    *(encode_item(note) for note in EVERY_NOTE),
    *(encode_operation(operation) for operation in EVERY_OPERATION),
    *(bytes([operation.kind - 1]) + operation.body for operation in EVERY_OPERATION),
    encode_receipt(
        Receipt(
            _CIRCLE,
            _MID,
            _THEIRS.persona.keys.verify,
            b"h" * 32,
            WallTime(9),
            b"s" * 16,
            "مرشدتي",
            "شرح",
            Signature(b"v" * 64),
        )
    ),
    encode_announcement(Announcement(EVERY_OPERATION[2])),
    encode_text(TextBody("نص", 1_800_000_000, ("loss",))),
    encode_grants(GRANTS),
    seal_deposit(_SEAL_KEY, Frame(b"frame"), SeededEntropy(5)),
    seal_invitation_end(InvitationEnd.USED, secret=bytes(32), entropy=SeededEntropy(6)),
    _A.disk.blobs["cold"],
    _A.disk.blobs["log"],
    _A.disk.pairs[_B.id],
    encode_held(_HELD),
)
