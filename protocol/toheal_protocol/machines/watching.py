"""Watching: which mailboxes a circle needs open right now.

Spec: docs/protocol/circle.md, section 4.
"""

from __future__ import annotations

from toheal_protocol.crypto import SealKey
from toheal_protocol.machines import seats
from toheal_protocol.machines.addressing import address_of
from toheal_protocol.machines.calls import JOIN
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Unwatch, Watch, WatchedMailbox
from toheal_protocol.machines.meetings import meeting_mailboxes
from toheal_protocol.machines.state import Invitation, Seat, Source
from toheal_protocol.messages.grants import MAIL
from toheal_protocol.messages.invitation import invitation_mailbox, reply_mailbox
from toheal_protocol.model import MemberId
from toheal_protocol.wire.relay_address import RelayAddress

Wanted = tuple[RelayAddress, WatchedMailbox, Source]


def watch_all(draft: Draft) -> None:
    """Ask for every mailbox somebody may use for us, and drop the ones nobody may any more."""
    wanted = _of_peers(draft) + _of_invitations(draft) + _of_expected_calls(draft)
    known = draft.live.watched
    addresses = {watched.address: relay for relay, watched, _ in wanted}
    fresh = [
        (relay, box)
        for relay, box, _ in wanted
        if box.address not in known or (box.is_watched and box.address not in draft.live.sources)
    ]
    for relay in dict.fromkeys(relay for relay, _ in fresh):
        draft.ask(Watch(relay, tuple(box for at, box in fresh if at == relay)))
    gone = [address for address in known if address not in addresses]
    for relay in dict.fromkeys(known[address] for address in gone):
        draft.ask(Unwatch(relay, tuple(a for a in gone if known[a] == relay)))
    sources = {watched.address: source for _, watched, source in wanted if watched.is_watched}
    draft.set_live(sources=sources, watched=addresses)


def _of_peers(draft: Draft) -> list[Wanted]:
    return [
        (
            box.relay,
            WatchedMailbox(box.read_seed, box.token, box.kind, box.address),
            Source(member, b"", box.seal_key, box.read_seed, box.number),
        )
        for member, peer in draft.cold.peers.items()
        for box in peer.mailboxes
    ]


def _of_invitations(draft: Draft) -> list[Wanted]:
    wanted: list[Wanted] = []
    for invitation in draft.cold.invitations:
        relay = invitation.relay
        if relay is None:
            continue
        if seats.keeps_mailbox(invitation, draft.wall_now):
            wanted.append(_content_mailbox(invitation, relay))
        if invitation.seat is Seat.OPEN or _is_somebody_coming(draft, invitation):
            wanted.append(_reply_mailbox(invitation, relay))
    return wanted


def _of_expected_calls(draft: Draft) -> list[Wanted]:
    """Return where a peer may call us, or say why a call of ours gets no answer."""
    wanted: list[Wanted] = []
    for member, peer in draft.cold.peers.items():
        if peer.listening is not None and peer.listening.purpose != JOIN:
            secret = peer.listening.secret
            wanted += _meeting_mailboxes(draft, member, secret, is_for_renewal=False)
        if peer.calling is not None and peer.calling.purpose != JOIN:
            secret = peer.calling.secret
            wanted += _meeting_mailboxes(draft, member, secret, is_for_renewal=True)
    return wanted


def _meeting_mailboxes(
    draft: Draft, member: MemberId, secret: bytes, *, is_for_renewal: bool
) -> list[Wanted]:
    caller = draft.our_id if is_for_renewal else None
    return [
        (
            relay,
            WatchedMailbox(read_seed, token, MAIL, address_of(read_seed)),
            Source(member, b"", seal_key, read_seed, is_for_renewal=is_for_renewal),
        )
        for relay, read_seed, token, seal_key in meeting_mailboxes(
            draft.cold, secret, caller=caller
        )
    ]


def _is_somebody_coming(draft: Draft, invitation: Invitation) -> bool:
    """Say whether somebody who came by it still writes to its reply mailbox."""
    return any(
        peer.invitation == invitation.id and peer.listening is not None
        for peer in draft.cold.peers.values()
    )


def _content_mailbox(invitation: Invitation, relay: RelayAddress) -> Wanted:
    """Only once it is closed do we look into it: to delete what must not be read any more."""
    read_seed, token = invitation_mailbox(invitation.secret)
    is_watched = invitation.seat is not Seat.OPEN
    box = WatchedMailbox(read_seed, token, MAIL, address_of(read_seed), is_watched=is_watched)
    return relay, box, Source(None, invitation.id, SealKey(b""), read_seed)


def _reply_mailbox(invitation: Invitation, relay: RelayAddress) -> Wanted:
    read_seed, token, seal_key = reply_mailbox(invitation.secret)
    box = WatchedMailbox(read_seed, token, MAIL, address_of(read_seed))
    return relay, box, Source(None, invitation.id, seal_key, read_seed)
