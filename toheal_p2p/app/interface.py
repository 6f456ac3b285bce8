"""The application as its doors see it: what can be asked, and the values that come back.

Everything is plain: `str` for ids, `int` for times, tuples for many. An id is lower-case hex.
Where a method takes a circle, a member, a message or an invitation, it takes what a person types:
an id, the beginning of one, or a name exactly as it is shown. Two that fit are `ambiguous_name`.

Every method may raise `Refused`; nothing else is meant for a person. Cancelling one stops the
waiting and never half of a change: what was decided is committed.

Times are whole seconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import trio
from attrs import field, frozen

from toheal_p2p.app.act_view import ActView as ActView
from toheal_p2p.app.bundles_interface import BundlesInterface as BundlesInterface
from toheal_p2p.app.bundles_interface import BundleView as BundleView
from toheal_p2p.app.bundles_interface import TakenBundleView as TakenBundleView
from toheal_p2p.app.circle_relays_interface import CircleRelays
from toheal_p2p.app.drafts_interface import DraftsInterface as DraftsInterface
from toheal_p2p.app.entry_view import DeliveryView as DeliveryView
from toheal_p2p.app.entry_view import EntryView as EntryView
from toheal_p2p.app.entry_view import QuoteView as QuoteView
from toheal_p2p.app.entry_view import RetractionView as RetractionView
from toheal_p2p.app.files_interface import AttachmentView as AttachmentView
from toheal_p2p.app.files_interface import FilesInterface as FilesInterface
from toheal_p2p.app.idleness import Idleness
from toheal_p2p.app.keeping_interface import BackupView as BackupView
from toheal_p2p.app.keeping_interface import KeepingInterface as KeepingInterface
from toheal_p2p.app.meeting_interface import MeetingInterface as MeetingInterface
from toheal_p2p.app.meeting_interface import MeetingView as MeetingView
from toheal_p2p.app.notices_interface import DoorLineView as DoorLineView
from toheal_p2p.app.notices_interface import NoticesInterface
from toheal_p2p.app.notices_interface import NoticeView as NoticeView
from toheal_p2p.app.notices_interface import SeatView as SeatView
from toheal_p2p.app.progress_view import ProgressView as ProgressView
from toheal_p2p.app.progress_view import Report as Report
from toheal_p2p.app.refusals import Fact, RefusalCode
from toheal_p2p.app.rules_interface import CharterView as CharterView
from toheal_p2p.app.rules_interface import PolicyView as PolicyView
from toheal_p2p.app.rules_interface import RulesInterface
from toheal_p2p.app.settings_interface import SettingsInterface
from toheal_p2p.app.share_view import ExportView as ExportView
from toheal_p2p.app.share_view import ShareView as ShareView
from toheal_p2p.app.share_view import SharingInterface
from toheal_p2p.app.spoken_interface import SpokenInterface
from toheal_p2p.app.talking_interface import TalkingInterface
from toheal_p2p.app.talks_interface import TalksInterface
from toheal_p2p.app.talks_interface import TalkView as TalkView
from toheal_p2p.app.vocabulary import (
    ActReason,
    CheckCode,
    CircleState,
    LinkKind,
    ProgressCode,
    RelayState,
    Role,
)
from toheal_p2p.app.voices_interface import VoicesInterface


@frozen
class CircleView:
    """One circle, as it stands with us. `relays` empty: nothing but the same network reaches it.

    `disappear`: seconds for which what we say stays with its readers; 0: for ever.
    """

    id: str
    name: str = field(repr=False)
    my_name: str = field(repr=False)
    state: CircleState
    members: int
    relays: tuple[str, ...] = field(repr=False)
    direct: bool
    disappear: int = 7 * 24 * 3600
    charter_accepted: bool = True
    """Whether we have said yes to the charter in force; until then we read and do not write."""
    is_talk: bool = False
    """Whether it is a conversation of two."""
    muted_until: int | None = None
    """Until when we may not write to the circle; None: we may."""


@frozen
class MemberView:
    """One member of a circle.

    `fork_seen`: two copies of this member were at work, and nobody has confirmed to have seen it.
    `stories_differ`: two different messages of theirs have one number, and nobody has confirmed it.
    `charter_accepted`: has said yes to the charter in force.
    `term_until`: when their term as a facilitator ends; None where that was not said.
    `term_over`: it should have ended by this device's clock. The role stays until it is laid down.
    `muted_until`: their words to the circle are not shown; None: they are. It may be past already:
    it is over with the first words they write then.
    `hidden`: we do not want to read what they say to the circle. Nobody else knows.
    """

    id: str
    name: str = field(repr=False)
    role: Role
    is_me: bool
    fork_seen: bool
    charter_accepted: bool = True
    term_until: int | None = None
    term_over: bool = False
    muted_until: int | None = None
    hidden: bool = False
    stories_differ: bool = False


@frozen
class InvitationView:
    """One seat that was offered. `link` admits whoever holds it to the door."""

    id: str
    link: str = field(repr=False)
    expires_at: int


@frozen
class InvitationContentView:
    """What an invitation says before anything is answered."""

    circle_name: str = field(repr=False)
    inviter_name: str = field(repr=False)
    charter: str = field(repr=False)
    expires_at: int
    direct: bool = False
    """Members of this circle connect directly, and see each other's network address."""


