"""Settings: what is kept, what is refused, and what has to hold before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.support.applications import a_village, circle_of_two, eventually
from toheal_p2p.app.look import Look, decode_look, read_look, write_look
from toheal_p2p.app.network_policy import NetworkPolicy
from toheal_p2p.app.refusals import Refused
from toheal_p2p.app.settings import SETTINGS, Settings
from toheal_p2p.app.vocabulary import SETTING_NAMES
from toheal_p2p.locale import choose_language, load_words
from toheal_p2p.services.relay_line import DIRECT_LINE, PROXY_LINE
from toheal_protocol.machines.records import Write

PROXY = "socks5://u:secret@127.0.0.1:9050"


async def keep_nothing(_writes: object) -> None:
    await trio.lowlevel.checkpoint()


def begun(home: Path, stored: dict[str, bytes] | None = None) -> Settings:
    settings = Settings(home, NetworkPolicy())
    settings.begin(stored or {}, keep_nothing, {})
    return settings


def test_every_setting_is_named_once() -> None:
    assert tuple(one.name for one in SETTINGS) == SETTING_NAMES


@pytest.mark.parametrize("value", [b"", b"nonsense", b"socks5://name:1", b"None", b"\xd8"])
def test_a_stored_proxy_that_cannot_be_read_never_counts_as_none(
    tmp_path: Path, value: bytes
) -> None:
    with pytest.raises((Refused, UnicodeDecodeError)) as caught:
        begun(tmp_path, {"setting.proxy": value})
    assert isinstance(caught.value, UnicodeDecodeError) or caught.value.code == "vault_damaged"


@pytest.mark.trio
async def test_a_proxy_closes_everything_but_the_way_to_relays(tmp_path: Path) -> None:
    settings = begun(tmp_path)
    policy, told = settings.network, []
    policy.on_change(lambda: told.append(policy.proxy))
    assert policy.may_send_udp and policy.may_open_links and policy.may_use_lan
    assert policy.line is DIRECT_LINE
    await settings.set("proxy", PROXY)
    assert not (policy.may_send_udp or policy.may_open_links or policy.may_use_lan)
    assert policy.line is PROXY_LINE
    await settings.set("proxy", PROXY)  # no change: nothing is torn down
    await settings.set("proxy", "none")
    assert policy.may_send_udp
    assert len(told) == 2


@pytest.mark.trio
async def test_what_could_not_be_kept_is_not_in_effect(tmp_path: Path) -> None:
    settings = Settings(tmp_path, NetworkPolicy())

    async def fail(_writes: object) -> None:
        raise Refused("disk_full")

    settings.begin({}, fail, {})
    with pytest.raises(Refused):
        await settings.set("proxy", PROXY)
    assert settings.network.proxy is None
    assert (await settings.get("proxy")).value == "none"


@pytest.mark.trio
async def test_a_password_is_kept_and_never_shown(tmp_path: Path) -> None:
    kept: list[Write] = []

    async def keep(writes: object) -> None:
        kept.extend(writes)  # type: ignore[arg-type]

    settings = Settings(tmp_path, NetworkPolicy())
    settings.begin({}, keep, {})
    shown = [await settings.set("proxy", PROXY), *await settings.list()]
    assert b"secret" in kept[0].value  # type: ignore[union-attr]
    assert "secret" not in " ".join(one.value for one in shown)
    assert "secret" not in repr((shown, settings, settings.network))


@pytest.mark.trio
async def test_links_close_and_stay_closed_while_a_proxy_is_set(autojump_clock: MockClock) -> None:
    async with a_village() as village:
        ours, theirs, circle = await circle_of_two(village, direct=True)

        async def is_linked() -> bool:
            return (await ours.links(circle))[0].link == "direct"

        await eventually(is_linked)
        await ours.settings.set("proxy", PROXY)
        for _ in range(100):
            assert not await is_linked()
            await trio.sleep(10)
        await theirs.say(circle, "by relay", notes=(), to_facilitators=False)
        await trio.sleep(1)
        assert (await ours.read(circle, limit=10))[-1].text == "by relay"
        await ours.settings.set("proxy", "none")
        await trio.sleep(20)  # an attempt that was under way is over
        await theirs.say(circle, "and now", notes=(), to_facilitators=False)
        await eventually(is_linked, within=700)


@pytest.mark.trio
async def test_a_country_is_known_before_unlocking_and_never_with_the_neutral_look(
    tmp_path: Path,
) -> None:
    settings = begun(tmp_path)
    for wrong in ("xx", "", "egypt", "../eg"):
        with pytest.raises(Refused) as caught:
            await settings.set("country", wrong)
        assert caught.value.code == "setting_unfit"
    await settings.set("country", " EG ")
    assert read_look(str(tmp_path)).country == "eg"
    await settings.set("neutral", "on")
    assert b"eg" not in (tmp_path / "look").read_bytes().replace(b"neutral", b"")
    assert (await settings.get("country")).value == "eg"  # in the vault
    await settings.set("neutral", "off")
    assert read_look(str(tmp_path)).country == "eg"
    await settings.set("country", "none")
    assert read_look(str(tmp_path)).country is None


@pytest.mark.parametrize("value", [b'"EG"', b'"e"', b'"egy"', b"1", b'"<b"', b"null", b'["eg"]'])
def test_what_is_no_country_counts_as_none(value: bytes) -> None:
    assert decode_look(b'{"country": %s}' % value).country is None


# ---- the file that commands read


@given(st.binary(max_size=300))
def test_any_bytes_in_the_file_are_a_choice_or_none(content: bytes) -> None:
    look = decode_look(content)
    assert look.language in (None, "ar", "en")
    assert look.digits in (None, "latin", "arabic")


def test_the_file_is_for_its_owner_and_says_nothing_else(tmp_path: Path) -> None:
    assert read_look(str(tmp_path)) == Look()
    write_look(str(tmp_path), Look("ar", "arabic"))
    assert read_look(str(tmp_path)) == Look("ar", "arabic")
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes() == b'{"language": "ar", "digits": "arabic"}'


def test_the_environment_goes_before_the_setting_and_the_setting_before_the_locale() -> None:
    assert choose_language({"LANG": "ar_EG.UTF-8"}, "en") == "en"
    assert choose_language({"LANG": "en_US.UTF-8"}, "ar") == "ar"
    assert choose_language({"TOHEAL_LANG": "en"}, "ar") == "en"
    assert choose_language({"LANG": "ar"}, None) == "ar"


def test_arabic_digits_stand_in_arabic_sentences_only_and_never_in_ids() -> None:
    arabic, english = load_words("ar"), load_words("en")
    for words in (arabic, english):
        words.digits = "arabic"
    assert "١٢" in arabic.count("count.members", 12)
    assert "12" in english.count("count.members", 12)
    assert "12ab" in arabic.text("line.waiting", id="12ab", name="x", since="y")
