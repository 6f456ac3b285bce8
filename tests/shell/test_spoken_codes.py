"""Spoken codes between whole applications, in virtual time: from the words to the door."""

from __future__ import annotations

from contextlib import aclosing

import pytest
import trio
from attrs import field, frozen

from tests.support.applications import Village, a_village, eventually
from tests.support.memory_relay import MemoryRelay
from toheal_p2p.app.application import Application
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.spoken import MOST_CODES
from toheal_p2p.app.spoken_interface import SpokenView
from toheal_p2p.services.relay_connection import MailArrived, RelayConnection
from toheal_p2p.services.spoken_relay import short_lived
from toheal_protocol.crypto import Entropy, SigningSeed
from toheal_protocol.identity import parse_spoken_code
from toheal_protocol.machines.spoken_keys import nameplate_mailbox, relay_channel
from toheal_protocol.machines.spoken_lookup import begin_lookup
from toheal_protocol.messages.spoken import (
    OfferId,
    SpokenAnnouncement,
    Way,
    decode_mailbox_way,
    decode_spoken,
    encode_spoken,
)
from toheal_protocol.wire.invitation_link import parse_invitation_link

pytestmark = pytest.mark.trio

HOUR = 3600


async def inviter(village: Village) -> tuple[Application, str]:
    """Somebody with a circle."""
    ours = await village.start("نورس")
    circle = await ours.circle_create(
        "حلقة",
        relays=[str(village.relay.address)],
        direct=False,
        charter="نصغي.",
        nickname=None,
    )
    return ours, circle.id


async def look_up(village: Village, app: Application, code: str) -> str:
    return (await app.spoken.look_up(code, relays=[str(village.relay.address)])).link


def wrong(offered: SpokenView) -> str:
    """The same number with another last word."""
    number, *words = offered.code.split()
    other = "zebra" if words[-1] != "zebra" else "yarn"
    return " ".join((number, *words[:-1], other))


@pytest.mark.parametrize("language", ["ar", "en"])
async def test_the_right_words_lead_to_the_door(language, autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        theirs = await village.start("Salma")
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language=language)
        link = await look_up(village, theirs, offered.code)
        assert [one.link for one in await ours.invitations(circle)] == [link]
        said = await theirs.look_at_invitation(link)
        assert said.circle_name == "حلقة"
        await theirs.join(link, nickname="Salma")

        async def somebody_waits() -> bool:
            return bool(await ours.waiting(circle))

        await eventually(somebody_waits)
        await ours.admit(circle, "Salma")
        assert await ours.spoken.codes(circle) == []


