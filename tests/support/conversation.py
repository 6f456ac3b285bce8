"""People who talk all the time, and a judge of whether every word arrived once and in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from attrs import define, field

from tests.support.processes import PersonProcess, await_true, await_value


@define(eq=False)
class Conversation:
    """What each person said, as long as the block of `talking` lasts."""

    people: Sequence[PersonProcess]
    circle: str
    every: float
    said: dict[str, list[str]] = field(init=False)
    _is_over: threading.Event = field(factory=threading.Event)
    _threads: list[threading.Thread] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.said = {person.name: [] for person in self.people}

    def _speak(self, person: PersonProcess) -> None:
        said = self.said[person.name]
        while not self._is_over.wait(self.every):
            text = f"{person.name}: {len(said)}"
            person.say(self.circle, text)
            said.append(text)

    def start(self) -> None:
        for person in self.people:
            thread = threading.Thread(target=self._speak, args=(person,))
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(60)

    def goes_on(self, within: float) -> float:
        """Return after how many seconds each has read something the others said from now on."""
        began = time.monotonic()
        after = {name: len(texts) + 1 for name, texts in self.said.items()}

        def has_news(person: PersonProcess) -> float | None:
            read = set(person.texts(self.circle))
            news = all(f"{name}: {number}" in read for name, number in after.items())
            return time.monotonic() - began if news else None

        found = [await_value(lambda one=one: has_news(one), within) for one in self.people]  # type: ignore[misc]
        return max(found)

    def arrives_whole(self, within: float) -> None:
        """Wait until everybody has read everything, once, and each one's words in order."""
        total = sum(map(len, self.said.values()))
        for person in self.people:
            await_true(
                lambda person=person: len(person.texts(self.circle)) >= total,  # type: ignore[misc]
                within,
            )
            read = person.texts(self.circle)
            for name, texts in self.said.items():
                assert [text for text in read if text.startswith(f"{name}: ")] == texts
            assert len(read) == total, "something was read twice, or nobody said it"
        for person in self.people:
            await_true(lambda person=person: not person.undelivered(self.circle), within)  # type: ignore[misc]


@contextmanager
def talking(
    people: Sequence[PersonProcess], circle: str, every: float = 0.1
) -> Iterator[Conversation]:
    """Have people say something all the time until the block ends.

    Args:
        every: seconds between two messages of one person.
    """
    conversation = Conversation(people, circle, every)
    conversation.start()
    try:
        yield conversation
    finally:
        conversation.stop()
