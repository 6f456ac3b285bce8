"""The short words in which the application reports states, and the doors look up their sentences.

Kept apart from the views, so that a command can read them without loading `attrs`.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

CircleState = Literal["waiting_at_door", "active", "left", "declined", "removed"]
"""How we stand to a circle. `declined`: the door was not opened to us."""

Role = Literal["facilitator", "member", "listener"]
"""What somebody does in a circle. A listener reads and does not write."""

Audience = Literal["circle", "facilitators"]
"""Whom a message is for."""

ActKind = Literal[
    "create", "add", "leave", "remove", "role", "policy", "charter", "term", "mute", "unmute"
]
"""What was done in a circle."""

ActState = Literal["stands", "waits", "void", "moot"]
"""What became of it. `waits`: too few are for it yet; `void`: its author had no say, as others
decided meanwhile; `moot`: it waited, and what it was about is over."""

ActReason = Literal[
    "other", "confidence", "harm", "pressure", "impostor", "absent", "request", "term"
]
"""Why somebody is removed or has another role."""

DeliveryState = Literal["sealed", "at_relay", "delivered", "undelivered"]
"""Where a message of ours is, for one member: on this device only, at a relay, on their device,
given up."""

LinkKind = Literal["direct", "turn", "relay", "lan", "none"]
"""How a member is reached just now."""

MeetingState = Literal["closed", "searching", "met", "silent", "no_network"]
"""How meeting on the local network goes. `silent`: no other machine is heard there at all."""

RelayState = Literal["connected", "trying", "unreachable"]

RelayUse = Literal["reading", "leaving", "allowed", "named"]
"""What a circle does at a relay. `reading`: the others write to us there; `leaving`: we read what some
still write there; `allowed`: we write there to those who read there; `named`: some read there, and
we do not contact it."""

EntryKind = Literal[
    "text",
    "attachment",
    "request",
    "edit",
    "retraction",
    "retracted",
    "not_theirs",
    "joined",
    "left",
    "act",
    "second",
    "crossed",
    "hidden",
    "gap",
    "unknown",
]
"""What an entry is. `request`: the facilitators are asked to look at a message; `edit`, `retraction`:
an author changed a message, or took it back, which is then `retracted`; `not_theirs`: somebody tried
that with what is not theirs, and nothing changed; `act`: something done in the circle; `second`:
support for it; `crossed`: words that do not count, written beside their author's removal, or while
they were muted; `hidden`: words of somebody whom the person does not want to read; `unknown`:
made by a later version."""

ContentNote = Literal["loss", "self-harm", "suicide", "violence", "abuse", "eating", "other"]
"""The same tags as `toheal_protocol.messages.bodies.CONTENT_NOTES` (a test compares them)."""

AttachmentState = Literal["not_fetched", "partial", "here", "damaged"]
"""How much of an attached file is here. `damaged`: what came is not what its author announced."""

FILE_ENDINGS: Final = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/wav": "wav",
}
"""How a written file's name ends. The name is ours: its author's was never sent."""

SpokenState = Literal[
    "waiting", "found", "handed_over", "burned", "expired", "withdrawn", "no_seat"
]
"""How a spoken code stands. `found`: somebody said the right words, and a seat is being made."""

TalkState = Literal["asked", "offered", "agreed", "begun", "introducing"]
"""How a conversation of two stands. `agreed`: we said yes, and the other side's device does the rest."""

SeatState = Literal["open", "used", "withdrawn", "expired"]
"""What became of an offered seat."""

