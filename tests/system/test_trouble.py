"""Bad input and trouble: each gets one clear sentence in Arabic and English, and a way on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import define, evolve

from tests.support.processes import PersonProcess, Town, a_town, await_true
from tests.support.sentences import is_refused, require_both_languages
from toheal_p2p.app.refusals import RefusalCode
from toheal_p2p.cli.parsing import LONGEST_WORD
from toheal_p2p.locale import LANGUAGES, Language
from toheal_protocol.model import MAX_NAME_LENGTH, MAX_TEXT_SIZE, WallTime
from toheal_protocol.wire.invitation_link import parse_invitation_link
from toheal_protocol.wire.relay_address import parse_relay_address

pytestmark = [pytest.mark.real, pytest.mark.slow(50)]

YEAR = 365 * 24 * 3600
RIGHT_TO_LEFT_OVERRIDE = "\u202e"
NOBODY = "toheal-relay://127.0.0.1:1#" + "A" * 43
JOIN = ("--name", "Nobody", "--accept-charter")


@define(eq=False)
class Scene:
    """Two people in a circle, and a third who knows nobody yet."""

    town: Town
    ours: PersonProcess
    theirs: PersonProcess
    third: PersonProcess
    circle: str

    def link(self, circle: str = "", expires_in: int = 3600) -> str:
        [seat] = self.ours.ask("invite", circle=circle or self.circle, expires_in=expires_in)
        return str(seat["link"])

    def another_circle(self, name: str, relay: str = "") -> str:
        [made] = self.ours.ask(
            "circle_create",
            name=name,
            relays=[relay or self.town.relay.address],
            direct=False,
            charter="We listen.",
            nickname=None,
        )
        return str(made["id"])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with a_town(tmp_path_factory.mktemp("trouble")) as town:
        third = town.person("Third")
        third.launch()
        ours, theirs, circle = town.circle_of_two(direct=False)
        third.await_ready()
        yield Scene(town, ours, theirs, third, circle)


# ---- invitations


def test_something_that_is_no_invitation_is_named_so(scene: Scene) -> None:
    is_refused(scene.third, "invitation_foreign", "join", "https://example.org/", *JOIN)
    is_refused(scene.third, "invitation_foreign", "join", "", *JOIN)


def test_a_mangled_invitation_is_named_so(scene: Scene) -> None:
    link = scene.link()
    is_refused(scene.third, "invitation_malformed", "join", link[:-3], *JOIN)
    is_refused(scene.third, "invitation_malformed", "join", link + "AAAA", *JOIN)
    is_refused(scene.third, "invitation_malformed", "join", "toheal:1:", *JOIN)


def test_an_expired_invitation_is_named_so(scene: Scene) -> None:
    read = parse_invitation_link(scene.link())
    over = str(evolve(read, expires=WallTime(read.expires - 2 * 24 * 3600)))
    is_refused(scene.third, "invitation_expired", "join", over, *JOIN)


def test_a_withdrawn_invitation_is_named_so(scene: Scene) -> None:
    [seat] = scene.ours.ask("invite", circle=scene.circle, expires_in=3600)
    scene.ours.cli("withdraw", scene.circle, seat["id"])
    is_refused(scene.third, "invitation_withdrawn", "join", seat["link"], *JOIN)


def test_a_used_invitation_is_named_so(scene: Scene) -> None:
    circle = scene.another_circle("for one more")
    link = scene.link(circle)
    scene.third.ask("join", link=link, nickname="Third")
    await_true(lambda: bool(scene.ours.ask("waiting", circle=circle)))
    scene.ours.ask("admit", circle=circle, who="Third")
    await_true(lambda: scene.third.state_of(circle) == "active")
    is_refused(scene.theirs, "invitation_used", "join", link, *JOIN)


def test_a_members_own_invitation_is_named_so(scene: Scene) -> None:
    is_refused(scene.theirs, "already_a_member", "join", scene.link(), *JOIN)


def test_whoever_knocks_hears_and_says_nothing_until_the_door_is_opened(scene: Scene) -> None:
    circle = scene.another_circle("behind a door")
    link = scene.link(circle)
    scene.theirs.cli("join", link, "--name", "Unknown", "--accept-charter")
    await_true(lambda: bool(scene.ours.ask("waiting", circle=circle)))
    scene.ours.say(circle, "not for the door")
    is_refused(scene.theirs, "not_admitted_yet", "say", circle, "let me in")
    assert scene.theirs.texts(circle) == []
    scene.ours.ask("decline", circle=circle, who="Unknown")
    await_true(lambda: scene.theirs.state_of(circle) == "declined")
    is_refused(scene.theirs, "declined_at_door", "say", circle, "let me in")
    assert scene.theirs.texts(circle) == []


# ---- relays


def test_a_relay_out_of_reach_is_named_so(scene: Scene) -> None:
    read = parse_invitation_link(scene.link())
    nobody = parse_relay_address(NOBODY)
    is_refused(
        scene.third,
        "relay_unreachable",
        *("join", str(evolve(read, relay=nobody)), *JOIN),
        languages=("ar",),
        address=NOBODY,
    )


def test_a_relay_with_another_key_is_named_so(scene: Scene) -> None:
    read = parse_invitation_link(scene.link())
    other = evolve(read.relay, fingerprint=bytes(32))
    link = str(evolve(read, relay=other))
    is_refused(scene.third, "relay_wrong_fingerprint", "join", link, *JOIN, address=str(other))


def test_a_full_relay_is_named_so(scene: Scene, tmp_path: Path) -> None:
    full = scene.town.another_relay(FULL)
    read = parse_invitation_link(scene.link())
    link = str(evolve(read, relay=parse_relay_address(full.address)))
    is_refused(scene.third, "relay_full", "join", link, *JOIN, address=full.address)


def test_the_doctor_tells_each_trouble_with_a_relay_apart(scene: Scene) -> None:
    full = scene.town.another_relay(FULL)
    other = str(evolve(parse_relay_address(scene.town.relay.address), fingerprint=bytes(32)))
    for number, relay in enumerate((NOBODY, other, full.address)):
        scene.another_circle(f"circle {number}", relay)
    expected = {
        NOBODY: "relay_unreachable",
        other: "relay_wrong_fingerprint",
        full.address: "relay_full",
        scene.town.relay.address: "relay_connected",
    }
    await_true(lambda: _relay_codes(scene.ours) == expected)
    done = scene.ours.cli_whole("--lang", "ar", "doctor")
    assert done.returncode == 1
    assert len(done.stderr.decode().splitlines()) == 1
    for code in expected.values():
        require_both_languages(f"check.{code}")


def _relay_codes(person: PersonProcess) -> dict[str, str]:
    checks = [one for one in person.ask("doctor") if one["name"] == "relay"]
    return {one["facts"]["address"]: one["code"] for one in checks}


# ---- what a person writes


@pytest.mark.parametrize(
    ("name", "code", "facts", "language"),
    [
        ("", "name_empty", {}, "ar"),
        (" \t", "name_empty", {}, "en"),
        ("ن" * 4_000, "name_too_long", {"limit": MAX_NAME_LENGTH}, "ar"),
        (RIGHT_TO_LEFT_OVERRIDE * 3, "name_unusable", {}, "en"),
    ],
    ids=["empty", "blank", "4 000 characters", "only marks"],
)
def test_a_name_that_cannot_be_shown_is_refused(
    scene: Scene,
    tmp_path: Path,
    name: str,
    code: RefusalCode,
    facts: dict[str, int],
    language: Language,
) -> None:
    nobody = PersonProcess("Nobody", tmp_path)
    secret = str(scene.ours.folder / "passphrase")
    init = ("init", "--name", name, "--passphrase-file", secret)
    is_refused(nobody, code, *init, languages=(language,), **facts)
    assert not nobody.home.exists()


def test_a_name_of_ten_thousand_characters_is_not_even_read(scene: Scene, tmp_path: Path) -> None:
    for language in LANGUAGES:
        done = scene.ours.cli_whole("--lang", language, "init", "--name", "ن" * 10_000)
        lines = done.stderr.decode().splitlines()
        assert (done.returncode, len(lines), done.stdout) == (2, 2, b""), done
        assert str(LONGEST_WORD) in lines[0]
        assert all(len(line) < 200 for line in lines)


def test_a_name_cannot_turn_the_line_around_for_others(scene: Scene) -> None:
    circle = scene.another_circle(f"{RIGHT_TO_LEFT_OVERRIDE}gnineve")
    link = scene.link(circle)
    name = f"Sal{RIGHT_TO_LEFT_OVERRIDE}ma\x1b[2J"
    scene.third.ask("join", link=link, nickname=name)
    await_true(lambda: bool(scene.ours.ask("waiting", circle=circle)))
    [waiting] = scene.ours.ask("waiting", circle=circle)
    assert waiting["name"] == "Salma[2J"
    assert all(RIGHT_TO_LEFT_OVERRIDE not in one["name"] for one in scene.third.ask("circle_list"))


def test_a_message_of_nothing_or_of_a_megabyte_is_refused(scene: Scene) -> None:
    is_refused(scene.ours, "text_empty", "say", scene.circle, "")
    is_refused(scene.ours, "text_empty", "say", scene.circle, "-", stdin="")
    is_refused(
        scene.ours,
        "text_too_long",
        "say",
        scene.circle,
        "-",
        stdin="ن" * 500_000,
        limit=MAX_TEXT_SIZE,
    )
    longest = "ن" * (MAX_TEXT_SIZE // 2)
    scene.ours.cli("say", scene.circle, "-", stdin=longest)
    await_true(lambda: longest in scene.theirs.texts(scene.circle))


# ---- the profile


def test_a_wrong_passphrase_changes_nothing(scene: Scene, tmp_path: Path) -> None:
    stopped = scene.town.person("Stopped")
    wrong = tmp_path / "wrong"
    wrong.write_text("another passphrase", encoding="utf-8")
    run = ("run", "--passphrase-file", str(wrong))
    is_refused(stopped, "wrong_passphrase", *run, languages=("ar",))
    assert stopped.cold() == []


def test_a_second_process_on_one_home_says_so(scene: Scene) -> None:
    secret = str(scene.ours.folder / "passphrase")
    run = ("run", "--passphrase-file", secret)
    is_refused(scene.ours, "already_running", *run, languages=("en",))
    assert scene.ours.ask("circle_list")


def test_a_command_without_a_running_process_says_how_to_start_it(scene: Scene) -> None:
    stopped = scene.town.person("Asleep")
    is_refused(stopped, "not_running", "circle", "list")
    elsewhere = PersonProcess("Nobody", stopped.folder / "elsewhere")
    is_refused(elsewhere, "no_profile", "circle", "list")
    is_refused(elsewhere, "no_profile", "run", "--passphrase-file", "-")


FULL = """
import sys
from attrs import evolve
from toheal_relay import cli
from toheal_relay.limits import Limits
cli.limits_for = lambda **machine: evolve(Limits(), connections=0)
cli.main(sys.argv[1:])
"""
"""A relay on a machine that has room for nobody."""
