"""What can be asked over the local channel: one class per command, checked on the way in.

Bytes become a request or `MalformedRequest`; a request carries itself out on the application and
gives what comes back, value by value.

Docs: docs/command-line.md, section 7.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Any, ClassVar, Final, Literal

import msgspec
from toheal_protocol.errors import MalformedFrame

from toheal_p2p.app.interface import AppInterface
from toheal_p2p.app.vocabulary import ContentNote
from toheal_p2p.cli.local_wire import VERSION

Give = Callable[[object], Awaitable[None]]
"""Sends one value to the asker; returns when there is room for the next."""

PAGE: Final = 50
"""Entries that are in memory at once while a circle is read: at most 3 MB of text."""

Word = Annotated[str, msgspec.Meta(max_length=4096)]
"""A name, an id, an address, a link: the application says what is too long for each."""

Seconds = Annotated[int, msgspec.Meta(ge=1, le=366 * 86_400)]
Position = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class MalformedRequest(MalformedFrame):
    """The line is not a request."""


class OtherVersion(MalformedFrame):
    """The line is a request of another version of the program."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One command with its arguments."""

    changes: ClassVar[bool] = False
    """Whether it is carried out to its end even if the asker goes away meanwhile."""

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Ask the application and give what it answers. Raises `Refused`."""
        raise NotImplementedError


class CircleCreate(Request, frozen=True):
    """`toheal circle create`."""

    name: Word
    relays: Annotated[tuple[Word, ...], msgspec.Meta(max_length=16)]
    direct: bool
    charter: str
    nickname: Word | None
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the new circle."""
        circle = await app.circle_create(
            self.name,
            relays=self.relays,
            direct=self.direct,
            charter=self.charter,
            nickname=self.nickname,
        )
        await give(circle)


class CircleList(Request, frozen=True):
    """`toheal circle list`."""

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every circle."""
        for circle in await app.circle_list():
            await give(circle)


class CircleMembers(Request, frozen=True):
    """`toheal circle members`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every member."""
        for member in await app.circle_members(self.circle):
            await give(member)


class CircleLeave(Request, frozen=True):
    """`toheal circle leave`."""

    circle: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.circle_leave(self.circle)


class Invite(Request, frozen=True):
    """`toheal invite`."""

    circle: Word
    expires_in: Seconds
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the invitation."""
        await give(await app.invite(self.circle, expires_in=self.expires_in))


class Invitations(Request, frozen=True):
    """`toheal invitations`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every open invitation."""
        for invitation in await app.invitations(self.circle):
            await give(invitation)


class Withdraw(Request, frozen=True):
    """`toheal withdraw`."""

    circle: Word
    invitation: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.withdraw_invitation(self.circle, self.invitation)


class LookAtInvitation(Request, frozen=True):
    """The first half of `toheal join`."""

    link: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what the invitation says."""
        await give(await app.look_at_invitation(self.link))


class Join(Request, frozen=True):
    """The second half of `toheal join`: the charter was accepted."""

    link: Word
    nickname: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the circle at whose door we now stand."""
        await give(await app.join(self.link, nickname=self.nickname))


class Waiting(Request, frozen=True):
    """`toheal waiting`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give everybody at the door."""
        for person in await app.waiting(self.circle):
            await give(person)


class Admit(Request, frozen=True):
    """`toheal admit`."""

    circle: Word
    who: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.admit(self.circle, self.who)


class Decline(Request, frozen=True):
    """`toheal decline`."""

    circle: Word
    who: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.decline(self.circle, self.who)


class RelayAdd(Request, frozen=True):
    """`toheal relay add`."""

    address: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.relay_add(self.address)


