"""What members say to each other beyond a plain text, between whole applications."""

from __future__ import annotations

from contextlib import aclosing

import pytest
import trio

from tests.shell.test_governance import agree, let_in
from tests.support.applications import a_village, circle_of_two, eventually
from toheal_p2p.app import talking
from toheal_p2p.app.application import Application
from toheal_p2p.app.interface import EntryView, QuoteView
from toheal_p2p.app.refusals import Refused

pytestmark = pytest.mark.trio


async def words(app: Application, circle: str) -> list[EntryView]:
    return [one for one in await app.read(circle, limit=100) if one.kind == "text"]


async def texts(app: Application, circle: str) -> list[str]:
    return [one.text for one in await words(app, circle)]


async def hears(app: Application, circle: str, text: str) -> None:
    async def has() -> bool:
        return text in await texts(app, circle)

    await eventually(has)


async def test_a_note_to_facilitators_is_read_by_them_and_its_author_only(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        third = await let_in(village, ours, circle, "Idris")
        names = {"نورس": "facilitator", "Salma": "member", "Idris": "member"}
        await agree(circle, [ours, theirs, third], names)
        mid = await theirs.say(circle, "only you", notes=(), to_facilitators=True)
        await theirs.say(circle, "all of you", notes=(), to_facilitators=False)
        await hears(ours, circle, "only you")
        await hears(third, circle, "all of you")
        for app in (ours, theirs):
            shown = [(one.text, one.audience) for one in await words(app, circle)]
            assert shown == [("only you", "facilitators"), ("all of you", "circle")]
        assert await texts(third, circle) == ["all of you"]
        assert not await third.search(circle, "only")
        sent_to = [one.member_name for one in await theirs.deliveries(circle, mid)]
        assert sent_to == ["نورس"]


async def test_a_note_that_nobody_would_read_is_refused(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        with pytest.raises(Refused, match="no_facilitator"):
            await ours.say(circle, "to myself", notes=(), to_facilitators=True)
        await ours.circle_role(circle, "Salma", "listener", reason="request", text="")
        await agree(circle, [ours, theirs], {"نورس": "facilitator", "Salma": "listener"})
        await theirs.say(circle, "help me", notes=(), to_facilitators=True)
        await hears(ours, circle, "help me")


async def test_an_answer_shows_what_it_answers(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        question = await ours.say(circle, "how are\nyou all?", notes=(), to_facilitators=False)
        await hears(theirs, circle, "how are\nyou all?")
        await theirs.say(
            circle, "well, thank you", notes=(), to_facilitators=False, reply=question[:12]
        )
        await hears(ours, circle, "well, thank you")
        answer = (await words(ours, circle))[-1]
        assert answer.reply_to == question
        assert answer.quote == QuoteView("نورس", "how are you all?")
        late = await let_in(village, ours, circle, "Idris")
        await theirs.say(circle, "again", notes=(), to_facilitators=False, reply=question)
        await hears(late, circle, "again")
        shown = (await words(late, circle))[-1]
        assert (shown.reply_to, shown.quote) == (question, None)


async def test_an_answer_does_not_carry_a_note_to_more_people(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        note = await theirs.say(circle, "a note", notes=(), to_facilitators=True)
        with pytest.raises(Refused, match="reply_narrower"):
            await theirs.say(circle, "to all", notes=(), to_facilitators=False, reply=note)
        with pytest.raises(Refused, match="no_such_message"):
            await theirs.say(circle, "to all", notes=(), to_facilitators=False, reply="ffff")
        await theirs.say(circle, "more of it", notes=(), to_facilitators=True, reply=note)
        await hears(ours, circle, "more of it")
        assert (await words(ours, circle))[-1].quote == QuoteView("Salma", "a note")


async def requests(app: Application, circle: str) -> list[EntryView]:
    return [one for one in await app.read(circle, limit=100) if one.kind == "request"]


async def test_a_request_for_intervention_is_seen_by_facilitators_alone(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        third = await let_in(village, ours, circle, "Idris")
        names = {"نورس": "facilitator", "Salma": "member", "Idris": "member"}
        await agree(circle, [ours, theirs, third], names)
        hard = await third.say(circle, "hard words", notes=(), to_facilitators=False)
        await hears(theirs, circle, "hard words")
        await theirs.request(circle, hard[:12], text="this hurt me")

        async def is_asked() -> bool:
            return bool(await requests(ours, circle))

        await eventually(is_asked)
        [asked] = await requests(ours, circle)
        assert (asked.author_name, asked.text, asked.reply_to) == ("Salma", "this hurt me", hard)
        assert asked.quote == QuoteView("Idris", "hard words")
        await theirs.say(circle, "and on", notes=(), to_facilitators=False)
        await hears(third, circle, "and on")
        assert await requests(third, circle) == []
        assert [one.kind for one in await third.read(circle, limit=100)].count("gap") == 0


async def test_a_request_about_a_facilitator_goes_to_the_others(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        third = await let_in(village, ours, circle, "Idris")
        hard = await ours.say(circle, "hard words", notes=(), to_facilitators=False)
        await hears(theirs, circle, "hard words")
        with pytest.raises(Refused, match="no_facilitator"):
            await theirs.request(circle, hard, text="")
        await ours.circle_role(circle, "Idris", "facilitator", reason="term", text="")
        names = {"نورس": "facilitator", "Salma": "member", "Idris": "facilitator"}
        await agree(circle, [ours, theirs, third], names)
        await theirs.request(circle, hard, text="please look")

        async def is_asked() -> bool:
            return bool(await requests(third, circle))

        await eventually(is_asked)
        await third.say(circle, "I looked", notes=(), to_facilitators=True)
        await hears(ours, circle, "I looked")
        assert await requests(ours, circle) == []


async def test_an_edit_is_shown_as_one_and_found_by_its_new_words(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        said = await ours.say(circle, "tusday", notes=("loss",), to_facilitators=False)
        await hears(theirs, circle, "tusday")
        with pytest.raises(Refused, match="not_your_message"):
            await theirs.edit(circle, said, "mine now")
        await ours.edit(circle, said[:12], "tuesday")
        await hears(theirs, circle, "tuesday")
        for app in (ours, theirs):
            [shown] = await words(app, circle)
            assert (shown.id, shown.edited, shown.notes) == (said, True, ("loss",))
            changes = [one for one in await app.read(circle, limit=100) if one.kind == "edit"]
            assert [(one.reply_to, one.text) for one in changes] == [(said, "tuesday")]
            assert [one.id for one in await app.search(circle, "tuesday")] == [said]
            assert not await app.search(circle, "tusday")


async def test_what_is_taken_back_is_gone_and_its_author_is_told_who_may_have_read_it(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        said = await ours.say(circle, "too much", notes=("loss",), to_facilitators=False)
        await ours.edit(circle, said, "still too much")
        await hears(theirs, circle, "still too much")

        async def is_delivered() -> bool:
            return all(one.state == "delivered" for one in await ours.deliveries(circle, None))

        await eventually(is_delivered)
        done = await ours.retract(circle, said)
        assert (done.id, done.delivered, done.on_its_way) == (said, 1, 0)

        async def is_gone() -> bool:
            return not await words(theirs, circle)

        await eventually(is_gone)
        for app in (ours, theirs):
            entries = [one for one in await app.read(circle, limit=100) if one.kind != "joined"]
            assert [one.kind for one in entries] == ["retracted", "edit", "retraction"]
            assert [(one.text, one.notes) for one in entries] == [("", ())] * 3
            assert not await app.search(circle, "much")
        with pytest.raises(Refused, match="nothing_to_change"):
            await ours.edit(circle, said, "again")
        with pytest.raises(Refused, match="nothing_to_change"):
            await ours.retract(circle, said)


DAY = 24 * 3600


async def test_what_was_read_disappears_after_its_time_and_what_was_not_waits(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        await ours.circle_disappear(circle, DAY)
        await ours.say(circle, "for a day", notes=(), to_facilitators=False)
        await theirs.say(circle, "for a week", notes=(), to_facilitators=False)

        async def has_come() -> bool:
            rows = await village.vaults["Salma"].search(None, "day", limit=9)
            mine = await village.vaults["نورس"].search(None, "week", limit=9)
            return bool(rows and mine)

        await eventually(has_come)
        await village.let_pass(3 * DAY)
        assert await texts(ours, circle) == ["for a week"]  # its author saw it when writing
        assert sorted(await texts(theirs, circle)) == ["for a day", "for a week"]
        village.stop("Salma")
        await village.let_pass(2 * DAY)
        again = await village.start("Salma")
        assert await texts(again, circle) == ["for a week"]
        assert not await again.search(circle, "day")
        await village.let_pass(6 * DAY)
        assert await texts(ours, circle) == await texts(again, circle) == []


async def test_what_is_not_delivered_yet_disappears_here_and_still_arrives(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, _, circle = await circle_of_two(village)
        await ours.circle_disappear(circle, DAY)

        async def has_heard() -> bool:
            return all(one.state == "delivered" for one in await ours.deliveries(circle, None))

        await eventually(has_heard)
        village.stop("Salma")
        await ours.say(circle, "for whoever was away", notes=(), to_facilitators=False)
        await village.let_pass(3 * DAY)
        assert await texts(ours, circle) == []
        again = await village.start("Salma")
        await hears(again, circle, "for whoever was away")
        await eventually(has_heard)
        with pytest.raises(Refused, match="disappear_unfit"):
            await ours.circle_disappear(circle, 5)


async def test_following_counts_as_reading(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        await ours.circle_disappear(circle, DAY)
        await ours.say(circle, "for a day", notes=(), to_facilitators=False)
        async with aclosing(theirs.follow(circle, after=0)) as entries:
            async for entry in entries:
                if entry.text == "for a day":
                    break
        await trio.sleep(DAY + 3600)
        assert await texts(theirs, circle) == []


async def test_new_words_are_found_where_the_last_shown_ones_end(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talking, "PAGE", 3)
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        for number in range(1, 4):
            await ours.say(circle, f"words {number}", notes=(), to_facilitators=False)
        await hears(theirs, circle, "words 3")
        await theirs.committer.flushed()
        assert await theirs.first_new(circle) is None and await ours.first_new(circle) is None
        for number in range(4, 15):
            await ours.say(circle, f"words {number}", notes=(), to_facilitators=False)

        async def has_come() -> bool:
            return bool(await theirs.vault.search(None, "14", limit=1))

        await eventually(has_come)
        first = await theirs.first_new(circle)
        assert first is not None
        [new] = await theirs.read(circle, after=first - 1, limit=1)
        assert (new.text, new.is_new) == ("words 4", True)
        [before] = await theirs.read(circle, before=first, limit=1, newest=True)
        assert (before.text, before.is_new) == ("words 3", False)
        assert (await theirs.entry(circle, new.id[:12])).text == "words 4"
        await theirs.committer.flushed()
        assert await theirs.first_new(circle) == first + 1
        await theirs.read(circle, limit=1, newest=True)
        await theirs.committer.flushed()
        assert await theirs.first_new(circle) is None, "whoever read the newest is not led back"
        with pytest.raises(Refused, match="no_such_message"):
            await theirs.entry(circle, "ab" * 32)