CheckCode = Literal[
    "vault_sound",
    "vault_put_back",
    "disk_nearly_full",
    "clock_agrees",
    "clock_doubtful",
    "clock_differs",
    "network_none",
    "network_wired",
    "network_wireless",
    "network_mobile",
    "network_vpn",
    "network_other",
    "proxy_none",
    "proxy_in_use",
    "lan_closed",
    "lan_searching",
    "lan_met",
    "lan_silent",
    "lan_no_network",
    "lan_off",
    "no_relay",
    "relay_connected",
    "relay_unreachable",
    "relay_no_answer",
    "relay_wrong_fingerprint",
    "relay_full",
    "relay_not_allowed",
    "relay_proxy_unreachable",
    "relay_proxy_refused",
    "udp_works",
    "udp_works_behind_nat",
    "udp_blocked",
    "udp_not_sent",
    "links_up",
    "links_by_relay_only",
    "links_none",
    "no_circle",
    "fork_seen",
    "session_reset",
    "stories_differ",
    "words_wait",
    "term_over",
]
"""What `doctor` can find. Each has a sentence `check.<code>`; those of a relay carry the fact
`address`, those of links, forks and an open meeting `circle`."""

ProgressCode = Literal[
    "connecting",
    "relay_connected",
    "trying_again",
    "trying_again_in",
    "fetching_invitation",
    "waiting_for_member",
    "opening_link",
    "relay_not_allowed",
    "through_proxy",
    "cleaning_file",
    "sealing_file",
    "fetching_file",
    "file_resumes",
    "file_no_link",
    "file_not_with",
    "file_nowhere",
    "backing_up",
    "restoring",
    "bundling",
    "unbundling",
]
"""What is being tried just now. Each has a sentence `progress.<code>`."""

SettingName = Literal[
    "proxy", "language", "digits", "colours", "neutral", "content-notes", "country", "auto-lock"
]
"""What a person can set. Each has a sentence `setting.<name>`."""

ATTACHMENT_STATES: Final[tuple[AttachmentState, ...]] = get_args(AttachmentState)
CIRCLE_STATES: Final[tuple[CircleState, ...]] = get_args(CircleState)
DISAPPEAR_TIMES: Final[dict[str, int]] = {
    "1d": 24 * 3600,
    "7d": 7 * 24 * 3600,
    "30d": 30 * 24 * 3600,
    "never": 0,
}
"""How long what one says may stay with its readers, in seconds."""

ShareState = Literal["asked", "granted", "refused", "withdrawn", "expired"]
"""What became of asking an author whether words may be shown outside."""

SHARE_STATES: Final[tuple[ShareState, ...]] = get_args(ShareState)
AUDIENCES: Final[tuple[Audience, ...]] = get_args(Audience)
ROLES: Final[tuple[Role, ...]] = get_args(Role)
DELIVERY_STATES: Final[tuple[DeliveryState, ...]] = get_args(DeliveryState)
LINK_KINDS: Final[tuple[LinkKind, ...]] = get_args(LinkKind)
MEETING_STATES: Final[tuple[MeetingState, ...]] = get_args(MeetingState)
RELAY_USES: Final[tuple[RelayUse, ...]] = get_args(RelayUse)
RELAY_STATES: Final[tuple[RelayState, ...]] = get_args(RelayState)
ACT_KINDS: Final[tuple[ActKind, ...]] = get_args(ActKind)
ACT_STATES: Final[tuple[ActState, ...]] = get_args(ActState)
ACT_REASONS: Final[tuple[ActReason, ...]] = get_args(ActReason)
ENTRY_KINDS: Final[tuple[EntryKind, ...]] = get_args(EntryKind)
CONTENT_NOTES: Final[tuple[ContentNote, ...]] = get_args(ContentNote)
PROGRESS_CODES: Final[tuple[ProgressCode, ...]] = get_args(ProgressCode)
SETTING_NAMES: Final[tuple[SettingName, ...]] = get_args(SettingName)
CHECK_CODES: Final[tuple[CheckCode, ...]] = get_args(CheckCode)
TALK_STATES: Final[tuple[TalkState, ...]] = get_args(TalkState)
SEAT_STATES: Final[tuple[SeatState, ...]] = get_args(SeatState)
SPOKEN_STATES: Final[tuple[SpokenState, ...]] = get_args(SpokenState)
