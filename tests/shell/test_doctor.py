"""What the doctor finds, and what is said of what is being tried, in virtual time."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import trio
from trio.testing import MockClock

from tests.support.applications import Village, a_village, circle_of_two
from toheal_p2p.app.application import Application
from toheal_p2p.app.interface import CheckView, ProgressView
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.relay_news import RelayNews
from toheal_p2p.app.vocabulary import CHECK_CODES
from toheal_p2p.locale import LANGUAGES, load_words
from toheal_protocol.model import WallTime

pytestmark = pytest.mark.trio


async def findings(app: Application) -> dict[str, CheckView]:
    return {check.code: check for check in await app.doctor()}


async def test_all_is_well(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, _, _ = await circle_of_two(village, direct=False)
        await trio.sleep(5)
        found = await findings(ours)
        assert set(found) == {
            "vault_sound",
            "clock_agrees",
            "network_wired",
            "proxy_none",
            "lan_closed",
            "relay_connected",
            "udp_works",
            "links_up",
        }
        assert all(check.ok for check in found.values())
        facts = found["links_up"].facts
        kinds = ("turn", "direct", "lan", "relay", "none")
        assert [facts[kind] for kind in kinds] == [1, 0, 0, 0, 0]


async def test_where_relays_lend_no_address_words_go_through_mailboxes(
    autojump_clock: MockClock,
) -> None:
    async with a_village(has_turn=False) as village:
        ours, _, _ = await circle_of_two(village, direct=False)
        await trio.sleep(5)
        check = (await findings(ours))["links_by_relay_only"]
        assert check.ok
        assert (check.facts["relay"], check.facts["turn"], check.facts["none"]) == (1, 0, 0)


async def test_the_local_network_has_a_row_for_each_circle_that_meets(
    autojump_clock: MockClock,
) -> None:
    async with a_village() as village:
        ours, theirs, _ = await circle_of_two(village, direct=False)
        await ours.meeting.open(None, seconds=600, interfaces=())
        await trio.sleep(2)
        assert [one.code for one in await ours.doctor() if one.name == "lan"] == ["lan_searching"]
        await theirs.meeting.open(None, seconds=600, interfaces=())
        await trio.sleep(5)
        [row] = [one for one in await ours.doctor() if one.name == "lan"]
        assert (row.code, row.ok, row.facts) == ("lan_met", True, {"circle": "حلقة"})
        facts = (await findings(ours))["links_up"].facts
        assert (facts["lan"], facts["turn"]) == (1, 0)


async def test_each_trouble_with_a_relay_has_its_code(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, _, _ = await circle_of_two(village, direct=False)
        for reason, code in (
            ("unreachable", "relay_unreachable"),
            ("wrong_fingerprint", "relay_wrong_fingerprint"),
            ("full", "relay_full"),
            ("proxy_unreachable", "relay_proxy_unreachable"),
            ("proxy_refused", "relay_proxy_refused"),
        ):
            village.relay.answers_as = reason  # type: ignore[assignment]
            check = (await findings(ours))[code]
            assert not check.ok
            assert check.facts["address"] == str(village.relay.address)
        village.relay.answers_as = None
        village.udp = "blocked"
        assert not (await findings(ours))["udp_blocked"].ok


async def test_a_proxy_is_told_with_what_it_switches_off(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, _, circle = await circle_of_two(village, direct=True)
        await ours.settings.set("proxy", "socks5://u:secret@127.0.0.1:9050")
        village.udp = "not_sent"
        await trio.sleep(30)
        found = await findings(ours)
        assert {"proxy_in_use", "lan_off", "udp_not_sent"} <= set(found)
        assert "secret" not in str([check.facts for check in found.values()])
        assert (await ours.links(circle))[0].trying in ("through_proxy", "waiting_for_member")


async def test_a_message_from_the_future_makes_a_clock_doubtful(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village, direct=False)
        [running] = theirs._running.values()
        running.service.wall_clock = lambda: WallTime(1_800_000_000 + 4000)
        await theirs.say(circle, "from tomorrow", notes=(), to_facilitators=False)
        await trio.sleep(1)
        check = (await findings(ours))["clock_differs"]
        assert (check.ok, check.facts["name"]) == (False, "Salma")


# ---- what is being tried


async def told(
    village: Village, ours: Application, circle: str
) -> tuple[str | None, Mapping[str, object]]:
    [view] = await ours.links(circle)
    return view.trying, view.trying_facts


async def test_links_say_in_turn_what_is_being_tried(autojump_clock: MockClock) -> None:
    async with a_village(has_turn=False) as village:
        ours, _, circle = await circle_of_two(village, direct=False)
        await trio.sleep(5)
        assert await told(village, ours, circle) == (None, {})
        village.relay.stop()
        await trio.sleep(20)
        code, facts = await told(village, ours, circle)
        assert code == "trying_again_in"
        assert 0 < int(str(facts["seconds"])) <= 45
        village.stop("Salma")
        village.stop("نورس")
        await trio.sleep(1)
        village.relay.start()
        village.relay.dialled_after = 0.5
        ours = await village.start("نورس")
        assert (await told(village, ours, circle))[0] == "connecting"
        village.relay.dialled_after = 0.0
        await trio.sleep(5)
        assert await told(village, ours, circle) == ("waiting_for_member", {"name": "Salma"})
        assert [view.again_in for view in await ours.relay_list()] == [None]


async def test_whoever_joins_hears_what_is_being_tried(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, theirs = await village.start("نورس"), await village.start("Salma")
        circle = await ours.circle_create(
            "c", relays=[str(village.relay.address)], direct=False, charter="x", nickname=None
        )
        seat = await ours.invite(circle.id, expires_in=3600)
        heard: list[str] = []

        async def report(progress: ProgressView) -> None:
            assert progress.facts == {"address": str(village.relay.address)}
            heard.append(progress.code)

        await theirs.look_at_invitation(seat.link, report=report)
        assert heard == ["connecting", "fetching_invitation"]
        village.relay.stop()
        heard.clear()
        with pytest.raises(Refused):
            await theirs.look_at_invitation(seat.link, report=report)
        assert heard == ["connecting", "trying_again"]


async def test_a_change_with_a_relay_is_told_once(autojump_clock: MockClock) -> None:
    heard: list[str] = []
    news = RelayNews(lambda progress: heard.append(progress.code))
    async with a_village() as village:
        village.on_relay = news.tell
        ours, _, _ = await circle_of_two(village, direct=False)
        news.begin(await ours.relay_list())
        await trio.sleep(60)
        assert heard == ["relay_connected"]
        village.relay.stop()
        await trio.sleep(600)
        assert heard == ["relay_connected", "trying_again"]
        village.relay.start()
        await trio.sleep(60)
        assert heard == ["relay_connected", "trying_again", "relay_connected"]


async def test_every_finding_has_a_sentence_that_names_only_known_facts() -> None:
    """A fact that no check gives would show as dots."""
    given = {"address": "A", "circle": "C", "name": "N", "milliseconds": 1, "proxy": "P"}
    for language in LANGUAGES:
        words = load_words(language)
        for code in CHECK_CODES:
            assert "…" not in words.text(f"check.{code}", **given)  # type: ignore[arg-type]
