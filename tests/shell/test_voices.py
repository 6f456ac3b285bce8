"""Terms, mutes and hiding between whole applications, in virtual time."""

from __future__ import annotations

import pytest
import trio

from tests.shell.test_governance import agree, let_in
from tests.shell.test_talking import hears, texts, words
from tests.support.applications import WALL_START, Village, a_village, circle_of_two, eventually
from toheal_p2p.app.application import Application
from toheal_p2p.app.interface import MemberView, PolicyView
from toheal_p2p.app.refusals import Refused
from toheal_protocol.machines import allowances
from toheal_protocol.model import DEFAULT_TERM

pytestmark = pytest.mark.trio

HOUR = 3600


async def three(village: Village) -> tuple[Application, Application, Application, str]:
    """نورس facilitates; Salma and Idris are members."""
    ours, theirs, circle = await circle_of_two(village)
    third = await let_in(village, ours, circle, "Idris")
    names = {"نورس": "facilitator", "Salma": "member", "Idris": "member"}
    await agree(circle, [ours, theirs, third], names)
    return ours, theirs, third, circle


async def member(app: Application, circle: str, name: str) -> MemberView:
    [found] = [one for one in await app.circle_members(circle) if one.name == name]
    return found


async def sees_mute(app: Application, circle: str, name: str, *, muted: bool) -> None:
    async def does() -> bool:
        return ((await member(app, circle, name)).muted_until is not None) is muted

    await eventually(does)