@frozen
class WaitingView:
    """Somebody at the door."""

    id: str
    name: str = field(repr=False)
    since: int
    notice: str | None = field(default=None, repr=False)
    """The topic of the notice they came by."""


@frozen
class RelayView:
    """One relay.

    Attributes:
        reason: None unless it is out of reach.
        again_in: seconds until it is tried again; None where nothing is waited for.
    """

    address: str
    state: RelayState
    reason: RefusalCode | None
    again_in: int | None = None


@frozen
class DirectView:
    """What two members have said about connecting directly; it takes a yes of both."""

    member: str
    member_name: str = field(repr=False)
    mine: bool
    theirs: bool


@frozen
class LinkView:
    """How one member is reached now. `round_trip_ms` is None where nothing was measured."""

    member: str
    member_name: str = field(repr=False)
    link: LinkKind
    round_trip_ms: float | None
    trying: ProgressCode | None = None
    """What is being tried to reach them (better), with `trying_facts` for its sentence."""
    trying_facts: Mapping[str, Fact] = field(factory=dict, repr=False)


@frozen
class CheckView:
    """One thing `doctor` looked at; its sentence is `check.<code>` with these facts."""

    name: str
    ok: bool
    code: CheckCode
    facts: Mapping[str, Fact] = field(factory=dict, repr=False)


