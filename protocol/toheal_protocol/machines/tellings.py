"""What a person should be told."""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.model import MemberId


@frozen
class Tell:
    """Something happened that a person should be told. `what` is one of `TELLINGS`."""

    what: str
    member: MemberId | None = None
    text: str = field(default="", repr=False)


TELLINGS = (
    "admitted",
    "back",
    "confirmed",
    "declined",
    "door_words",
    "fork_seen",
    "fork_told",
    "gap_filled",
    "invitation_made",
    "joined",
    "left",
    "removed",
    "session_reset",
    "share_answered",
    "share_asked",
    "share_withdrawn",
    "stories_differ",
    "talk_agreed",
    "talk_offered",
    "unreadable",
    "waiting",
)
"""What `Tell` can say."""
