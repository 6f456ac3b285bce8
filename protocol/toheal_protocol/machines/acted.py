"""What a person does to a circle's membership, as events."""

from __future__ import annotations

from attrs import field, frozen

from toheal_protocol.messages.acts import Act
from toheal_protocol.model import MemberId


@frozen
class Acted:
    """The person signs an act of governance; what it is to know is filled in."""

    act: Act
    text: str = field(default="", repr=False)


@frozen
class Readmitted:
    """The person takes somebody back who was removed."""

    member: MemberId
