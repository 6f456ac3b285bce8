"""Looking behind an invitation's link: fetching what the inviter left at the relay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from toheal_p2p.app.interface import ProgressView, Report
from toheal_p2p.app.refusals import RefusalCode, Refused
from toheal_p2p.services.relay_connection import (
    MailArrived,
    RelayConnection,
    RelayDown,
    RelayUp,
    WatchedMailbox,
)
from toheal_protocol.crypto import token_of
from toheal_protocol.errors import RemoteError
from toheal_protocol.messages.grants import MAIL
from toheal_protocol.messages.invitation import (
    InvitationContent,
    InvitationEnd,
    invitation_mailbox,
    open_invitation,
    open_invitation_end,
)
from toheal_protocol.model import WallTime
from toheal_protocol.wire.invitation_link import (
    InvitationLink,
    NoInvitation,
    parse_invitation_link,
)
from toheal_protocol.wire.relay_address import RelayAddress

FETCH_DEADLINE: Final = 15.0
"""Seconds to reach the relay and get the invitation's content."""

SILENT_AFTER: Final = 3.0
"""Seconds of trying again after the relay was out of reach once; it may only be starting."""

EMPTY_AFTER: Final = 4.0
"""Seconds after which a mailbox that brought nothing counts as empty."""

DAY: Final = 24 * 3600

MOST_AHEAD: Final = 15 * DAY
"""Seconds an invitation can still be open: seats are offered for 14 days at most. One that ends
later was not made by a better clock: ours is behind."""

MOST_BEHIND: Final = 300 * DAY
"""Seconds since an invitation's end beyond which our clock is the likelier fault: nobody is sent
a link that was over most of a year ago."""

_ENDS: Final[dict[InvitationEnd, RefusalCode]] = {
    InvitationEnd.USED: "invitation_used",
    InvitationEnd.WITHDRAWN: "invitation_withdrawn",
    InvitationEnd.EXPIRED: "invitation_expired",
}


def read_link(text: str, *, wall_now: WallTime) -> InvitationLink:
    """Read a link as a person pasted it.

    Raises:
        Refused: it is not one of ours, mangled, or its time is over.
    """
    try:
        link = parse_invitation_link(text.strip())
    except NoInvitation:
        raise Refused("invitation_foreign") from None
    except RemoteError:
        raise Refused("invitation_malformed") from None
    if not -MOST_BEHIND < link.expires - wall_now < MOST_AHEAD:
        raise Refused("clock_doubtful")
    if link.expires <= wall_now:
        raise Refused("invitation_expired")
    return link


async def fetch_content(
    link: InvitationLink,
    *,
    connect: Callable[[RelayAddress], RelayConnection],
    report: Report | None = None,
) -> InvitationContent:
    """Fetch and open what a link points to.

    Args:
        report: told what is being tried.

    Raises:
        Refused: the relay is out of reach, nothing lies there (any more), or it does not fit.
    """
    report = report or _tell_nobody
    relay = _relay_of(link)
    address = {"address": str(relay)}
    connection = connect(relay)
    read_seed, token = invitation_mailbox(link.secret)
    mailbox = WatchedMailbox(read_seed=read_seed, token_hash=token_of(token), kind=MAIL)
    connection.watch([mailbox])
    problem: RefusalCode = "relay_unreachable"
    content: InvitationContent | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run)
        await report(ProgressView("connecting", address))
        slack = connection.line().slack
        with trio.move_on_after(FETCH_DEADLINE + slack) as patience:
            async for event in connection.events:
                match event:
                    case RelayUp():
                        problem = "invitation_unreachable"
                        await report(ProgressView("fetching_invitation", address))
                        patience.deadline = trio.current_time() + EMPTY_AFTER + slack / 5
                    case RelayDown(reason="wrong_fingerprint"):
                        problem = "relay_wrong_fingerprint"
                        break
                    case RelayDown(reason="full"):
                        problem = "relay_full"
                        break
                    case RelayDown(reason="proxy_unreachable" | "proxy_refused" as reason):
                        problem = reason
                        break
                    case RelayDown() if problem == "relay_unreachable":
                        soon = trio.current_time() + SILENT_AFTER + slack / 5
                        patience.deadline = min(patience.deadline, soon)
                        await report(ProgressView("trying_again", address))
                    case MailArrived(frame=frame):
                        content, end = _open(frame, link), _open_end(frame, link)
                        problem = "invitation_malformed" if end is None else _ENDS[end]
                        if content is not None or end is not None:
                            break
                    case _:
                        pass
        nursery.cancel_scope.cancel()
    if content is None:
        raise Refused(problem, address=str(relay))
    return content


def _relay_of(link: InvitationLink) -> RelayAddress:
    if link.relay is None:
        raise Refused("invitation_of_a_room")
    return link.relay


async def _tell_nobody(_progress: ProgressView) -> None:
    """Tell nobody."""


def _open_end(frame: bytes, link: InvitationLink) -> InvitationEnd | None:
    try:
        return open_invitation_end(frame, secret=link.secret)
    except RemoteError:
        return None  # it is the content, or garbage


def _open(frame: bytes, link: InvitationLink) -> InvitationContent | None:
    try:
        return open_invitation(frame, link=link)
    except RemoteError:
        return None  # anybody who has the token may leave garbage beside the real one
