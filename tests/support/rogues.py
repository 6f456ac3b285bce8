"""Random histories of a circle: honest devices that know what reached them, and rogues who lie."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import partial

from attrs import define, field

from tests.support.governance import CHARTER, Story, heads_of
from toheal_protocol.membership import Ledger, extend_ledger, read_ledger
from toheal_protocol.messages.operations import Operation
from toheal_protocol.model import Role

HONEST = "FGHABC"
ROGUES = "KL"
PUPPETS = "PQRSTU"


@define
class History:
    """A circle as its people make it, each with what reached them so far."""

    chance: random.Random
    story: Story = field(factory=Story)
    known: dict[str, list[Operation]] = field(factory=dict)
    ledger: Ledger | None = None

    def begin(self, *members: str) -> None:
        """Let F bring everybody in, and make some facilitators."""
        self.story.add("F", *members)
        for name in members:
            if self.chance.random() < 0.4:
                self._seconded("F", name)
        for name in ("F", *members):
            self.known[name] = self.story.so_far()

    def _seconded(self, by: str, who: str) -> None:
        made = self.story.promote(by, who)
        for name in HONEST:
            if name != by and self._may(partial(self.story.second, name, made)):
                return

    def _may(self, act: Callable[[], object]) -> bool:
        """Do something, and undo it where no device would take it in."""
        before = len(self.story.made)
        act()
        made = self.story.made[before:]
        if made and not self._is_taken_in(made[-1]):
            del self.story.made[before:]
            return False
        return True

    def _is_taken_in(self, operation: Operation) -> bool:
        if self.ledger is None:
            self.ledger = read_ledger(self.story.made, circle=self.story.circle)
        else:
            here = self.ledger.numbers
            fresh = [one for one in self.story.made[-40:] if one.id not in here]
            self.ledger = extend_ledger(self.ledger, fresh)
        return operation.id in self.ledger.numbers

    def honest_act(self) -> None:
        """Let one honest person do something, knowing all that reached them."""
        name = self.chance.choice(HONEST)
        if name in self.known:
            self.sign_something(name, self.known[name], heads_of(self.known[name]))

    def rogue_act(self, names: Iterable[str] = ROGUES) -> None:
        """Let a rogue do something that knows some old part of what there is."""
        name = self.chance.choice([*names])
        known = self.chance.sample(self.story.made, min(3, len(self.story.made)))
        self.sign_something(name, self.story.made, known)

    def gossip(self) -> None:
        """Let somebody tell somebody all they know."""
        teller, hearer = self.chance.sample(HONEST, 2)
        if teller in self.known and hearer in self.known:
            here = {operation.id for operation in self.known[hearer]}
            news = [operation for operation in self.known[teller] if operation.id not in here]
            self.known[hearer] += news

    def sign_something(self, name: str, seen: list[Operation], after: list[Operation]) -> None:
        """Let somebody sign whatever they may, knowing these."""
        made = len(self.story.made)
        self._choose(name, seen, after)
        fresh = self.story.made[made:]
        if fresh and not self._is_taken_in(fresh[-1]):
            del self.story.made[made:]
        elif name in self.known:
            here = {operation.id for operation in self.known[name]}
            past = _past_of(fresh, self.story.made)
            self.known[name] += [one for one in past if one.id not in here]

    def _choose(self, name: str, seen: list[Operation], after: list[Operation]) -> None:
        story, chance = self.story, self.chance
        other = chance.choice(HONEST + ROGUES + PUPPETS)
        match chance.randrange(12):
            case 0 | 1:
                story.add(name, other, known=after)
            case 2 | 3:
                story.remove(name, other, known=after)
            case 4 | 5:
                role = chance.choice([Role.FACILITATOR, Role.MEMBER, Role.LISTENER])
                story.role(name, other, role, known=after)
            case 6 | 7 | 8 | 9:
                waiting = [one for one in seen if one.kind in (4, 5, 6, 7)]
                if waiting:
                    subject = chance.choice(waiting[-4:])
                    story.second(name, subject, known=[*after, subject])
            case 10:
                story.accept(name, CHARTER, known=after)
            case _ if chance.random() < 0.2:
                story.leave(name, known=after)
            case _:
                story.policy(name, is_direct=chance.random() < 0.5, known=after)


def _past_of(fresh: list[Operation], made: list[Operation]) -> list[Operation]:
    """Return these and all they know, parents first."""
    by_id = {operation.id: operation for operation in made}
    wanted, todo = set(), [operation.id for operation in fresh]
    while todo:
        key = todo.pop()
        if key not in wanted:
            wanted.add(key)
            todo += by_id[key].parents
    return [operation for operation in made if operation.id in wanted]


def a_history(seed: int, *, length: int, rogues: bool = True) -> History:
    """Make a circle of six honest people and two rogues, and let things happen."""
    history = History(random.Random(seed))
    members = [name for name in HONEST + ROGUES if name != "F"]
    history.begin(*members)
    for _ in range(length):
        match history.chance.randrange(4):
            case 0:
                history.gossip()
            case 1 if rogues:
                history.rogue_act()
            case _:
                history.honest_act()
    return history


def read(history: History, operations: Iterable[Operation] | None = None) -> Ledger:
    made = history.story.made if operations is None else operations
    return read_ledger(made, circle=history.story.circle)