class RelayList(Request, frozen=True):
    """`toheal relay list`."""

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every relay of the profile."""
        for relay in await app.relay_list():
            await give(relay)


class RelayRemove(Request, frozen=True):
    """`toheal relay remove`."""

    address: Word
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.relay_remove(self.address)


class Say(Request, frozen=True):
    """`toheal say`."""

    circle: Word
    text: str
    notes: Annotated[tuple[ContentNote, ...], msgspec.Meta(max_length=7)]
    to_facilitators: bool
    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the message's id."""
        message = await app.say(
            self.circle, self.text, notes=self.notes, to_facilitators=self.to_facilitators
        )
        await give({"id": message})


class Read(Request, frozen=True):
    """`toheal read`."""

    circle: Word
    after: Position
    follow: bool

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the entries there are; then, if asked to follow, each new one, without an end."""
        after, has_more = self.after, True
        while has_more:
            page = await app.read(self.circle, after=after, limit=PAGE)
            for entry in page:
                await give(entry)
                after = entry.position
            has_more = len(page) == PAGE
        if self.follow:
            async with aclosing(app.follow(self.circle, after=after)) as entries:
                async for entry in entries:
                    await give(entry)


class Deliveries(Request, frozen=True):
    """`toheal deliveries`."""

    circle: Word
    message: Word | None

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give where our messages are."""
        for delivery in await app.deliveries(self.circle, self.message):
            await give(delivery)


class Links(Request, frozen=True):
    """`toheal links`."""

    circle: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give how each member is reached."""
        for link in await app.links(self.circle):
            await give(link)


class SafetyWords(Request, frozen=True):
    """`toheal safety-words`."""

    circle: Word
    who: Word
    language: Literal["ar", "en"]

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give the words as one value."""
        words = await app.safety_words(self.circle, self.who, language=self.language)
        await give({"words": list(words)})


class Search(Request, frozen=True):
    """`toheal search`."""

    circle: Word
    query: Word

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give what was found."""
        for entry in await app.search(self.circle, self.query):
            await give(entry)


class Doctor(Request, frozen=True):
    """`toheal doctor`."""

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give every finding."""
        for check in await app.doctor():
            await give(check)


class Lock(Request, frozen=True):
    """`toheal lock`."""

    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.lock()


class Wipe(Request, frozen=True):
    """`toheal wipe`."""

    changes: ClassVar[bool] = True

    async def carry_out(self, app: AppInterface, give: Give) -> None:
        """Give nothing."""
        await app.wipe()


REQUESTS: Final[dict[str, type[Request]]] = {
    "circle_create": CircleCreate,
    "circle_list": CircleList,
    "circle_members": CircleMembers,
    "circle_leave": CircleLeave,
    "invite": Invite,
    "invitations": Invitations,
    "withdraw": Withdraw,
    "look_at_invitation": LookAtInvitation,
    "join": Join,
    "waiting": Waiting,
    "admit": Admit,
    "decline": Decline,
    "relay_add": RelayAdd,
    "relay_list": RelayList,
    "relay_remove": RelayRemove,
    "say": Say,
    "read": Read,
    "deliveries": Deliveries,
    "links": Links,
    "safety_words": SafetyWords,
    "search": Search,
    "doctor": Doctor,
    "lock": Lock,
    "wipe": Wipe,
}
"""The name on the wire of each request."""


class _Head(msgspec.Struct, frozen=True):
    v: int
    command: str = ""
    args: msgspec.Raw = msgspec.Raw(b"{}")


_head_decoder: Final = msgspec.json.Decoder(_Head)
_decoders: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    name: msgspec.json.Decoder(request) for name, request in REQUESTS.items()
}


def parse_request(line: bytes) -> Request:
    """Read one line.

    Raises:
        MalformedRequest: not a request.
        OtherVersion: not of this version, or a command this version does not have.
    """
    try:
        head = _head_decoder.decode(line)
        if head.v != VERSION or head.command not in _decoders:
            raise OtherVersion("a request of another version")
        request: Request = _decoders[head.command].decode(head.args)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise MalformedRequest("not a request") from None
    return request
