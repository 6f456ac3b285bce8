"""The vault as its users see it: what can be kept, what can be asked, what can go wrong.

Writes are the records of the core (`toheal_protocol.machines.records`); what comes back are the
values below. `tests/adapters/test_vault_contract.py` runs one test against every implementation.

Spec: docs/vault.md, sections 4 and 5.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from attrs import field, frozen

from toheal_protocol.machines.lifetime import Ages
from toheal_protocol.machines.records import Write
from toheal_protocol.machines.sync_events import (
    FoundEntries as FoundEntries,
)
from toheal_protocol.machines.sync_events import (
    FoundEntry as FoundEntry,
)
from toheal_protocol.machines.sync_events import (
    Story as Story,
)
from toheal_protocol.messages.asking import Range
from toheal_protocol.messages.file_chunks import FileKey
from toheal_protocol.messages.file_tree import FileId
from toheal_protocol.model import (
    Audience,
    CircleId,
    Frame,
    MemberId,
    MessageId,
    OperationId,
    WallTime,
)

DeliveryState = Literal["sealed", "at_relay", "delivered", "undelivered"]
"""Where a message of ours is, for one recipient.

`sealed`: on this device only. `at_relay`: a relay that has not ended since holds it.
`delivered`: the recipient's device has acknowledged it. `undelivered`: given up.
"""


class VaultError(Exception):
    """The vault cannot do it. The message names the rule, never the content."""


class NoProfile(VaultError):
    """There is no vault in this folder."""


class ProfileExists(VaultError):
    """There is a vault in this folder already."""


class FolderTaken(VaultError):
    """The folder holds files of somebody else: a vault needs a folder of its own to wipe."""


class WrongPassphrase(VaultError):
    """The keyring does not open with this passphrase."""


class AlreadyRunning(VaultError):
    """Another process has this vault open."""


class DamagedVault(VaultError):
    """A file of the vault is missing, or its bytes were changed."""


class NewerVault(VaultError):
    """A later version of the program wrote it."""


class DiskFull(VaultError):
    """There is no room left to write."""


class NotEnoughMemory(VaultError):
    """The passphrase needs more memory to stretch than this machine gives."""


class StorageFailed(VaultError):
    """The operating system refused to read or write."""


class VaultClosed(VaultError):
    """It was closed, or broke earlier and takes nothing more."""


@frozen
class StoredCircle:
    """One circle as it was last written. Only circles with a `PutCircle` are there."""

    circle: CircleId
    blob: bytes = field(repr=False)
    log_blob: bytes | None = field(repr=False)
    pairs: Mapping[MemberId, bytes] = field(repr=False)
    held: Mapping[MessageId, bytes] = field(repr=False)


@frozen
class Stored:
    """Everything that is read once, at the start."""

    circles: tuple[StoredCircle, ...]
    settings: Mapping[str, bytes] = field(repr=False)
    ages: Ages = field(factory=Ages)


@frozen
class OwedRow:
    """One frame we owe. `boot` names the run of a relay that holds it; empty: none does."""

    seq: int
    mid: MessageId | None
    item: bytes = field(repr=False)
    frame: Frame = field(repr=False)
    boot: bytes


@frozen
class EntryRow:
    """One message as a page shows it.

    `position` grows with the order of acceptance on this device, over all circles, and is never
    used twice. What was edited has the text of the newest edit; what was retracted is of kind
    "retracted" and has none. What has disappeared is in no answer but `deliveries` while it is owed.

    `is_shown`: a person was shown it, or wrote it.
    `stays`: for so many seconds after that; 0: for ever. `left`: what is left of them; None before.
    """

    position: int
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
    passed_on_by: MemberId | None
    reply: MessageId | None
    is_edited: bool = False
    is_shown: bool = False
    stays: int = 0
    left: int | None = None


@frozen
class StoredEntry:
    """One message with all that is needed to pass it on."""

    row: EntryRow
    key: bytes = field(repr=False)
    common: bytes = field(repr=False)
    recipients: tuple[MemberId, ...]
    parents: tuple[MessageId, ...]


@frozen
class DeliveryRow:
    """Where one message of ours is, for one recipient."""

    mid: MessageId
    member: MemberId
    state: DeliveryState


@frozen
class AttachmentRow:
    """What a message says of its file, and how much of it is here.

    Attributes:
        medium: a number of the announcement.
        chunks: how many sealed chunks are here.
        is_whole: whether they were opened and are the file; None: nobody has looked.
    """

    mid: MessageId
    file: FileId = field(repr=False)
    key: FileKey = field(repr=False)
    size: int
    medium: int
    chunks: int
    is_whole: bool | None


@frozen
class ChunkRow:
    """One sealed chunk with its proof."""

    place: int
    proof: tuple[bytes, ...] = field(repr=False)
    sealed: bytes = field(repr=False)


class Snapshot(Protocol):
    """One moment of everything in a vault."""

    async def count(self) -> int:
        """Return how many messages there are."""
        ...

    def records(self) -> AsyncIterator[Sequence[Write]]:
        """Give everything but files' chunks, in the order in which it can be written again."""
        ...


