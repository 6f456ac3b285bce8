"""Two real relays, one of which is killed or stopped in the middle of a conversation."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.processes import PersonProcess, RelayProcess, Town, a_town, await_true
from tests.support.shown import Show

pytestmark = [pytest.mark.real, pytest.mark.slow]

FAIL_OVER = 5.0
"""Seconds after which the conversation goes on: what we promise."""

ROUNDS = 12


def circle_with_two_relays(town: Town) -> tuple[PersonProcess, PersonProcess, str, RelayProcess]:
    other = town.another_relay()
    ours, theirs = town.person("نورس"), town.person("Salma")
    for person in (ours, theirs):
        person.start()
    [made] = ours.ask(
        "circle_create",
        name="حلقة",
        relays=[town.relay.address, other.address],
        direct=False,
        charter="We listen.",
        nickname=None,
    )
    circle = str(made["id"])
    await_true(
        lambda: {one["state"] for one in ours.ask("relay_list")} == {"connected"},
    )
    town.join(ours, theirs, circle)
    return ours, theirs, circle, other


def exchange(ours: PersonProcess, theirs: PersonProcess, circle: str, text: str) -> float:
    """Let one speak and return the seconds until the other has read it."""
    began = time.monotonic()
    ours.say(circle, text)
    await_true(lambda: text in theirs.texts(circle), within=30)
    return time.monotonic() - began


def are_linked(people: tuple[PersonProcess, PersonProcess], circle: str) -> bool:
    rows = [row for person in people for row in person.ask("links", circle=circle)]
    return {row["link"] for row in rows} == {"turn"}


@pytest.mark.slow(10)
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_relay_gone_in_the_middle_of_a_conversation_holds_it_up_for_five_seconds_at_most(
    tmp_path: Path, show: Show, how: signal.Signals, which: int
) -> None:
    with a_town(tmp_path) as town:
        ours, theirs, circle, other = circle_with_two_relays(town)
        victim = (town.relay, other)[which]
        longest, said = 0.0, []
        for number in range(ROUNDS):
            if number == 3:  # the link goes over one of them, and nothing tells which
                await_true(lambda: are_linked((ours, theirs), circle))
                os.kill(victim.program.pid, how)
            for speaker, reader in ((ours, theirs), (theirs, ours)):
                said.append(f"{speaker.name} {number}")
                longest = max(longest, exchange(speaker, reader, circle, said[-1]))
        if how is signal.SIGSTOP:
            os.kill(victim.program.pid, signal.SIGCONT)
            said.append("and then")
            exchange(ours, theirs, circle, said[-1])
        show(f"a relay gone ({how.name}, {which})", f"the longest wait was {longest:.2f} s")
        assert longest < FAIL_OVER, longest
        await_true(lambda: not ours.undelivered(circle) and not theirs.undelivered(circle))
        for person in (ours, theirs):
            assert sorted(person.texts(circle)) == sorted(said)


def test_a_relay_that_stops_answering_in_quiet_times_costs_the_next_word_five_seconds_at_most(
    tmp_path: Path,
) -> None:
    with a_town(tmp_path) as town:
        ours, theirs, circle, _ = circle_with_two_relays(town)
        exchange(ours, theirs, circle, "one")
        os.kill(town.relay.program.pid, signal.SIGSTOP)
        try:
            time.sleep(1)
            assert exchange(theirs, ours, circle, "two") < FAIL_OVER
            assert exchange(ours, theirs, circle, "three") < FAIL_OVER
        finally:
            os.kill(town.relay.program.pid, signal.SIGCONT)
