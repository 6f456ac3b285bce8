"""Nobody has to be there at the same time, and a relay may forget everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.processes import a_town, await_true

pytestmark = [pytest.mark.real, pytest.mark.slow]

HUNDRED = [f"رسالة {number}" for number in range(100)]


@pytest.mark.parametrize("direct", [False, True], ids=["by relay", "direct"])
def test_a_hundred_messages_wait_for_someone_who_is_away(tmp_path: Path, direct: bool) -> None:
    with a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(direct=direct)
        theirs.stop()
        for text in HUNDRED:
            ours.say(circle, text)
        await_true(lambda: all(row["state"] == "at_relay" for row in ours.undelivered(circle)), 20)
        ours.stop()
        theirs.start()
        await_true(lambda: len(theirs.texts(circle)) == 100)
        assert theirs.texts(circle) == HUNDRED
        ours.start()
        await_true(lambda: not ours.undelivered(circle))


def test_a_relay_that_forgot_everything_loses_no_word_once_both_were_there(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        ours, theirs, circle = town.circle_of_two(direct=False)
        theirs.stop()
        for text in HUNDRED:
            ours.say(circle, text)
        ours.stop()
        town.relay.program.kill()
        town.relay.start()
        theirs.start()
        ours.start()
        await_true(lambda: len(theirs.texts(circle)) == 100)
        assert theirs.texts(circle) == HUNDRED
        await_true(lambda: not ours.undelivered(circle))
