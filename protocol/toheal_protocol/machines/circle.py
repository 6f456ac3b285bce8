"""One circle: the function every event goes through.

`step` is the whole border of the core: `(circle, event, now, wall_now, entropy)` in, the next
circle, what to write and what to do out. Whatever comes from outside and breaks the rules changes
nothing and looks the same to whoever sent it.

Spec: docs/protocol/circle.md.
"""

from __future__ import annotations

from typing import assert_never

from toheal_protocol.crypto import Entropy
from toheal_protocol.machines import (
    bundling,
    consent,
    courier,
    door,
    governing,
    greeting,
    lan,
    linking,
    moving,
    pairing_events,
    passing,
    reset,
    restoring,
    routes,
    seats,
    sharing,
    spreading,
    stories,
    sync_events,
    talking,
    talks,
    welcome,
)
from toheal_protocol.machines import events as happened
from toheal_protocol.machines.alarms import next_alarm, ring
from toheal_protocol.machines.arrivals import take_link_frames, take_mail
from toheal_protocol.machines.calls import deposit_invitation, repeat_call, repeat_unconfirmed
from toheal_protocol.machines.draft import Decision, Draft
from toheal_protocol.machines.file_effects import (
    Attached,
    AttachmentDropped,
    ChunksLoaded,
    FetchAsked,
    FetchStopped,
)
from toheal_protocol.machines.files import follow_files, take_file_event
from toheal_protocol.machines.log import restart_gaps
from toheal_protocol.machines.pair import ack_if_untold, acknowledge_if_due, offer_keys, seal_again
from toheal_protocol.machines.state import Circle, Courier, Seat, Stage
from toheal_protocol.machines.unsaying import without_unsaid
from toheal_protocol.machines.watching import watch_all
from toheal_protocol.model import Instant, WallTime
from toheal_protocol.wire.relay_address import RelayAddress


def step(
    circle: Circle,
    event: happened.Event,
    *,
    now: Instant,
    wall_now: WallTime,
    entropy: Entropy,
) -> Decision:
    """Take one event and return the next state, what to write, and what to do after that."""
    draft = Draft(circle, now=now, wall_now=wall_now, entropy=entropy)
    if isinstance(event, pairing_events.PairingEvent):
        talks.take_event(draft, event)
    else:
        _take(draft, event)
    if draft.cold.is_direct is not circle.cold.is_direct:
        consent.follow_circle(draft)
    if draft.cold.stage is Stage.ACTIVE and circle.cold.stage is Stage.REMOVED:
        greeting.greet(draft)
    follow_files(draft)
    for member, present in draft.live.couriers.items():
        if present.ack_at is not None:
            acknowledge_if_due(draft, member)
    if draft.cold is not circle.cold or isinstance(event, happened.Started):
        watch_all(draft)
    return draft.decide(wake_at=next_alarm(draft))


