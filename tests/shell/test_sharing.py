"""Showing words outside, between whole applications."""

from __future__ import annotations

import pytest

from tests.shell.test_talking import hears
from tests.support.applications import WALL_START, Village, a_village, circle_of_two, eventually
from toheal_p2p.app.application import Application
from toheal_p2p.app.refusals import Refused
from toheal_protocol.messages.consent import decode_receipt, verify_receipt
from toheal_protocol.model import WallTime

pytestmark = pytest.mark.trio

SAID = "walking every morning helped me"
DAY = 24 * 3600


async def a_message(village: Village) -> tuple[Application, Application, str, str]:
    """A reader, an author, their circle and what the author said."""
    reader, author, circle = await circle_of_two(village)
    message = await author.say(circle, SAID, notes=(), to_facilitators=False)
    await hears(reader, circle, SAID)
    return reader, author, circle, message


async def asks(reader: Application, circle: str, message: str, excerpt: str | None = None) -> str:
    asked = await reader.share_ask(
        circle, message, excerpt=excerpt, audience="a friend", purpose="comfort", days=2
    )
    return asked.id


async def comes_to(app: Application, circle: str, state: str) -> None:
    async def has() -> bool:
        return state in [one.state for one in await app.share_list(circle)]

    await eventually(has)


async def test_words_of_others_leave_only_with_their_authors_yes_and_while_it_stands(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        reader, author, circle, message = await a_message(village)
        with pytest.raises(Refused, match="share_needs_consent"):
            await reader.share_export(circle, message)
        serial = await asks(reader, circle, message, "walking every morning")
        await comes_to(author, circle, "asked")
        with pytest.raises(Refused, match="share_needs_consent"):
            await reader.share_export(circle, message)
        assert (await author.share_answer(circle, serial[:8], yes=True)).state == "granted"
        await comes_to(reader, circle, "granted")
        [words] = await reader.share_export(circle, message)
        assert (words.text, words.audience, words.purpose) == (
            "walking every morning",
            "a friend",
            "comfort",
        )
        assert words.receipt is not None
        receipt = decode_receipt(bytes.fromhex(words.receipt))
        verify_receipt(receipt, words.text, wall_now=WallTime(WALL_START))
        assert (await author.share_withdraw(circle, serial)).state == "withdrawn"
        await comes_to(reader, circle, "withdrawn")
        with pytest.raises(Refused, match="share_needs_consent"):
            await reader.share_export(circle, message)
        with pytest.raises(Refused, match="no_such_share"):
            await author.share_withdraw(circle, serial)


async def test_a_yes_ends_by_itself(autojump_clock: object) -> None:
    async with a_village() as village:
        reader, author, circle, message = await a_message(village)
        serial = await asks(reader, circle, message)
        await comes_to(author, circle, "asked")
        await author.share_answer(circle, serial, yes=True)
        await comes_to(reader, circle, "granted")
        assert [one.text for one in await reader.share_export(circle, message)] == [SAID]
        await village.let_pass(2 * DAY)
        [over] = await reader.share_list(circle)
        assert (over.state, over.excerpt) == ("expired", "")
        with pytest.raises(Refused, match="share_needs_consent"):
            await reader.share_export(circle, message)


async def test_a_no_is_a_no(autojump_clock: object) -> None:
    async with a_village() as village:
        reader, author, circle, message = await a_message(village)
        serial = await asks(reader, circle, message)
        await comes_to(author, circle, "asked")
        assert (await author.share_answer(circle, serial, yes=False)).state == "refused"
        await comes_to(reader, circle, "refused")
        with pytest.raises(Refused, match="share_needs_consent"):
            await reader.share_export(circle, message)


async def test_nobody_signs_under_words_that_are_not_theirs(autojump_clock: object) -> None:
    async with a_village() as village:
        reader, author, circle, message = await a_message(village)
        with pytest.raises(Refused, match="share_other_words"):
            await asks(reader, circle, message, "walking never helped me")
        serial = await asks(reader, circle, message)
        await comes_to(author, circle, "asked")
        await author.edit(circle, message, "running every evening hurt me")
        with pytest.raises(Refused, match="share_other_words"):
            await author.share_answer(circle, serial, yes=True)
        await author.retract(circle, message)
        with pytest.raises(Refused, match="share_other_words"):
            await author.share_answer(circle, serial, yes=True)
        assert [one.state for one in await author.share_list(circle)] == ["asked"]


async def test_ones_own_words_are_ones_own_and_what_was_taken_back_is_nobodys(
    autojump_clock: object,
) -> None:
    async with a_village() as village:
        reader, author, circle, message = await a_message(village)
        [words] = await author.share_export(circle, message)
        assert (words.text, words.mine, words.receipt) == (SAID, True, None)
        with pytest.raises(Refused, match="share_own_words"):
            await asks(author, circle, message)
        serial = await asks(reader, circle, message)
        await comes_to(author, circle, "asked")
        await author.share_answer(circle, serial, yes=True)
        await comes_to(reader, circle, "granted")
        await author.retract(circle, message)

        async def is_gone() -> bool:
            return "retracted" in [one.kind for one in await reader.read(circle, limit=99)]

        await eventually(is_gone)
        for app in (reader, author):
            with pytest.raises(Refused, match="nothing_to_change"):
                await app.share_export(circle, message)
