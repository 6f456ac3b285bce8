"""What a machine asks to have written: every decision ends in a tuple of these.

Every record is a plain put or drop, and each can be applied twice without harm. So the shell may
group the writes of many decisions into one transaction, and of several `PutCircle`, `PutLog` or
`PutPair` with one key only the last has to reach the disk.

The core does not know what a vault is: a `blob` is the encoding of some state, made and read
again by the machine that owns it.

Spec: docs/vault.md, section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import field, frozen

from toheal_protocol.machines.lifetime import Ages
from toheal_protocol.messages.file_chunks import FileKey
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.model import Audience, CircleId, Frame, MemberId, MessageId, WallTime

MARKS_KEPT: Final = 4
"""Runs of relays noted with one owed frame: two relays, and the run of each before this one."""

MARK_SIZE: Final = 16
"""Bytes that name one run of a relay."""


def marked(marks: bytes, boot: bytes) -> bytes:
    """Return the runs in which a frame lies at a relay, with one more."""
    known = {marks[at : at + MARK_SIZE] for at in range(0, len(marks), MARK_SIZE)}
    if boot in known:
        return marks
    return (marks + boot)[-MARKS_KEPT * MARK_SIZE :] if boot else b""


def has_never_left(item: bytes) -> bool:
    """Say whether an owed item was never sealed: its session and time of sealing are zero."""
    return not any(item[:8])


Encoded = bytes | Callable[[], bytes]
"""The encoding of a frozen state, or what makes it: of many in one transaction only the last is made."""


@frozen
class PutCircle:
    """The cold state of a circle: personas, membership, settings. The last one wins."""

    circle: CircleId
    blob: bytes = field(repr=False)


@frozen
class PutLog:
    """The small hot state of a circle's log: frontier, counters. The last one wins."""

    __match_args__ = ("circle", "blob")

    circle: CircleId
    _encoded: Encoded = field(repr=False, alias="blob")

    @property
    def blob(self) -> bytes:
        """The encoded state."""
        return self._encoded if isinstance(self._encoded, bytes) else self._encoded()


@frozen
class PutPair:
    """Our session with one member and what belongs to it. The last one wins."""

    __match_args__ = ("circle", "member", "blob")

    circle: CircleId
    member: MemberId
    _encoded: Encoded = field(repr=False, alias="blob")

    @property
    def blob(self) -> bytes:
        """The encoded session."""
        return self._encoded if isinstance(self._encoded, bytes) else self._encoded()


@frozen(slots=False)
class PutOwed:
    """A frame we owe to a member until their device acknowledges it.

    A second one with the same `seq` replaces the first (sealed again under another session) and
    lies at no relay.

    Attributes:
        seq: place in the order of what we owe to this member; 0 to 2**63 - 1.
        mid: the message it carries, or None for what is no message (an operation, a request).
        item: what is needed to seal it again under another session.
        frame: what goes over a link or into a mailbox.
    """

    circle: CircleId
    member: MemberId
    seq: int
    mid: MessageId | None
    item: bytes = field(repr=False)
    frame: Frame = field(repr=False)


@frozen
class UnsayOwed:
    """A message of ours is taken back: to whom it never left, something else is owed in its place.

    An item that was sealed once, or lies in a bundle, may have left and stays as it is. The message
    is from now on undelivered to the others.

    Attributes:
        item: what is owed instead, under the same `seq` and not sealed yet.
    """

    circle: CircleId
    mid: MessageId
    item: bytes = field(repr=False)


@frozen
class MarkAtRelay:
    """Note that these owed frames lie at one relay more, in the run of it named by `boot`.

    A run has a name of 16 bytes, and the relay forgets everything when it ends. Of one frame the
    last `MARKS_KEPT` are kept, joined; empty bytes say that the frames lie nowhere any more. A
    `seq` that is owed no longer is passed over.
    """

    circle: CircleId
    member: MemberId
    seqs: tuple[int, ...]
    boot: bytes


@frozen
class DropOwed:
    """A member's device has acknowledged: drop every `seq <= through`, and those in `beyond`."""

    circle: CircleId
    member: MemberId
    through: int
    beyond: tuple[int, ...] = ()


@frozen
class GiveUpOwed:
    """Forget every frame owed to a member who will never fetch it (removed, or left).

    Unlike `DropOwed` it does not claim that anything arrived: the messages they carried are
    from now on shown as undelivered to this member.
    """

    circle: CircleId
    member: MemberId