def _take(draft: Draft, event: happened.CircleEvent) -> None:  # noqa: C901 - one flat list of all events
    match event:
        case happened.Started():
            draft.set_live(up_at=draft.now)
            restart_gaps(draft)
        case happened.Submitted():
            talking.submit(draft, event)
        case happened.SubmittedTogether(said):
            for one in said:
                talking.submit(draft, one)
        case happened.HelpAsked():
            talking.ask_help(draft, event)
        case happened.Edited():
            talking.edit(draft, event)
        case happened.Retracted():
            talking.retract(draft, event)
        case happened.HidingChosen(member, is_hidden):
            hidden = draft.cold.hidden - {member}
            draft.set_cold(hidden=hidden | {member} if is_hidden else hidden)
        case happened.DisappearChosen(ttl):
            draft.set_cold(disappear=ttl)
        case happened.ShareRequested():
            sharing.ask(draft, event)
        case happened.ShareAnswered():
            sharing.answer(draft, event)
        case happened.ShareTakenBack(serial):
            sharing.withdraw(draft, serial)
        case happened.Invited(lifetime, relay, is_notice):
            seats.invite(draft, lifetime=lifetime, relay=relay, is_notice=is_notice)
        case happened.InvitationWithdrawn(invitation):
            seats.close_invitation(draft, invitation, Seat.WITHDRAWN)
        case happened.Admitted(member):
            door.admit(draft, member)
        case happened.Refused(member):
            door.decline(draft, member)
        case happened.Acted(wanted, text):
            governing.act(draft, wanted, text=text)
        case happened.Readmitted(member):
            welcome.readmit(draft, member)
        case happened.Left():
            governing.leave(draft)
        case happened.ResetAsked(member):
            reset.ask_reset(draft, member)
        case happened.Restored():
            restoring.begin_again(draft)
        case happened.DirectChosen(member, is_allowed):
            consent.choose_direct(draft, member, is_allowed=is_allowed)
        case happened.RelayAdded(relay):
            moving.add_relay(draft, relay)
        case happened.RelayDropped(relay):
            moving.drop_relay(draft, relay)
        case happened.RelayAllowed(relay):
            moving.allow_relay(draft, relay)
        case happened.Ending():
            spreading.end(draft)
        case happened.NetworkChanged():
            linking.take_network_changed(draft)
        case happened.MailArrived(relay, mail):
            take_mail(draft, relay, mail)
        case happened.FramesArrived(member, frames):
            take_link_frames(draft, member, frames)
        case happened.RelayUp(relay, boot):
            _relay_up(draft, relay, boot)
        case happened.RelayDown(relay):
            routes.lose_relay(draft, relay)
        case happened.RelaySilent(relay):
            routes.doubt_relay(draft, relay)
        case happened.RelayHeard(relay):
            routes.trust_relay(draft, relay)
        case happened.Deposited(ticket):
            courier.take_deposit_answer(draft, ticket, retry_after=None)
        case happened.DepositRefused(ticket, retry_after):
            courier.take_deposit_answer(draft, ticket, retry_after=retry_after)
        case happened.OwedLoaded():
            _owed_loaded(draft, event)
        case sync_events.EntriesFound():
            passing.take_found(draft, event)
        case sync_events.StoriesFound():
            stories.take_stories(draft, event)
        case sync_events.BundleSealed():
            bundling.seal_bundle(draft, event)
        case sync_events.BundleOpened():
            bundling.open_bundle(draft, event)
        case sync_events.ItemsBrought():
            bundling.take_items(draft, event)
        case happened.LinkPrepared(member, attempt, blob):
            linking.take_prepared(draft, member, attempt, blob)
        case happened.LinkOpened(member, attempt):
            linking.take_opened(draft, member, attempt)
            offer_keys(draft, member)
        case happened.LinkAging(member, attempt):
            linking.take_aging(draft, member, attempt)
        case happened.LinkClosed(member, attempt):
            linking.take_closed(draft, member, attempt)
        case happened.LanMet(member, wire):
            lan.take_met(draft, member, wire)
        case happened.LanKnocked(invitation, wire, frames):
            lan.take_knocked(draft, invitation, wire, frames)
        case happened.LanArrived(member, frames):
            lan.take_frames(draft, member, frames)
        case happened.LanParted(member, wire):
            lan.take_parted(draft, member, wire)
        case happened.Woke():
            ring(draft)
        case Attached() | FetchAsked() | FetchStopped() | AttachmentDropped() | ChunksLoaded():
            take_file_event(draft, event)
        case _:
            assert_never(event)


def _relay_up(draft: Draft, relay: RelayAddress, boot: bytes) -> None:
    routes.find_relay(draft, relay, boot)
    moving.follow_all(draft)
    for invitation in draft.cold.invitations:
        if seats.keeps_mailbox(invitation, draft.wall_now) and invitation.relay == relay:
            deposit_invitation(draft, invitation)
    for member in draft.cold.peers:
        draft.set_courier(member, draft.live.couriers.get(member) or Courier())
        if not routes.is_used(draft, member, relay):
            courier.copy_again(draft, member)
            continue  # what another relay carries does not have to go out once more
        repeat_call(draft, member)  # first: whoever begins anew must not be heard as before
        repeat_unconfirmed(draft, member)
        if not draft.courier(member).has_link:
            courier.start_over(draft, member)
            greeting.greet_in_turn(draft, member)
            ack_if_untold(draft, member)
        linking.relay_is_up(draft, member)


def _owed_loaded(draft: Draft, event: happened.OwedLoaded) -> None:
    member = event.member
    pair = draft.pair(member)
    if pair.session is None or not pair.session.can_send:
        draft.change_courier(member, is_loading=False, is_outdated=False)
        return
    if reset.is_numbering(draft, member):
        reset.number_anew(draft, event)
        return
    anew = courier.SEALED_ANEW if draft.courier(member).is_sealing_anew else 0
    draft.change_courier(member, is_sealing_anew=False)
    frames = tuple(
        seal_again(draft, member, without_unsaid(draft, owed), anew=place < anew)
        for place, owed in enumerate(event.frames)
        if not courier.is_acked(draft, member, owed.seq)
    )
    last = event.frames[-1].seq if event.frames else event.upto
    upto = event.upto if event.is_complete else last
    courier.take_loaded(draft, member, frames, upto=upto)
