"""Write `wire.json`: what this version sends, byte for byte, with the keys that open it.

It is the guard of the next version: what cannot be read any more has to be a decision and not an
accident. Two people say something over a relay; the reader's session is kept as it was before, so
that every frame that came can be opened again, in order. ML-KEM draws randomness of its own, so
another run writes other bytes: the file is made once for each version of the wire, and kept.

Run: `python -m tests.vectors.make_wire_transcript` from the project's root.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.parsers_circle import EVERY_FRAME, EVERY_NOTE
from tests.support.world import Person, World
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines import sync_events
from toheal_protocol.machines.addressing import open_deposit
from toheal_protocol.machines.draft import Draft
from toheal_protocol.machines.pair import pass_note
from toheal_protocol.machines.passing import hand_over_passed
from toheal_protocol.messages.asking import Answered, Asked, Range
from toheal_protocol.messages.frames import encode_frame
from toheal_protocol.messages.notes import encode_item
from toheal_protocol.model import Audience, Instant
from toheal_protocol.ratchet import encode_session

HERE = Path(__file__).parent


def transcript() -> dict[str, Any]:
    """Return all of it."""
    return {
        "notes": [
            {"note": type(note).__name__, "item": encode_item(note).hex()} for note in EVERY_NOTE
        ],
        "frames": [
            {"frame": type(frame).__name__, "bytes": encode_frame(frame).hex()}
            for frame in EVERY_FRAME
        ],
        "talk": _talk(),
    }


def _talk() -> dict[str, Any]:
    world = World(20_260_101)
    ours, theirs = world.bring_together(is_direct=False)
    world.run_for(30)
    world.links_allowed = False
    assert theirs.circle is not None
    session = theirs.circle.pairs[ours.id].session
    assert session is not None
    world.keep_deposits = True
    ours.say("أهلًا")
    ours.say("hello " * 200)
    _send_of_every_kind(ours, theirs)
    world.run_for(0.5)
    keys = {
        box.address: box.seal_key
        for peer in theirs.circle.cold.peers.values()
        for box in peer.mailboxes
    }
    deposits = []
    for address, deposit in world.relay.deposited:
        if address in keys:
            frame = _opened(keys[address], deposit)
            row = {"seal_key": keys[address], "deposit": deposit, "frame": frame}
            deposits.append({name: value.hex() for name, value in row.items()})
    return {"session": encode_session(session).hex(), "deposits": deposits}


def _send_of_every_kind(ours: Person, theirs: Person) -> None:
    assert ours.circle is not None
    draft = Draft(
        ours.circle, now=Instant(ours.world.now), wall_now=ours.wall, entropy=ours.entropy
    )
    wanted = Range(theirs.id, Audience.CIRCLE, 1, 9)
    pass_note(draft, theirs.id, Asked(1, (wanted,)))
    entry = next(entry for entry in ours.disk.entries.values() if entry.text == "أهلًا")
    found = sync_events.FoundEntry(ours.id, entry.mid, entry.key, entry.common)
    hand_over_passed(draft, theirs.id, found)
    pass_note(draft, theirs.id, Answered(1, True))
    decision = draft.decide(wake_at=ours.alarm)
    ours.disk.apply(decision.writes)
    ours.circle = decision.circle
    for effect in decision.effects:
        ours.world.perform(ours, effect)


def _opened(key: Any, deposit: bytes) -> bytes:  # Any: a seal key
    try:
        return open_deposit(key, deposit)
    except RemoteError:
        raise SystemExit("a deposit that its own key does not open") from None


if __name__ == "__main__":
    written = json.dumps(transcript(), indent=1, ensure_ascii=False)
    (HERE / "wire.json").write_text(written + "\n", encoding="utf-8")
