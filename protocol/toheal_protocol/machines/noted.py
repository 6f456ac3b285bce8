"""Notes: what a peer says apart from messages, and what is done about it.

Spec: docs/protocol/circle.md, section 3.
"""

from __future__ import annotations

from toheal_protocol.identity import clean_name
from toheal_protocol.machines import (
    cards,
    consent,
    door,
    door_words,
    greeting,
    lan_secrets,
    linking,
    meeting_again,
    moving,
    reset,
    sharing,
    talks,
    welcome,
)
from toheal_protocol.machines.addressing import (
    add_grants,
)
from toheal_protocol.machines.carrying import take_wanted
from toheal_protocol.machines.comparing import take_heads
from toheal_protocol.machines.courier import pump
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.fetching import take_chunk_note, take_missing_note
from toheal_protocol.machines.log import release_held
from toheal_protocol.machines.membership import take_carried
from toheal_protocol.machines.missing import take_answered
from toheal_protocol.machines.pair import (
    pass_note,
)
from toheal_protocol.machines.passing import take_asked
from toheal_protocol.machines.serving import take_chunks_wanted
from toheal_protocol.machines.state import Standing
from toheal_protocol.machines.unsaying import take_unsaid
from toheal_protocol.messages.asking import Answered, Asked
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
from toheal_protocol.messages.file_notes import Chunk, ChunksMissing, ChunksWanted
from toheal_protocol.messages.grants import Grant
from toheal_protocol.messages.heads import Heads
from toheal_protocol.messages.notes import (
    Ack,
    AnyNote,
    AskLink,
    Carried,
    Declined,
    DirectChoice,
    Followed,
    ForkSeen,
    Granted,
    Here,
    Introduction,
    Knock,
    LinkAnswer,
    LinkOffer,
    Moved,
    NewCard,
    Unsaid,
    Wanted,
    Welcome,
    YourHead,
)
from toheal_protocol.messages.share_notes import ShareAnswer, ShareAsk, ShareWithdrawn
from toheal_protocol.model import MemberId


def take_note(draft: Draft, member: MemberId, note: AnyNote) -> None:  # noqa: C901 - one flat list of all notes
    """Do what a peer says in a note; its number is counted already.

    Raises:
        RemoteError: it breaks a rule.
    """
    match note:
        case Ack():
            return  # taken when it was opened
        case Here():
            linking.take_here(draft, member, note)
        case LinkOffer():
            linking.take_offer(draft, member, note)
        case LinkAnswer():
            linking.take_answer(draft, member, note)
        case Heads():
            take_heads(draft, member, note)
        case Asked():
            take_asked(draft, member, note)
        case Answered():
            take_answered(draft, member, note)
        case AskLink():
            linking.take_asked(draft, member)
        case ForkSeen():
            if draft.peer(member).standing is Standing.MEMBER:  # at the door nobody alarms us
                show_fork(draft, member, told=True)
        case Granted(grants):
            _take_grants(draft, member, grants)
        case Knock(name):
            door.take_knock(draft, member, note, name=clean_name(name))
        case Welcome():
            welcome.take_welcome(draft, member, note)
            release_held(draft)
        case Carried():
            take_carried(draft, member, note)
            welcome.come_in(draft, member)
            release_held(draft)
        case Wanted():
            take_wanted(draft, member, note)
        case DoorWords():
            door_words.take_words(draft, member, note)
        case TalkAsk():
            talks.take_ask(draft, member, note)
        case TalkYes(talk):
            talks.take_yes(draft, member, talk)
        case TalkAgreed(talk):
            talks.take_agreed(draft, member, talk)
        case TalkLink():
            talks.take_link(draft, member, note)
        case Unmet():
            meeting_again.take_unmet(draft, member, note)
        case MeetAgain():
            meeting_again.take_meet_again(draft, member, note)
        case LanSecret():
            lan_secrets.take_secret(draft, member, note)
        case Introduction():
            welcome.take_introduction(draft, member, note)
        case Declined():
            door.take_declined(draft, member)
        case NewCard(card):
            cards.take_new_card(draft, member, card)
        case DirectChoice():
            consent.take_choice(draft, member, note)
        case Moved():
            moving.take_moved(draft, member, note)
        case Unsaid():
            take_unsaid(draft, member, note)
        case Followed():
            moving.take_followed(draft, member, note)
        case YourHead():
            reset.take_our_head(draft, member, note)
        case ChunksWanted():
            take_chunks_wanted(draft, member, note)
        case Chunk():
            take_chunk_note(draft, member, note)
        case ChunksMissing():
            take_missing_note(draft, member, note)
        case ShareAsk():
            sharing.take_ask(draft, member, note)
        case ShareAnswer():
            sharing.take_answer(draft, member, note)
        case ShareWithdrawn():
            sharing.take_withdrawn(draft, member, note)


def show_fork(draft: Draft, member: MemberId, *, told: bool = False) -> None:
    """Show that two copies run: of the peer (we saw it), or of ourselves (we were told)."""
    if not draft.peer(member).is_forked:
        draft.change_peer(member, is_forked=True)
        draft.ask(Tell("fork_told" if told else "fork_seen", member))
    if told:
        reset.ask_reset(draft, member)
    else:
        pass_note(draft, member, ForkSeen())


def _take_grants(draft: Draft, member: MemberId, grants: tuple[Grant, ...]) -> None:
    add_grants(draft, member, grants)
    moving.follow(draft, member)
    pump(draft, member)
    greeting.say_here(draft, member, is_reply=False)
    linking.open_if_wanted(draft, member)
