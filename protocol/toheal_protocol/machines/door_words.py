"""Words at the door: who waits and who looks after the door get to know each other a little.

They are no messages of the circle: nobody else gets them, they enter no log, and they are forgotten
with the yes or the no.

Spec: docs/protocol/circle.md, section 9.2.
"""

from __future__ import annotations

from typing import Final

from toheal_protocol.errors import ForgedMessage
from toheal_protocol.machines.door_said import DoorSaid
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.events import Tell
from toheal_protocol.machines.pair import owe_note
from toheal_protocol.machines.state import Cold, Peer, Stage, Standing
from toheal_protocol.messages.door_notes import DoorWords
from toheal_protocol.model import MemberId

MOST_BY_ONE: Final = 20
"""Times each side may say something: whoever has more to say is let in, or is not."""


def may_speak(cold: Cold, member: MemberId) -> bool:
    """Say whether a word to this one is possible: the door is between us, and there is room."""
    peer = cold.peers.get(member)
    return peer is not None and _is_at_door(cold, peer) and _said(peer, is_mine=True) < MOST_BY_ONE


def speak(draft: Draft, member: MemberId, text: str) -> None:
    """Say something through the door. Nothing happens where it may not be."""
    if may_speak(draft.cold, member):
        _keep(draft, member, text, is_mine=True)
        owe_note(draft, member, DoorWords(text))


def take_words(draft: Draft, member: MemberId, said: DoorWords) -> None:
    """Take what somebody says through the door; beyond the limit it is passed over.

    Raises:
        ForgedMessage: there is no door between us.
    """
    peer = draft.peer(member)
    if not _is_at_door(draft.cold, peer):
        raise ForgedMessage("words at a door where nobody stands")
    if _said(peer, is_mine=False) < MOST_BY_ONE:
        _keep(draft, member, said.text, is_mine=False)
        draft.ask(Tell("door_words", member))


def forget_words(draft: Draft, member: MemberId) -> None:
    """Forget what was said: the door is open, or closed."""
    if draft.peer(member).door_words:
        draft.change_peer(member, door_words=())


def _is_at_door(cold: Cold, peer: Peer) -> bool:
    if cold.stage is Stage.KNOCKING:
        return peer.standing is Standing.HOST
    return cold.stage is Stage.ACTIVE and peer.standing in (Standing.AT_DOOR, Standing.WAITING)


def _said(peer: Peer, *, is_mine: bool) -> int:
    return sum(one.is_mine is is_mine for one in peer.door_words)


def _keep(draft: Draft, member: MemberId, text: str, *, is_mine: bool) -> None:
    said = DoorSaid(is_mine, text, draft.wall_now)
    draft.change_peer(member, door_words=(*draft.peer(member).door_words, said))
