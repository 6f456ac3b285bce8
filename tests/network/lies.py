"""What a member who lies does in a simulated world: forges, tells two stories, asks for everything."""

from __future__ import annotations

import random
from collections.abc import Sequence

from attrs import define, field

from tests.network.test_sync import content_of, pass_forged, sealed, send_own, tell_heads
from tests.network.test_whose_words import acts
from tests.support.world import Person
from toheal_protocol.machines.pair import pass_note
from toheal_protocol.machines.state import Position, Stream
from toheal_protocol.messages.asking import Asked, Range
from toheal_protocol.messages.notes import Head
from toheal_protocol.model import Audience, MemberId, MessageId


@define
class Lies:
    """What was made up so far, to be told from what people said."""

    forged: set[MessageId] = field(factory=set)
    made_up: set[tuple[MemberId, int]] = field(factory=set)
    """The authors and numbers of what was forged."""

    def tell(
        self, chance: random.Random, liar: Person, honest: Sequence[Person], number: int
    ) -> None:
        """Tell one of the honest something about another, or about the liar itself."""
        if not liar.is_running or liar.circle is None:
            return
        author, reader = chance.sample(honest, 2)
        at = _head_of(liar, author)
        match chance.randrange(4):
            case 0:
                forged = content_of(
                    author, f"forged {number}", seq=at.seq + 1, previous=at.mid or None
                )
                entry = sealed(author, forged, seed=number)
                self.forged.add(entry.mid)
                self.made_up.add((author.id, forged.author_seq))
                pass_forged(liar, reader, entry)
            case 1:
                wild = chance.choice([at.seq + 1, at.seq + 900, max(1, at.seq - 1), (1 << 32) - 1])
                mid = MessageId(chance.randbytes(32))
                tell_heads(liar, reader, Head(author.id, Audience.CIRCLE, wild, mid))
            case 2:
                own = _head_of(liar, liar)
                story = content_of(
                    liar, f"story {number}", seq=own.seq + 1, previous=own.mid or None
                )
                entry = sealed(liar, story, seed=number)
                send_own(liar, reader, entry)
            case 3:
                everything = Range(author.id, Audience.CIRCLE, 1, (1 << 32) - 1)
                acts(liar, lambda draft: pass_note(draft, reader.id, Asked(7, (everything,))))


def _head_of(reader: Person, author: Person) -> Position:
    assert reader.circle is not None
    at = reader.circle.log.heads.get(Stream(author.id, Audience.CIRCLE))
    return at or Position(0, MessageId(b""))
