"""What was done in a circle, as the application's doors see it. Plain, as in `interface`."""

from __future__ import annotations

from attrs import field, frozen

from toheal_p2p.app.vocabulary import ActKind, ActReason, ActState, Role


@frozen
class ActView:
    """Something done in a circle that everybody sees and that is signed.

    Attributes:
        member, member_name: whom it is about; None where it is about nobody.
        role: the role somebody is to have.
        direct: for a policy, whether members are to connect directly.
        reason: why, for a removal, a role and a mute.
        asks_us: it waits, and we could support it.
        seen_at: when it came to this device; None where it came with a welcome, or is the beginning.
        returns_until: until when who was removed can be taken back; None: not, or not any more.
        until: when a term or a mute should end.
        text: the words to it, or the charter it is about.
        supporters: the names of who is for it, its author first.
        waiting_for: the names of who could support it, while it waits.
        facilitators, members: so many facilitators, or so many members, would be enough; 0: no
            number of facilitators is.
    """

    id: str
    kind: ActKind
    author: str
    author_name: str = field(repr=False)
    member: str | None
    member_name: str | None = field(repr=False)
    role: Role | None
    direct: bool | None
    reason: ActReason | None
    text: str = field(repr=False)
    state: ActState
    supporters: tuple[str, ...] = field(repr=False)
    waiting_for: tuple[str, ...] = field(repr=False)
    facilitators: int
    members: int
    until: int | None = None
    asks_us: bool = False
    seen_at: int | None = None
    returns_until: int | None = None
