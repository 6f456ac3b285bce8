"""People who sign membership operations, and circles that grow by them, for tests of the merge."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from attrs import define, field

from tests.support.personas import Person, person
from toheal_protocol.membership import Membership, merge
from toheal_protocol.messages.acts import (
    Acceptance,
    Act,
    Addition,
    CharterChange,
    Foundation,
    Leaving,
    Muting,
    PolicyChange,
    Reason,
    Removal,
    RoleChange,
    Second,
    Term,
    Unmuting,
    encode_act,
    kind_of,
    sign_voucher,
)
from toheal_protocol.messages.operations import (
    NO_CIRCLE,
    Operation,
    circle_id_of,
    sign_operation,
)
from toheal_protocol.model import CircleId, MemberId, OperationId, Role

CHARTER = b"c" * 32
WHY = Reason()


@lru_cache(maxsize=64)
def somebody(name: str) -> Person:
    """One name is one person."""
    return person(1000 + sum(ord(c) << 8 * place for place, c in enumerate(name[:4])))


def sign_act(act: Act, *, by: Person, circle: CircleId, after: Iterable[Operation]) -> Operation:
    """Sign an act that knows these operations."""
    return sign_operation(
        kind_of(act),
        circle=circle,
        parents=tuple(OperationId(operation.id) for operation in after),
        body=encode_act(act),
        author=by.persona,
    )


def heads_of(operations: Iterable[Operation]) -> list[Operation]:
    """Return those that no other of them names."""
    there = list(operations)
    named = {parent for operation in there for parent in operation.parents}
    return [operation for operation in there if operation.id not in named]


@define
class Story:
    """A circle's operations as they are made. Each act knows what `known` says, or everything."""

    founder: str = "F"
    is_direct: bool = False
    made: list[Operation] = field(factory=list)
    circle: CircleId = field(init=False)
    create: Operation = field(init=False)

    def __attrs_post_init__(self) -> None:
        keys = somebody(self.founder).persona.keys
        foundation = Foundation(b"n" * 32, keys, self.is_direct, CHARTER)
        self.create = sign_act(foundation, by=somebody(self.founder), circle=NO_CIRCLE, after=())
        self.circle = circle_id_of(self.create)
        self.made.append(self.create)

    def act(self, by: str, act: Act, *, known: Iterable[Operation] | None = None) -> Operation:
        """Let somebody sign something."""
        after = heads_of(self.made if known is None else known)
        operation = sign_act(act, by=somebody(by), circle=self.circle, after=after)
        self.made.append(operation)
        return operation

    def add(self, by: str, *who: str, known: Iterable[Operation] | None = None) -> Operation:
        """Add people one after another; return the last add."""
        known = None if known is None else list(known)
        for name in who:
            newcomer = somebody(name).persona
            voucher = sign_voucher(newcomer, circle=self.circle, charter=CHARTER)
            made = self.act(by, Addition(newcomer.keys, CHARTER, voucher), known=known)
            if known is not None:
                known.append(made)
        return made

    def remove(
        self, by: str, who: str, *, known: Iterable[Operation] | None = None, heard: int = 0
    ) -> Operation:
        return self.act(by, Removal(somebody(who).member_id, heard, WHY), known=known)

    def role(
        self, by: str, who: str, role: Role, *, known: Iterable[Operation] | None = None
    ) -> Operation:
        return self.act(by, RoleChange(somebody(who).member_id, role, 0, WHY), known=known)

    def promote(self, by: str, who: str, *, known: Iterable[Operation] | None = None) -> Operation:
        return self.role(by, who, Role.FACILITATOR, known=known)

    def second(
        self, by: str, what: Operation, *, known: Iterable[Operation] | None = None
    ) -> Operation:
        return self.act(by, Second(OperationId(what.id)), known=known)

    def mute(
        self,
        by: str,
        who: str,
        *,
        known: Iterable[Operation] | None = None,
        until: int = 0,
        heard: int = 0,
    ) -> Operation:
        return self.act(by, Muting(somebody(who).member_id, until, heard, WHY), known=known)

    def unmute(self, by: str, who: str, *, known: Iterable[Operation] | None = None) -> Operation:
        return self.act(by, Unmuting(somebody(who).member_id), known=known)

    def term(
        self, by: str, who: str, until: int, *, known: Iterable[Operation] | None = None
    ) -> Operation:
        return self.act(by, Term(somebody(who).member_id, until), known=known)

    def leave(self, by: str, *, known: Iterable[Operation] | None = None) -> Operation:
        return self.act(by, Leaving(), known=known)

    def policy(
        self, by: str, *, is_direct: bool, known: Iterable[Operation] | None = None
    ) -> Operation:
        return self.act(by, PolicyChange(is_direct), known=known)

    def charter(
        self, by: str, charter: bytes, *, known: Iterable[Operation] | None = None
    ) -> Operation:
        return self.act(by, CharterChange(charter), known=known)

    def accept(
        self, by: str, charter: bytes, *, known: Iterable[Operation] | None = None
    ) -> Operation:
        return self.act(by, Acceptance(charter), known=known)

    def so_far(self) -> list[Operation]:
        return list(self.made)

    def merged(self) -> Membership:
        return merge(self.made, circle=self.circle)

    def who(self) -> dict[str, str]:
        """Return name -> role, by the names used so far."""
        return by_name(self.merged())


NAMES = "FGHIABCDEKLMNOPQRSTUVWXYZ"


def by_name(membership: Membership) -> dict[str, str]:
    """Return name -> role of who is in."""
    names: dict[MemberId, str] = {somebody(name).member_id: name for name in NAMES}
    shown = {names[member]: role.value for member, role in membership.members.items()}
    return dict(sorted(shown.items()))


def muted(membership: Membership) -> str:
    """Return the names of those against whom a mute stands that is not over."""
    names = {somebody(name).member_id: name for name in NAMES}
    silences = membership.silences.items()
    return "".join(
        sorted(
            names[member]
            for member, against in silences
            if any(one.until is not None and not one.is_over for one in against)
        )
    )


def terms(membership: Membership) -> dict[str, int]:
    """Return name -> until when they facilitate, where that was said."""
    names = {somebody(name).member_id: name for name in NAMES}
    return {names[member]: until for member, until in membership.terms.items()}


def circle_of(*members: str, facilitators: str = "F") -> Story:
    """A circle founded by F with these people in, some of them facilitators."""
    story = Story()
    if members:
        story.add("F", *members)
    made = ["F"]
    for name in facilitators:
        if name == "F":
            continue
        promotion = story.promote("F", name)
        if len(made) > 1:
            story.second(made[1], promotion)
        made.append(name)
    return story