class AppInterface(
    TalkingInterface,
    SharingInterface,
    CircleRelays,
    RulesInterface,
    TalksInterface,
    NoticesInterface,
    VoicesInterface,
    Protocol,
):
    """One opened profile."""

    @property
    def meeting(self) -> MeetingInterface:
        """Meeting on the local network."""
        ...

    @property
    def files(self) -> FilesInterface:
        """Pictures and voice notes."""
        ...

    @property
    def drafts(self) -> DraftsInterface:
        """Words that were typed and not sent."""
        ...

    @property
    def spoken(self) -> SpokenInterface:
        """Codes that are said aloud instead of links."""
        ...

    @property
    def idleness(self) -> Idleness:
        """For how long nobody has used the profile."""
        ...

    @property
    def backups(self) -> KeepingInterface:
        """Everything in one file."""
        ...

    @property
    def bundles(self) -> BundlesInterface:
        """Messages that travel in a file."""
        ...

    @property
    def settings(self) -> SettingsInterface:
        """What the person can set."""
        ...

    async def circle_create(
        self,
        name: str,
        *,
        relays: Sequence[str],
        direct: bool,
        charter: str,
        nickname: str | None,
        disappear: int = 7 * 24 * 3600,
    ) -> CircleView:
        """Begin a circle. `relays` empty: the profile's own; none at all: on the LAN only.

        `nickname` None: the profile's name.

        Raises:
            Refused: name_*, charter_empty, charter_too_long, relay_address_malformed,
                too_many_relays, disappear_unfit.
        """
        ...

    async def circle_list(self) -> Sequence[CircleView]:
        """Return every circle, those we left included, oldest first."""
        ...

    async def circle_members(self, circle: str) -> Sequence[MemberView]:
        """Return the members, ourselves included."""
        ...

    async def circle_leave(self, circle: str) -> None:
        """Leave. Nobody is asked why; a second time is `left_circle`."""
        ...

    async def circle_seen(self, circle: str) -> None:
        """Confirm that the person has seen the warnings about copies and sessions begun anew."""
        ...

    async def circle_acts(self, circle: str) -> Sequence[ActView]:
        """Return what was done in the circle, by whom and why, and what became of it; oldest first."""
        ...

    async def circle_remove(
        self, circle: str, who: str, *, reason: ActReason, text: str
    ) -> ActView:
        """Sign that somebody is to be out; whether that is enough is in what comes back.

        Raises:
            Refused: no_such_member, act_on_oneself, act_not_ours, text_too_long.
        """
        ...

    async def circle_role(
        self, circle: str, who: str, role: Role, *, reason: ActReason, text: str, weeks: int = 4
    ) -> ActView:
        """Sign that somebody is to have a role; a facilitator for so many weeks.

        Raises:
            Refused: no_such_member, role_already, act_not_ours, text_too_long, term_unfit.
        """
        ...

    async def circle_second(self, circle: str, act: str) -> ActView:
        """Sign that we support an act that waits; give what became of it.

        Raises:
            Refused: no_such_act, act_not_ours.
        """
        ...

    async def circle_readmit(self, circle: str, who: str) -> None:
        """Take somebody back who was removed: no_such_member, not_a_facilitator, circle_full."""
        ...

    async def invite(self, circle: str, *, expires_in: int) -> InvitationView:
        """Offer one seat for `expires_in` seconds. Returns once the offer is durable here.

        Raises:
            Refused: no_relay, not_a_facilitator, circle_full, not_admitted_yet, left_circle.
        """
        ...

    async def invitations(self, circle: str) -> Sequence[InvitationView]:
        """Return the seats that are offered and neither taken, expired nor withdrawn."""
        ...

    async def withdraw_invitation(self, circle: str, invitation: str) -> None:
        """Take an offered seat back: its link opens nothing any more. Or a spoken code."""
        ...

    async def look_at_invitation(
        self, link: str, *, report: Report | None = None
    ) -> InvitationContentView:
        """Fetch what the invitation says from its relay. May take seconds; tells nobody.

        Raises:
            Refused: invitation_*, relay_unreachable, relay_wrong_fingerprint, clock_doubtful.
        """
        ...

    async def join(self, link: str, *, nickname: str) -> CircleView:
        """Say yes to the charter and knock. Returns once that is durable, state waiting_at_door.

        Raises:
            Refused: as `look_at_invitation`, and name_*, already_a_member.
        """
        ...

    async def waiting(self, circle: str) -> Sequence[WaitingView]:
        """Return who stands at the door, longest first."""
        ...

    async def admit(self, circle: str, who: str) -> None:
        """Let somebody in: nobody_waiting, circle_full, not_a_facilitator."""
        ...

    async def decline(self, circle: str, who: str) -> None:
        """Keep the door closed to somebody, who is told so without a reason."""
        ...

    async def relay_add(self, address: str) -> None:
        """Add a relay to the profile's own. Whether it answers is seen in `relay_list`."""
        ...

    async def relay_list(self) -> Sequence[RelayView]:
        """Return the profile's own relays."""
        ...

    async def relay_remove(self, address: str) -> None:
        """Remove one of the profile's relays; circles that use it go on using it."""
        ...

    async def links(self, circle: str) -> Sequence[LinkView]:
        """Return how each other member is reached now."""
        ...

    async def direct(self, circle: str, who: str, *, allow: bool) -> DirectView:
        """Say whether a member and we may connect directly; it holds once this returns."""
        ...

    async def safety_words(
        self, circle: str, who: str, *, language: Literal["ar", "en"]
    ) -> Sequence[str]:
        """Return the eight words that we and this member compare aloud."""
        ...

    async def doctor(self) -> Sequence[CheckView]:
        """Look at everything that could be wrong."""
        ...

    async def drain(self) -> int:
        """Let leave what can, for two seconds at most; return for how many members something stays.

        What stays is kept, and leaves when the program runs again.
        """
        ...

    async def lock(self, *, is_drained: bool = False) -> None:
        """Forget every key and end the process.

        What can leave leaves first, as by `drain`, unless that was done (`is_drained`).
        As with `wipe`, the end begins (by cancelling) as the last step, without a checkpoint
        after it: the door still has an answer to give.
        """
        ...

    async def change_passphrase(self, old: str, new: str) -> None:
        """Move everything under another passphrase.

        Raises:
            Refused: wrong_passphrase, passphrase_empty, disk_full, storage_failed.
        """
        ...

    async def wipe(self) -> None:
        """Destroy this profile on this device, and end the process."""
        ...


class Serve(Protocol):
    """A door: serves one app until it is cancelled.

    `await nursery.start(serve, app, home)` returns when the door can be knocked at; only then is
    `on_ready` called. A door that fails takes nothing else down with it.
    """

    async def __call__(
        self,
        app: AppInterface,
        home: Path,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve."""
        ...
