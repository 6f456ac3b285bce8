"""Discovery: which packets a circle sends on one network, when, and whom it hears of.

```
open -> ask, announce ----1 s----> ask, announce -> ask after 3, 9, 27 s, then each minute
                 somebody asks for our label ----20 to 120 ms----> announce, once a second at most
```
It stands for one circle on one network for one day at most; the shell makes a new one when the day
turns, with new names and another port. It never reads an address: the packet's own is all that counts.

Source: RFC 6762, sections 5.2, 6 and 8.3. Spec: docs/protocol/lan.md, section 3.
"""

from __future__ import annotations

from base64 import b32encode
from typing import Final

from attrs import evolve, frozen

from toheal_protocol.crypto import Entropy
from toheal_protocol.errors import RemoteError
from toheal_protocol.model import Instant
from toheal_protocol.wire.lan_dns import (
    Advert,
    decode_packet,
    encode_advert,
    encode_question,
    may_hold,
)

ASK_AFTER: Final = (1.0, 2.0, 6.0, 18.0)
"""Seconds between the first questions; a lost packet costs a second, not a minute."""

ASK_EVERY: Final = 60.0
"""Seconds between two questions after that."""

ANNOUNCE_AGAIN: Final = 1.0
"""Seconds after which the first announcement is repeated, once."""

ANNOUNCE_REST: Final = 1.0
"""Seconds between two announcements at least."""

ANSWER_FIRST: Final = 0.02
"""Seconds an answer waits at least, so that fifteen do not answer in one instant."""
ANSWER_SPREAD: Final = 0.1
"""Seconds over which answers are spread."""

NAME_ENTROPY: Final = 10
"""Bytes of an instance or host name."""


@frozen
class Presence:
    """We are here, on one network, under names that stand for nothing.

    Attributes:
        labels: those we know when we hear them. Only our own, the advert's, ever leaves us.
        questions: how many were asked.
        announce_at: when an announcement is due; None: when somebody asks.
        announced_at: when the last one left.
    """

    advert: Advert
    labels: tuple[str, ...]
    ask_at: Instant
    announce_at: Instant | None
    announced_at: Instant | None = None
    questions: int = 0
    announcements: int = 0

    @property
    def wake_at(self) -> Instant:
        """When `wake` has something to do."""
        if self.announce_at is None:
            return self.ask_at
        return min(self.ask_at, self.announce_at)


def draw_name(entropy: Entropy) -> str:
    """Draw an instance or host name."""
    return b32encode(entropy.draw(NAME_ENTROPY)).decode().lower()


def appear(advert: Advert, labels: tuple[str, ...], *, now: Instant) -> Presence:
    """Begin; `wake` at once gives the first packets."""
    return Presence(advert, labels, ask_at=now, announce_at=now)


def wake(presence: Presence, *, now: Instant) -> tuple[Presence, tuple[bytes, ...]]:
    """Return the packets that are due now."""
    packets: list[bytes] = []
    if presence.ask_at <= now:
        packets.append(encode_question(presence.advert.label))
        asked = presence.questions
        wait = ASK_AFTER[asked] if asked < len(ASK_AFTER) else ASK_EVERY
        presence = evolve(presence, questions=asked + 1, ask_at=Instant(now + wait))
    if presence.announce_at is not None and presence.announce_at <= now:
        packets.append(encode_advert(presence.advert))
        is_first = presence.announcements == 0
        presence = evolve(
            presence,
            announcements=presence.announcements + 1,
            announced_at=now,
            announce_at=Instant(now + ANNOUNCE_AGAIN) if is_first else None,
        )
    return presence, tuple(packets)


def hear(
    presence: Presence, packet: bytes, *, now: Instant, entropy: Entropy
) -> tuple[Presence, tuple[Advert, ...]]:
    """Take a packet of somebody on this network; return who else listens under our labels.

    Whatever is not about our labels, or breaks the rules, changes nothing.
    """
    if not may_hold(packet, presence.labels):
        return presence, ()
    try:
        heard = decode_packet(packet, presence.labels)
    except RemoteError:
        return presence, ()
    others = tuple(one for one in heard.adverts if one.instance != presence.advert.instance)
    if heard.asked and presence.announce_at is None:
        wait = ANSWER_FIRST + ANSWER_SPREAD * entropy.draw(1)[0] / 256
        earliest = 0.0 if presence.announced_at is None else presence.announced_at + ANNOUNCE_REST
        presence = evolve(presence, announce_at=Instant(max(now + wait, earliest)))
    return presence, others