async def test_one_wrong_word_burns_one_try_and_three_burn_the_code(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        theirs = await village.start("Salma")
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        for left in (2, 1):
            with pytest.raises(Refused) as refused:
                await look_up(village, theirs, wrong(offered))
            assert refused.value.code == "spoken_words_wrong"
            assert refused.value.facts == {"tries": left}
            [waiting] = await ours.spoken.codes(circle)
            assert (waiting.tries_left, waiting.state) == (left, "waiting")
        with pytest.raises(Refused) as refused:
            await look_up(village, theirs, wrong(offered))
        assert refused.value.code == "spoken_code_burned"
        assert await ours.spoken.codes(circle) == []
        assert await ours.invitations(circle) == []
        await trio.sleep(1)
        with pytest.raises(Refused) as refused:
            await look_up(village, theirs, offered.code)
        assert refused.value.code == "spoken_code_not_found"


async def test_two_joiners_at_once_get_one_seat(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        people = [await village.start(name) for name in ("Salma", "Guest")]
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="ar")
        outcomes: list[str] = []

        async def come(app: Application) -> None:
            try:
                await look_up(village, app, offered.code)
                outcomes.append("link")
            except Refused as refused:
                outcomes.append(refused.code)

        async with trio.open_nursery() as nursery:
            for app in people:
                nursery.start_soon(come, app)
        assert outcomes.count("link") == 1
        # the other one came while it was handed over, or looked when it was over
        assert {"spoken_code_over", "spoken_code_not_found"} & set(outcomes)
        assert len(await ours.invitations(circle)) == 1


async def test_who_looks_at_the_same_moment_does_not_hide_the_code_from_others(
    autojump_clock,
) -> None:
    """A mailbox has one watcher; two joiners still both find the number, and try their words."""
    async with a_village() as village:
        ours, circle = await inviter(village)
        people = [await village.start(name) for name in ("Salma", "Guest")]
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        outcomes: list[str] = []

        async def come(app: Application) -> None:
            with pytest.raises(Refused) as refused:
                await look_up(village, app, wrong(offered))
            outcomes.append(refused.value.code)

        async with trio.open_nursery() as nursery:
            for app in people:
                nursery.start_soon(come, app)
        assert outcomes == ["spoken_words_wrong"] * 2
        [waiting] = await ours.spoken.codes(circle)
        assert waiting.tries_left == 1


async def test_after_ten_minutes_nobody_waits_any_more(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        theirs = await village.start("Salma")
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        async with aclosing(ours.spoken.follow(circle, offered.id)) as views:
            states = [view.state async for view in views]
        assert states == ["waiting", "expired"]
        assert await ours.spoken.codes(circle) == []
        with pytest.raises(Refused) as refused:
            await look_up(village, theirs, offered.code)
        assert refused.value.code == "spoken_code_not_found"


async def test_a_withdrawn_code_leads_nowhere(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        theirs = await village.start("Salma")
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        await ours.withdraw_invitation(circle, offered.id[:6])
        assert await ours.spoken.codes(circle) == []
        await trio.sleep(1)
        with pytest.raises(Refused) as refused:
            await look_up(village, theirs, offered.code)
        assert refused.value.code == "spoken_code_not_found"
        with pytest.raises(Refused, match="no_such_invitation"):
            await ours.withdraw_invitation(circle, offered.id)


async def test_whoever_watches_hears_of_each_try_and_of_the_end(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        theirs = await village.start("Salma")
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        seen: list[tuple[str, int]] = []

        async def watch() -> None:
            async with aclosing(ours.spoken.follow(circle, offered.id)) as views:
                async for view in views:
                    seen.append((view.state, view.tries_left))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await trio.sleep(0.1)
            with pytest.raises(Refused):
                await look_up(village, theirs, wrong(offered))
            await look_up(village, theirs, offered.code)
        assert seen[0] == ("waiting", 3)
        assert ("waiting", 2) in seen
        assert seen[-1] == ("handed_over", 2)


async def test_the_code_ends_with_the_program_and_the_joiner_is_told(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        theirs = await village.start("Salma")
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        village.stop("نورس")
        await trio.sleep(1)
        with pytest.raises(Refused) as refused:
            await look_up(village, theirs, offered.code)
        assert refused.value.code == "spoken_no_answer"
        back = await village.start("نورس")
        assert await back.spoken.codes(circle) == []
        assert await back.invitations(circle) == []


async def test_a_relay_that_forgot_everything_is_told_again(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        theirs = await village.start("Salma")
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        village.relay.restart()
        await trio.sleep(5)
        assert await look_up(village, theirs, offered.code)


async def test_a_code_is_looked_up_at_the_relays_the_joiner_knows(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        theirs = await village.start("Salma")
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        with pytest.raises(Refused, match="spoken_not_in_room"):
            await theirs.spoken.look_up(offered.code, relays=())
        await theirs.relay_add(str(village.relay.address))
        assert await theirs.spoken.look_up(offered.code, relays=())


async def test_a_relay_out_of_reach_is_named_so_on_both_sides(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        theirs = await village.start("Salma")
        village.relay.stop()
        with pytest.raises(Refused, match="relay_unreachable"):
            await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        with pytest.raises(Refused, match="spoken_relays_silent"):
            await look_up(village, theirs, "7421 lantern giraffe marble")


@pytest.mark.parametrize(
    ("typed", "code", "facts"),
    [
        ("7421 lantren giraffe marble", "spoken_word_unsure", {"name", "suggestion"}),
        ("7421 qqqqq giraffe marble", "spoken_word_unknown", {"name"}),
        ("742 lantern giraffe marble", "spoken_code_malformed", set()),
    ],
)
async def test_a_mistyped_code_is_told_before_anybody_is_asked(
    typed: str, code: str, facts: set[str], autojump_clock
) -> None:
    async with a_village() as village:
        theirs = await village.start("Salma")
        dials = village.relay.dials
        with pytest.raises(Refused) as refused:
            await look_up(village, theirs, typed)
        assert refused.value.code == code
        assert set(refused.value.facts) == facts
        assert village.relay.dials == dials


async def test_a_full_circle_offers_no_code_and_a_code_of_one_gives_no_seat(
    autojump_clock, monkeypatch
) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        theirs = await village.start("Salma")
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        monkeypatch.setattr("toheal_p2p.app.running.MAX_MEMBERS", 1)
        with pytest.raises(Refused, match="circle_full"):
            await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        with pytest.raises(Refused, match="spoken_code_over"):
            await look_up(village, theirs, offered.code)
        assert await ours.invitations(circle) == []


# ---- at the relay


async def test_the_relay_hears_neither_words_nor_link(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        theirs = await village.start("Salma")
        before = len(village.relay.heard)
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        link = parse_invitation_link(await look_up(village, theirs, offered.code))
        heard = village.relay.heard[before:]
        code = parse_spoken_code(offered.code)
        words = [word.encode() for word in offered.code.split()[1:]]
        assert len(heard) > 8
        for message in heard:
            assert not any(word in message for word in words)
            assert code.secret not in message
            assert link.secret not in message
            assert str(link).encode()[-40:] not in message


async def test_a_number_that_is_taken_is_left_to_whoever_had_it(autojump_clock) -> None:
    """Two people draw the same number; the second one takes another, and both codes work."""
    async with a_village() as village:
        ours, circle = await inviter(village)
        first = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        number = first.code.split()[0]
        other = await village.start("Ward")
        second_circle = await other.circle_create(
            "other",
            relays=[str(village.relay.address)],
            direct=False,
            charter="We listen.",
            nickname=None,
        )
        draws = [int(number) - 1000, 77]
        other.spoken.entropy = SameNumberFirst(other.entropy, draws)
        second = await other.spoken.offer(second_circle.id, expires_in=HOUR, language="en")
        assert draws == []
        assert second.code.split()[0] == "1077"
        theirs = await village.start("Salma")
        for offered in (first, second):
            assert await look_up(village, theirs, offered.code)


@frozen
class SameNumberFirst:
    """Entropy that draws these numbers for nameplates, and is ordinary otherwise."""

    inner: Entropy
    numbers: list[int]
    _words: list[bool] = field(factory=list)

    def draw(self, size: int) -> bytes:
        if size == 4 and self.numbers and len(self._words) != 1:
            self._words.append(True)
            return self.numbers.pop(0).to_bytes(4, "big")
        if size == 4:
            self._words.append(True)
        return self.inner.draw(size)

    def encapsulate(self, public_key):
        return self.inner.encapsulate(public_key)


async def stranger(village: Village, nameplate: str) -> tuple[RelayConnection, SigningSeed, object]:
    """Somebody who guessed the number, connected and reading what lies there."""
    relay = village.relay
    seed, token = nameplate_mailbox(relay.address.fingerprint, nameplate)
    connection = RelayConnection(relay.address, dial=relay.dial, jitter=lambda: 0.5)
    connection.watch([short_lived(seed, token)])
    village.nursery.start_soon(connection.run)
    return connection, seed, token


async def test_a_stranger_can_delete_an_announcement_and_learn_no_more_than_that(
    autojump_clock,
) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        connection, seed, _ = await stranger(village, offered.code.split()[0])
        with trio.fail_after(10):
            async for event in connection.events:
                if isinstance(event, MailArrived):
                    break
        message = decode_spoken(event.frame)
        assert isinstance(message, SpokenAnnouncement)
        connection.delete(seed, [event.item])
        await trio.sleep(1)
        theirs = await village.start("Salma")
        with pytest.raises(Refused, match="spoken_code_not_found"):
            await look_up(village, theirs, offered.code)
        [waiting] = await ours.spoken.codes(circle)
        assert waiting.tries_left == 3


async def test_garbage_and_foreign_announcements_at_a_number_keep_nobody_out(
    autojump_clock,
) -> None:
    """A joiner gets past what others left there, and the true code still works."""
    async with a_village() as village:
        ours, circle = await inviter(village)
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        number = offered.code.split()[0]
        connection, seed, token = await stranger(village, number)
        address = short_lived(seed, token).address
        dead_end = SpokenAnnouncement(OfferId(bytes(16)), Way(bytes(32)))
        no_way = SpokenAnnouncement(OfferId(bytes([1]) * 16), Way(b"x"))
        for ticket, frame in enumerate(
            (b"garbage", bytes(1192), encode_spoken(dead_end), encode_spoken(no_way))
        ):
            connection.deposit(ticket, address, token, frame)
        await trio.sleep(1)
        theirs = await village.start("Salma")
        assert await look_up(village, theirs, offered.code)


async def test_a_flood_in_the_inbox_ends_nothing_but_the_code(autojump_clock) -> None:
    """Whoever knows the number knows the inbox, and can put anything there as fast as they like."""
    async with a_village() as village:
        ours, circle = await inviter(village)
        offered = await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        code = parse_spoken_code(offered.code)
        connection, _, _ = await stranger(village, code.nameplate)
        with trio.fail_after(10):
            async for event in connection.events:
                if isinstance(event, MailArrived):
                    break
        announcement = decode_spoken(event.frame)
        assert isinstance(announcement, SpokenAnnouncement)
        address, token = decode_mailbox_way(announcement.way)
        channel = relay_channel(village.relay.address.fingerprint, code.nameplate)
        for number in range(400):
            _, [send] = begin_lookup(
                code, announcement, channel=channel, way=Way(bytes(32)), entropy=ours.entropy
            )
            frame = send.frame if number % 2 else number.to_bytes(1192, "big")
            connection.deposit(number, address, token, frame)
        await trio.sleep(30)
        assert await ours.spoken.codes(circle) == []  # burned
        assert await ours.invitations(circle) == []
        assert await ours.spoken.offer(circle, expires_in=HOUR, language="en")


async def test_a_profile_serves_some_codes_at_once_and_no_crowd(autojump_clock) -> None:
    async with a_village() as village:
        ours, circle = await inviter(village)
        for _ in range(MOST_CODES):
            await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        with pytest.raises(Refused, match="busy"):
            await ours.spoken.offer(circle, expires_in=HOUR, language="en")
        await trio.sleep(700)
        assert await ours.spoken.offer(circle, expires_in=HOUR, language="en")


async def test_one_code_at_two_relays_is_tried_once(autojump_clock) -> None:
    async with a_village() as village:
        second = MemoryRelay(host="second.example", seed=5)
        relays = {village.relay.address: village.relay, second.address: second}

        def connect(address):
            return RelayConnection(address, dial=relays[address].dial, jitter=lambda: 0.5)

        ours = await village.start("نورس")
        ours.connect = ours.spoken.connect = connect
        circle = await ours.circle_create(
            "two",
            relays=[str(address) for address in relays],
            direct=False,
            charter="We listen.",
            nickname=None,
        )
        theirs = await village.start("Salma")
        theirs.connect = theirs.spoken.connect = connect
        offered = await ours.spoken.offer(circle.id, expires_in=HOUR, language="en")
        everywhere = [str(address) for address in relays]
        with pytest.raises(Refused) as refused:
            await theirs.spoken.look_up(wrong(offered), relays=everywhere)
        assert refused.value.facts == {"tries": 2}
        for relay in everywhere[1:]:
            with pytest.raises(Refused) as refused:
                await theirs.spoken.look_up(wrong(offered), relays=[relay])
            assert refused.value.facts == {"tries": 1}
        village.relay.stop()
        assert await theirs.spoken.look_up(offered.code, relays=everywhere)