async def test_a_mute_is_seen_by_all_told_before_writing_and_ends_with_the_first_words_after_it(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, third, circle = await three(village)
        act = await ours.circle_mute(circle, "Salma", hours=2, reason="harm", text="a pause")
        assert (act.kind, act.state, act.text) == ("mute", "stands", "a pause")
        for app in (ours, theirs, third):
            await sees_mute(app, circle, "Salma", muted=True)
            [shown] = [e.act for e in await app.read(circle, limit=100) if e.act is not None]
            assert (shown.kind, shown.reason, shown.member_name) == ("mute", "harm", "Salma")
            assert shown.until is not None and shown.until > WALL_START + 2 * HOUR - 60
        assert (await theirs.circle_list())[0].muted_until == shown.until
        with pytest.raises(Refused, match="muted") as refused:
            await theirs.say(circle, "but", notes=(), to_facilitators=False)
        assert refused.value.facts == {"hours": 2}
        await theirs.say(circle, "please hear me", notes=(), to_facilitators=True)
        await hears(ours, circle, "please hear me")
        village.ahead += 2 * HOUR
        assert (await theirs.circle_list())[0].muted_until is None
        await theirs.say(circle, "here again", notes=(), to_facilitators=False)
        await hears(third, circle, "here again")
        await sees_mute(third, circle, "Salma", muted=False)
        acts = [(one.kind, one.author_name) for one in await ours.circle_acts(circle)]
        assert acts[-1] == ("unmute", "Salma")
        with pytest.raises(Refused, match="mute_so_soon"):
            await ours.circle_mute(circle, "Salma", hours=2, reason="harm", text="")


async def test_a_mute_is_renewed_once_and_ended_by_who_facilitates(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, third, circle = await three(village)
        await ours.circle_mute(circle, "Salma", hours=24, reason="other", text="")
        await ours.circle_mute(circle, "Salma", hours=24, reason="other", text="")
        with pytest.raises(Refused, match="mute_renewed"):
            await ours.circle_mute(circle, "Salma", hours=24, reason="other", text="")
        await sees_mute(third, circle, "Salma", muted=True)
        for app, who in ((third, "Salma"), (theirs, "Salma")):
            await sees_mute(app, circle, "Salma", muted=True)
            with pytest.raises(Refused, match="not_a_facilitator"):
                await app.circle_unmute(circle, who)
        await ours.circle_unmute(circle, "Salma")
        await sees_mute(theirs, circle, "Salma", muted=False)
        await theirs.say(circle, "thank you", notes=(), to_facilitators=False)
        await hears(third, circle, "thank you")
        with pytest.raises(Refused, match="not_muted"):
            await ours.circle_unmute(circle, "Salma")


async def test_a_mute_that_does_not_fit_is_refused(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, _, circle = await three(village)
        for hours in (0, 25):
            with pytest.raises(Refused, match="mute_unfit"):
                await ours.circle_mute(circle, "Salma", hours=hours, reason="other", text="")
        with pytest.raises(Refused, match="act_on_oneself"):
            await ours.circle_mute(circle, "نورس", hours=1, reason="other", text="")
        await ours.circle_role(circle, "Idris", "listener", reason="request", text="")
        with pytest.raises(Refused, match="mute_of_listener"):
            await ours.circle_mute(circle, "Idris", hours=1, reason="other", text="")
        proposed = await theirs.circle_mute(circle, "نورس", hours=1, reason="other", text="")
        assert proposed.state == "waits" and proposed.waiting_for == ("Idris",)


async def test_a_term_has_an_end_that_everybody_sees_and_another_facilitator_moves(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, third, circle = await three(village)
        founder = await member(third, circle, "نورس")
        assert founder.term_until == WALL_START + DEFAULT_TERM and not founder.term_over
        assert (await member(third, circle, "Salma")).term_until is None
        alone = await ours.circle_term(circle, "نورس", weeks=4)
        assert alone.state == "waits"
        await ours.circle_role(circle, "Salma", "facilitator", reason="term", text="", weeks=2)
        names = {"نورس": "facilitator", "Salma": "facilitator", "Idris": "member"}
        await agree(circle, [ours, theirs, third], names)
        theirs_until = (await member(third, circle, "Salma")).term_until
        assert theirs_until is not None
        assert 0 <= theirs_until - WALL_START - 2 * 7 * 24 * HOUR < HOUR
        village.ahead += DEFAULT_TERM
        assert (await member(third, circle, "نورس")).term_over
        over = [one for one in await third.doctor() if one.code == "term_over"]
        assert sorted(str(one.facts["name"]) for one in over) == ["Salma", "نورس"]
        assert (await member(third, circle, "نورس")).role == "facilitator"
        assert (await theirs.circle_term(circle, "نورس", weeks=1)).state == "stands"

        async def is_moved() -> bool:
            return not (await member(third, circle, "نورس")).term_over

        await eventually(is_moved)
        with pytest.raises(Refused, match="not_a_term"):
            await ours.circle_term(circle, "Idris", weeks=1)
        for weeks in (0, 27):
            with pytest.raises(Refused, match="term_unfit"):
                await ours.circle_term(circle, "Salma", weeks=weeks)


async def test_whom_one_hides_is_kept_unseen_hears_nothing_of_it_and_comes_back(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, third, circle = await three(village)
        before = await theirs.say(circle, "before this", notes=(), to_facilitators=False)
        await hears(ours, circle, "before this")
        await ours.hide(circle, "Salma", hidden=True)
        assert (await member(ours, circle, "Salma")).hidden
        assert not (await member(third, circle, "Salma")).hidden
        await theirs.say(circle, "all can read this", notes=("loss",), to_facilitators=False)
        await theirs.say(circle, "I call for help", notes=(), to_facilitators=True)
        await third.say(circle, "I answer", notes=(), to_facilitators=False, reply=before)
        await hears(third, circle, "all can read this")
        await hears(ours, circle, "I call for help")
        await hears(ours, circle, "I answer")
        assert await texts(ours, circle) == ["I call for help", "I answer"]
        hidden = [one for one in await ours.read(circle, limit=100) if one.kind == "hidden"]
        assert len(hidden) == 2
        assert all((one.text, one.notes, one.quote) == ("", (), None) for one in hidden)
        [answer] = [one for one in await words(ours, circle) if one.text == "I answer"]
        assert answer.quote is None
        assert not await ours.search(circle, "read")
        shown = [one.text for one in await ours.read(circle, limit=100, with_hidden=True)]
        assert "all can read this" in shown
        village.stop("نورس")
        ours = await village.start("نورس")
        assert (await member(ours, circle, "Salma")).hidden
        await ours.hide(circle, "Salma", hidden=False)
        assert "all can read this" in await texts(ours, circle)
        with pytest.raises(Refused, match="act_on_oneself"):
            await ours.hide(circle, "نورس", hidden=True)


async def test_what_is_hidden_does_not_disappear_as_if_it_had_been_read(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        ours, theirs, _, circle = await three(village)
        await theirs.circle_disappear(circle, 24 * HOUR)
        await ours.hide(circle, "Salma", hidden=True)
        await theirs.say(circle, "for later", notes=(), to_facilitators=False)

        async def is_here() -> bool:
            return "hidden" in [one.kind for one in await ours.read(circle, limit=100)]

        await eventually(is_here)
        village.ahead += 3 * 24 * HOUR
        await trio.sleep(1000)  # what is over goes within a quarter of an hour
        await ours.hide(circle, "Salma", hidden=False)
        assert await texts(ours, circle) == ["for later"]


async def test_a_policy_that_waits_says_whose_yes_is_missing(autojump_clock: object) -> None:
    async with a_village() as village:
        ours, theirs, third, circle = await three(village)
        assert (await ours.circle_policy(circle)).waiting == ()
        act = await ours.circle_policy_set(circle, direct=False)

        async def is_there() -> bool:
            return bool((await theirs.circle_policy(circle)).waiting)

        await eventually(is_there)
        await theirs.circle_second(circle, act.id)

        async def lacks_one() -> bool:
            waiting = (await third.circle_policy(circle)).waiting
            return [one.waiting_for for one in waiting] == [("Idris",)]

        await eventually(lacks_one)
        assert (await third.circle_policy(circle)).direct
        await third.circle_second(circle, act.id)
        assert await third.circle_policy(circle) == PolicyView(direct=False)


async def test_who_wrote_too_much_is_told_before_writing_and_the_doctor_says_who_it_is(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowances, "WORDS_A_DAY", 3000)
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village)
        for number in range(4):  # of 896 bytes each
            await theirs.say(circle, f"{number} " + "x" * 600, notes=(), to_facilitators=False)
        for to_facilitators in (False, True):
            with pytest.raises(Refused, match="words_enough") as refused:
                await theirs.say(circle, "more", notes=(), to_facilitators=to_facilitators)
        assert refused.value.facts == {"limit": 64}

        async def is_told() -> bool:
            found = [one for one in await ours.doctor() if one.code == "words_wait"]
            return [dict(one.facts)["name"] for one in found] == ["Salma"]

        await eventually(is_told)
        assert len(await texts(ours, circle)) == 4