class Vault(Protocol):
    """An open vault. Every method raises `VaultClosed` after `aclose`."""

    @property
    def was_put_back(self) -> bool:
        """Whether an older copy was found in the place of what we wrote last.

        Stays true over restarts until `accept_put_back`: the sessions in it must be reset first.
        """
        ...

    async def accept_put_back(self) -> None:
        """Clear `was_put_back`: the app has drawn its consequences, and they are committed."""
        ...

    async def commit(self, writes: Sequence[Write]) -> None:
        """Write all of it in one transaction, in this order, or nothing.

        On return it will survive a crash. Not cancellable, so never `Cancelled`: after an error
        nothing of it is there, and the vault takes no further commit.

        Raises:
            DiskFull: no room.
            StorageFailed, DamagedVault: the disk or the file is broken.
        """
        ...

    async def load(self) -> Stored:
        """Return every circle with its hot state, and the settings."""
        ...

    async def owed(
        self, circle: CircleId, member: MemberId, *, after: int, limit: int
    ) -> tuple[OwedRow, ...]:
        """Return at most `limit` frames owed to a member with `seq > after`, lowest first."""
        ...

    async def entries(
        self,
        circle: CircleId,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int,
        newest: bool = False,
    ) -> tuple[EntryRow, ...]:
        """Return at most `limit` entries with `after < position < before`, oldest first.

        Where there are more, `newest` decides which end is kept.
        """
        ...

    async def rows(
        self, circle: CircleId, mids: Sequence[MessageId]
    ) -> Mapping[MessageId, EntryRow]:
        """Return those of these messages that are here."""
        ...

    async def operation_times(self, circle: CircleId) -> Mapping[OperationId, WallTime]:
        """Return when each act that came as a message came here. Others came with a welcome."""
        ...

    async def entry(self, circle: CircleId, mid: MessageId) -> StoredEntry | None:
        """Return one entry with its key, or None."""
        ...

    async def ids_by_author(
        self,
        circle: CircleId,
        author: MemberId,
        audience: Audience,
        *,
        after: int,
        limit: int,
    ) -> tuple[tuple[int, MessageId], ...]:
        """Return `(author_seq, mid)` of one stream with `author_seq > after`, lowest first.

        One `author_seq` can come twice: then the author told two stories.
        """
        ...

    async def asked_entries(
        self,
        circle: CircleId,
        ranges: Sequence[Range],
        mids: Sequence[MessageId],
        *,
        after: int,
        limit: int,
        most: int,
    ) -> FoundEntries:
        """Return the messages in these ranges and with these ids, gaps left out.

        Those with a position above `after`, at most `limit` of them, and as many as have `most` bytes of common parts together, but one
        at least.
        """
        ...

    async def stories(
        self, circle: CircleId, author: MemberId, audience: Audience, seq: int
    ) -> tuple[Story, ...]:
        """Return every message with this number of one stream, oldest here first."""
        ...

    async def deliveries(
        self, circle: CircleId, mid: MessageId | None, *, limit: int
    ) -> tuple[DeliveryRow, ...]:
        """Return where our message is, or our `limit` newest ones (oldest first), per recipient.

        Nothing for a message that is not ours or not there.
        """
        ...

    async def search(
        self, circle: CircleId | None, query: str, *, limit: int
    ) -> tuple[EntryRow, ...]:
        """Return at most `limit` entries that hold every word of `query`, newest first.

        Words are compared as `adapters.search_text` says. Any string is a valid query.
        """
        ...

    async def attachments(
        self, circle: CircleId, mids: Sequence[MessageId]
    ) -> Mapping[MessageId, AttachmentRow]:
        """Return what these messages say of their files; nothing for those without one."""
        ...

    async def chunks(
        self, circle: CircleId, file: FileId, places: Sequence[int]
    ) -> tuple[ChunkRow, ...]:
        """Return the chunks of a file at these places, as far as they are here, by place."""
        ...

    async def chunk_places(self, circle: CircleId, file: FileId) -> tuple[int, ...]:
        """Return the places of the chunks that are here, rising."""
        ...

    async def chunk_count(self, circle: CircleId | None) -> int:
        """Return how many chunks a circle has here; None: all circles together."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """Lend one moment of everything, as of some commit; the vault goes on meanwhile.

        Raises:
            DiskFull, StorageFailed: no room for the copy.
        """
        ...

    async def aclose(self) -> None:
        """Close. A second time does nothing; works in a cancelled scope too."""
        ...
