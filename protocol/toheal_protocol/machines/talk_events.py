"""What a person does by talking: saying, changing what was said, asking about it.

Spec: docs/protocol/circle.md, section 7; docs/protocol/consent.md.
"""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.model import Audience, MemberId, MessageId, WallTime


@frozen
class Submitted:
    """The person wrote something."""

    text: str = field(repr=False)
    notes: tuple[str, ...] = ()
    audience: Audience = Audience.CIRCLE
    reply: MessageId | None = None


@frozen
class SubmittedTogether:
    """Several texts were written in one moment: decided in this order, and in one step."""

    said: tuple[Submitted, ...]


@frozen
class HelpAsked:
    """The person asks the facilitators to look at a message of `author`."""

    about: MessageId
    author: MemberId
    text: str = field(default="", repr=False)


@frozen
class Edited:
    """The person says a message of theirs differently, to those it was for."""

    target: MessageId
    audience: Audience
    text: str = field(repr=False)
    notes: tuple[str, ...] = ()


@frozen
class Retracted:
    """The person takes a message of theirs back.

    `author_seq` is the number of the message in its stream; 0: not known, and it is sent wherever it
    is still owed, and erased after that.
    """

    target: MessageId
    audience: Audience
    author_seq: int = 0


@frozen
class ShareRequested:
    """The person asks an author whether an excerpt may be shown outside."""

    author: MemberId
    mid: MessageId
    excerpt: str = field(repr=False)
    audience: str = field(repr=False)
    purpose: str = field(repr=False)
    not_after: WallTime


@frozen
class ShareAnswered:
    """The person answers such an asking."""

    serial: bytes
    is_granted: bool


@frozen
class ShareTakenBack:
    """The person takes a yes back."""

    serial: bytes


@frozen
class HidingChosen:
    """The person does not want to read what a member says to the circle, or does again."""

    member: MemberId
    is_hidden: bool


@frozen
class DisappearChosen:
    """The person said how long what they say from now on stays with its readers; 0: for ever."""

    ttl: int


TalkEvent = (
    Submitted
    | SubmittedTogether
    | HelpAsked
    | Edited
    | Retracted
    | ShareRequested
    | ShareAnswered
    | ShareTakenBack
    | DisappearChosen
    | HidingChosen
)