@frozen(slots=False)
class PutEntry:
    """One accepted message of a circle. A second one with the same `mid` replaces the first.

    The place of an entry in the order of acceptance stays that of its first put.

    Attributes:
        audience: whom it is for.
        author_seq: the author's own count of messages to this audience.
        kind: what sort of message, a short word of the message layer.
        text: what a person reads and searches; empty for what is shown otherwise.
        sent_at: what the author's clock said; may be wrong by years.
        received_at: what our clock said at acceptance.
        notes: content notes the author chose.
        key: the content key K (32 bytes), needed to wrap the message for somebody else.
        common: the sealed common part as it was received.
        recipients: whom the author wrapped it for; of our own messages, who still may owe an ack.
        passed_on_by: who wrapped it again for us, if it was not the author.
        parents: the messages it refers to as its predecessors.
        previous: the author's message before it in the same stream.
        reply: the message it answers, if any.
        ttl: seconds after it was shown when it is to be forgotten; 0: never.
    """

    circle: CircleId
    mid: MessageId
    author: MemberId
    audience: Audience
    author_seq: int
    kind: str
    text: str = field(repr=False)
    sent_at: WallTime
    received_at: WallTime
    is_mine: bool
    notes: tuple[str, ...] = field(repr=False)
    key: bytes = field(repr=False)
    common: bytes = field(repr=False)
    recipients: tuple[MemberId, ...]
    passed_on_by: MemberId | None
    parents: tuple[MessageId, ...]
    reply: MessageId | None = None
    ttl: int = 0
    previous: MessageId | None = None


@frozen
class KeptEntry:
    """An entry as another vault had it, on its way into a new one.

    Attributes:
        came: the unseen count when it was accepted there.
        shown: the seen count when it was shown first; None: it was not.
        undelivered: of its recipients, who will never fetch it.
    """

    entry: PutEntry
    came: int
    shown: int | None
    undelivered: tuple[MemberId, ...] = ()


@frozen
class PutForgotten:
    """These messages were here and disappeared: a repeat brings nothing back."""

    circle: CircleId
    mids: tuple[MessageId, ...]


@frozen
class ConfirmEntries:
    """The author stood by this message, and so by every one before it in its stream.

    They were passed on by nobody any more, from `mid` along `previous` down to the first one that
    is confirmed already, or is not here.
    """

    circle: CircleId
    mid: MessageId


@frozen
class DropEntry:
    """Take an entry back that is no message: a gap that was filled."""

    circle: CircleId
    mid: MessageId


@frozen
class MarkShown:
    """These messages are shown to a person: from now on the time runs after which they disappear.

    Of one that was shown before nothing changes; one that is not there is passed over.
    """

    circle: CircleId
    mids: tuple[MessageId, ...]


@frozen
class PutAges:
    """So much time has passed; whatever is over by `lifetime.is_over` is forgotten with this.

    Text, notes, words, key and common part go together. What is still owed to somebody is kept
    until it is delivered, and shown to nobody. A repeat of what was forgotten brings nothing back.
    """

    ages: Ages


@frozen
class PutHeld:
    """A message that waits for its parents."""

    circle: CircleId
    mid: MessageId
    blob: bytes = field(repr=False)


@frozen
class DropHeld:
    """Its parents have come, or we gave up: it waits no longer."""

    circle: CircleId
    mid: MessageId


@frozen
class PutAttachment:
    """What a message says of its file. A second one with the same `mid` replaces the first.

    Attributes:
        file: names the sealed chunks.
        key: opens them, 32 bytes.
        size: bytes of the file.
        medium: what it is, a number of the announcement.
    """

    circle: CircleId
    mid: MessageId
    file: FileId = field(repr=False)
    key: FileKey = field(repr=False)
    size: int
    medium: int


@frozen
class MarkAttachment:
    """Its chunks were opened: what came out is the file, or it is not."""

    circle: CircleId
    mid: MessageId
    is_whole: bool


@frozen
class DropAttachment:
    """Forget what a message says of its file, and its chunks unless another message has them.

    With `keeps_facts` the chunks go and the facts stay: it can be fetched again.
    """

    circle: CircleId
    mid: MessageId
    keeps_facts: bool = False


@frozen
class PutChunk:
    """One sealed chunk of a file with its proof; the same one twice is the same."""

    circle: CircleId
    file: FileId = field(repr=False)
    place: int
    proof: tuple[bytes, ...] = field(repr=False)
    sealed: bytes = field(repr=False)


@frozen
class DropStrayChunks:
    """Forget the chunks that no message names: of attachments whose making was interrupted."""


@frozen
class DropCircle:
    """Forget a circle with everything in it."""

    circle: CircleId


@frozen
class PutSetting:
    """A setting of the whole profile. The last one wins; empty bytes are a value too."""

    name: str
    value: bytes = field(repr=False)


Write = (
    PutCircle
    | PutLog
    | PutPair
    | PutOwed
    | UnsayOwed
    | MarkAtRelay
    | DropOwed
    | GiveUpOwed
    | PutEntry
    | KeptEntry
    | PutForgotten
    | ConfirmEntries
    | DropEntry
    | MarkShown
    | PutAges
    | PutHeld
    | DropHeld
    | PutAttachment
    | MarkAttachment
    | DropAttachment
    | PutChunk
    | DropStrayChunks
    | DropCircle
    | PutSetting
)
"""Anything that can be written. Writes are applied in the order they were decided."""
