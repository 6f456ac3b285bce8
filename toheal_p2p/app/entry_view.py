"""What was said in a circle, as the application's doors see it. Plain, as in `interface`."""

from __future__ import annotations

from attrs import field, frozen

from toheal_p2p.app.act_view import ActView
from toheal_p2p.app.files_interface import AttachmentView
from toheal_p2p.app.vocabulary import Audience, DeliveryState


@frozen
class QuoteView:
    """The beginning of a message that an entry is about, in one line, and its content notes."""

    author_name: str = field(repr=False)
    text: str = field(repr=False)
    notes: tuple[str, ...] = field(default=(), repr=False)


@frozen
class EntryView:
    """One entry of a circle's log.

    Attributes:
        position: grows with the order of acceptance on this device, over all circles.
        kind: one of `vocabulary.ENTRY_KINDS`, or a word of a later version.
        text: what was said. For `joined` and `left`: the name of the member it is about.
            For `gap`: how many messages of the author are missing before the next one, in digits.
        passed_on_by: the name of who passed it on, where its author has not confirmed it yet.
        audience: who has it, beside its author.
        reply_to: the message it answers, changes, takes back, or asks the facilitators about.
        quote: how that one begins; None where it is not here, has no words, or is for fewer.
        edited: what is shown is not what was said first.
        act: for `act` and `second`, what was done or is supported.
        attachment: for `attachment`, what the file is and how much of it is here.
        is_new: nobody was shown it on this device before.
        stays: for how many seconds it stays once it was shown; 0: for ever.
        left: how many of them are left on this device; None: they do not run.
    """

    position: int
    id: str
    circle: str
    author: str
    author_name: str = field(repr=False)
    mine: bool
    kind: str
    text: str = field(repr=False)
    sent_at: int
    received_at: int
    notes: tuple[str, ...] = field(repr=False)
    passed_on_by: str | None = field(repr=False)
    audience: Audience = "circle"
    reply_to: str | None = None
    quote: QuoteView | None = field(default=None, repr=False)
    edited: bool = False
    act: ActView | None = field(default=None, repr=False)
    attachment: AttachmentView | None = None
    is_new: bool = False
    stays: int = 0
    left: int | None = None


@frozen
class DeliveryView:
    """Where one message of ours is, for one member."""

    id: str
    member: str
    member_name: str = field(repr=False)
    state: DeliveryState


@frozen
class RetractionView:
    """A message that was taken back.

    Attributes:
        id: the message.
        delivered: on so many devices it is, or was; whoever uses one may have read it.
        on_its_way: so many have not confirmed it yet; some may have it all the same.
    """

    id: str
    delivered: int
    on_its_way: int
