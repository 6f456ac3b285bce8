"""Every command against a fake application: what it prints, where, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from tests.support.fake_values import CODE, LINK, NOW, PICTURE, RELAY
from tests.support.source import ROOT
from toheal_p2p.app import vocabulary
from toheal_p2p.app.refusals import CODES
from toheal_p2p.cli import main
from toheal_p2p.cli.commands import circles, talk
from toheal_p2p.locale import load_words
from toheal_p2p.locale.charter import default_charter
from toheal_protocol.messages import invitation
from toheal_protocol.messages.bodies import CONTENT_NOTES
from toheal_protocol.model import MAX_TEXT_SIZE

pytestmark = pytest.mark.real


@frozen
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def values(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Toheal = Callable[..., Ended]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for which a process runs, with a fake application in it."""
    home = tmp_path_factory.mktemp("home")
    (home / "keyring").touch()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.fake_app", str(home)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "ready\n"
        yield home
        process.terminate()
        process.wait()


@pytest.fixture
def toheal(
    running: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Toheal:
    """Run one command in this process; `typed` is what standard input holds."""
    monkeypatch.setenv("TOHEAL_HOME", str(running))
    monkeypatch.setenv("TOHEAL_LANG", "en")
    monkeypatch.setenv("TZ", "UTC")

    def run(*argv: str, typed: str = "") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        capsys.readouterr()
        code = main(argv)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run


# ---- meeting in one room


def test_meeting_is_opened_shown_and_closed(toheal: Toheal) -> None:
    assert toheal("meet", "--state").out.splitlines() == ["\u2068evening\u2069: closed"]
    opened = toheal("meet", "--minutes", "60", "--interface", "wlan0")
    assert opened.code == 0
    assert "everybody on this network can see" in opened.err
    lines = opened.out.splitlines()
    assert len(lines) == 5
    assert "open, until" in lines[0]
    assert "192.168.1.5" in lines[1]
    assert "Sam" in lines[2]
    assert "\x1b" not in opened.out
    assert "keep devices apart" in lines[3]
    shown = toheal("meet", "--state", "--json")
    assert shown.err == ""
    assert [one["state"] for one in shown.values] == ["met", "silent"]
    assert shown.values[0]["met"][0] == "Sam"
    closed = toheal("--lang", "ar", "meet", "--off")
    assert closed.code == 0
    assert toheal("meet", "--state", "--json").values[0]["until"] == 0


def test_meeting_one_circle_on_networks_that_are_not_there(toheal: Toheal) -> None:
    assert toheal("meet", "evening", "--interface", "none0").code == 1
    assert toheal("meet", "refuse:left_circle").code == 1
    for minutes in ("0", "1441", "-1", "two"):
        assert toheal("meet", "--minutes", minutes).code == 2


# ---- circles


def test_the_relays_of_a_circle_are_shown_and_changed(toheal: Toheal) -> None:
    shown = toheal("circle", "relays", "evening")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert "read here, connected" in lines[0]
    assert "reads here: " in lines[1]
    assert "Sam" in lines[1]
    assert "\x1b" not in shown.out
    assert "not contacted" in lines[-2]
    added = toheal("--lang", "ar", "circle", "relays", "evening", "add", RELAY)
    assert added.code == 0
    assert "المُرحِّل" in added.err
    allowed = toheal("circle", "relays", "evening", "allow", RELAY, "--json")
    assert [one["use"] for one in allowed.values] == ["reading", "leaving", "named"]
    refused = toheal("circle", "relays", "evening", "remove", RELAY)
    assert refused.code == 1
    assert "only relay" in refused.err
    assert toheal("circle", "relays", "evening", "add").code == 2
    assert toheal("circle", "relays", "evening", "sell", RELAY).code == 2


def test_a_new_circle_gives_its_id_and_the_charter_of_this_language(toheal: Toheal) -> None:
    made = toheal("--lang", "ar", "circle", "create", "حلقة", "--relay", RELAY)
    assert (made.code, made.err) == (0, "")
    assert len(made.out.strip()) == 64
    shown = toheal("join", LINK, "--name", "Sam", "--accept-charter")
    for line in default_charter(load_words("ar")).splitlines():
        assert line in shown.out


def test_a_circle_without_a_relay_says_so(toheal: Toheal) -> None:
    made = toheal("circle", "create", "alone", "--json")
    assert made.values[0]["relays"] == []
    assert "no relay" in made.err


def test_a_charter_is_taken_from_a_file(toheal: Toheal, tmp_path: Path) -> None:
    file = tmp_path / "charter"
    file.write_text("We whisper.\n", encoding="utf-8")
    assert toheal("circle", "create", "quiet", "--charter", str(file)).code == 0
    assert "We whisper." in toheal("join", LINK, "--name", "Sam", "--accept-charter").out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"x" * 4097, "at most 4096 bytes"),
        (b" \n", "charter is empty"),
        (b"\xff", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_charter_that_cannot_be_used_is_refused(
    toheal: Toheal, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    file = tmp_path / "charter"
    if content is not None:
        file.write_bytes(content)
    ended = toheal("circle", "create", "c", "--charter", str(file))
    assert (ended.code, ended.out) == (1, "")
    assert sentence in ended.err


def test_circles_and_members_are_listed(toheal: Toheal) -> None:
    listed = toheal("circle", "list")
    assert "\u2068evening\u2069: active, 1 member, my name \u2068نورس\u2069 [" in listed.out
    assert toheal("circle", "list", "--json").values[0]["name"] == "evening"
    members = toheal("circle", "members", "evening").out
    assert "facilitator, me" in members
    assert "member, two copies of this member are at work" in members


def test_leaving_asks_nothing(toheal: Toheal) -> None:
    toheal("circle", "create", "short-lived")
    assert toheal("circle", "leave", "short-lived").code == 0


# ---- the door


def test_the_last_line_of_an_invitation_is_the_link(toheal: Toheal) -> None:
    for extra in ([], ["--qr"], ["--expires", "30m"]):
        assert toheal("invite", "evening", *extra).out.splitlines()[-1] == LINK
    value = toheal("invite", "evening", "--expires", "30m", "--json").values[0]
    assert (value["link"], value["expires_at"]) == (LINK, NOW + 1800)


def test_an_invitation_can_be_carried_in_a_file(toheal: Toheal, tmp_path: Path) -> None:
    file, image = tmp_path / "seat", tmp_path / "seat.svg"
    made = toheal("invite", "evening", "--file", str(file), "--svg", str(image))
    assert made.out.splitlines()[-1] == LINK
    assert image.read_text(encoding="utf-8").startswith("<?xml")
    for path in (file, image):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for given in (str(file), f"@{file}"):
        assert toheal("join", given, "--name", "Sam", "--accept-charter").code == 0


def test_a_seat_is_not_lost_when_its_file_cannot_be_written(toheal: Toheal, tmp_path: Path) -> None:
    ended = toheal("invite", "evening", "--file", str(tmp_path / "no" / "where"))
    assert ended.code == 1
    assert ended.out.splitlines()[-1] == LINK
    assert "cannot be written" in ended.err


@pytest.mark.parametrize("answer", ["yes", "YES\n", " نعم \n", "\u200fنعم.\n"])
def test_a_typed_yes_joins(toheal: Toheal, answer: str) -> None:
    joined = toheal("join", LINK, "--name", "Sam", typed=answer)
    assert joined.code == 0
    assert len(joined.out.splitlines()[-1]) == 64
    assert "invites to the circle \u2068حلقة المساء\u2069" in joined.out


@pytest.mark.parametrize("answer", ["", "\n", "y\n", "no\n", "yes and no\n", "نعم؟\n"])
def test_nothing_but_a_whole_yes_joins(toheal: Toheal, answer: str) -> None:
    ended = toheal("join", LINK, "--name", "Sam", typed=answer)
    assert ended.code == 1
    assert "nobody was told" in ended.err


def test_a_link_can_come_from_standard_input_and_the_yes_after_it(toheal: Toheal) -> None:
    assert toheal("join", "-", "--name", "Sam", typed=f"{LINK}\nyes\n").code == 0
    assert toheal("join", "-", "--name", "Sam", typed=f"{LINK}\n").code == 1


def test_a_link_is_cleaned_of_what_messages_add(toheal: Toheal) -> None:
    wrapped = f"\u2068{LINK[:40]}\n {LINK[40:]}\u2069\u200f "
    assert toheal("join", wrapped, "--name", "Sam", "--accept-charter").code == 0


@pytest.mark.parametrize("link", ["hello", "https://example.org", "@/nowhere", "/nowhere", ""])
def test_what_is_no_invitation_is_refused_before_anything_is_asked(
    toheal: Toheal, link: str
) -> None:
    assert toheal("join", link, "--name", "Sam", "--accept-charter").code == 1


def test_those_who_wait_are_let_in_or_not(toheal: Toheal) -> None:
    assert "\u2068Guest\u2069, since " in toheal("waiting", "evening").out
    assert toheal("admit", "evening", "Guest").code == 0
    assert toheal("decline", "evening", "Guest").code == 0
    assert "Nobody called \u2068Nobody\u2069" in toheal("admit", "evening", "Nobody").err


def test_seats_are_listed_without_their_links_and_withdrawn(toheal: Toheal) -> None:
    listed = toheal("invitations", "evening").out
    assert LINK not in listed
    seat = toheal("invitations", "evening", "--json").values[0]
    assert seat["id"][:12] in listed
    assert toheal("withdraw", "evening", seat["id"][:12]).code == 0
    assert toheal("withdraw", "evening", "zz").code == 1


# ---- relays


def test_relays_are_added_listed_and_removed(toheal: Toheal) -> None:
    other = RELAY.replace("example", "test")
    assert toheal("relay", "add", f"\u2068{other}\u2069").code == 0
    listed = toheal("relay", "list")
    assert f"\u2068{other}\u2069: connected" in listed.out
    assert "does not answer. The network is worth a look" in listed.out
    assert toheal("relay", "remove", other).code == 0
    assert toheal("relay", "remove", other).code == 1


# ---- talking


def test_what_is_said_is_read(toheal: Toheal) -> None:
    toheal("circle", "create", "talk")
    said = toheal("say", "talk", "مرحبا", "--note", "loss", "--note", "loss")
    assert (said.code, said.err, len(said.out)) == (0, "", 65)
    piped = toheal("say", "talk", "-", typed="two\nlines\n")
    values = toheal("read", "talk", "--json").values
    assert [value["id"] for value in values] == [said.out.strip(), piped.out.strip()]
    assert [value["text"] for value in values] == ["مرحبا", "two\nlines"]
    assert values[0]["notes"] == ["loss"]
    later = toheal("read", "talk", "--json", "--after", str(values[0]["position"])).values
    assert later == values[1:]


def test_json_of_an_entry_has_the_promised_names(toheal: Toheal) -> None:
    value = toheal("read", "evening", "--json").values[0]
    promised = [
        "id",
        "circle",
        "author",
        "mine",
        "kind",
        "text",
        "sent_at",
        "received_at",
        "notes",
        "passed_on_by",
        "audience",
    ]
    assert set(promised) <= set(value)
    assert (value["mine"], value["sent_at"], value["passed_on_by"]) == (True, NOW, "Sam")


def test_entries_are_shown_to_people_in_words(toheal: Toheal) -> None:
    shown = toheal("--lang", "ar", "read", "evening").out
    assert "تنبيه محتوى: فقد" in shown
    assert "    \u2068مرحبا\u2069\n    \u2068بالجميع\u2069\n" in shown
    assert "وصلت عن طريق \u2068Sam\u2069" in shown
    assert "انضمام جديد إلى الحلقة: \u2068Guest\u2069" in shown
    assert "لا يعرفه هذا الإصدار" in shown


def test_nothing_a_terminal_obeys_comes_out_of_a_message(toheal: Toheal) -> None:
    shown = toheal("read", "evening").out
    assert not set(shown) & set("\x1b\u202e\u202c\x9b\x07")
    assert "\u2068Ev]il\u2069" in shown
    raw = toheal("read", "evening", "--json")
    assert raw.values[1]["text"] == "\x1b[31mred\x1b[0m \u202egnp.exe\u202c"
    assert not set(raw.out) & set("\x1b\u202e\u202c\x9b")
    assert "\u2068" not in raw.out


def test_a_file_is_attached_by_its_whole_path_and_described(toheal: Toheal, tmp_path: Path) -> None:
    described = toheal(
        "attach", "evening", str(tmp_path / "x"), "--describe", "d", "--note", "loss"
    )
    assert (described.code, described.err) == (0, "")
    bare = toheal("attach", "evening", os.path.relpath(tmp_path / "x"))
    assert "--describe" in bare.err
    assert described.out != bare.out
    same = toheal("attach", "evening", str(tmp_path / "x"), "--describe", "")
    assert same.out == bare.out, "a path is made whole, whatever folder one is in"


def test_a_file_is_fetched_and_written_out_once(toheal: Toheal, tmp_path: Path) -> None:
    shown = toheal("fetch", "evening", "f11e")
    assert (shown.code, shown.out) == (
        0,
        "picture, \u20681025 kB\u2069: here\n".replace("\u2068", "").replace("\u2069", ""),
    )
    target = tmp_path / "got.png"
    written = toheal("fetch", "evening", "f11e", "--to", str(target))
    assert (written.code, written.out) == (0, f"{target}\n")
    assert target.read_bytes() == PICTURE
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    target.write_bytes(b"mine")
    refused = toheal("fetch", "evening", "f11e", "--to", str(target), typed="no\n")
    assert (refused.code, refused.out, target.read_bytes()) == (1, "", b"mine")
    agreed = toheal("fetch", "evening", "f11e", "--to", str(target), typed="yes\n")
    assert (agreed.code, target.read_bytes()) == (0, PICTURE)


def test_a_file_gets_a_name_of_ours_and_no_link_is_followed(toheal: Toheal, tmp_path: Path) -> None:
    [value] = toheal("fetch", "evening", "f11e", "--to", str(tmp_path), "--json").values
    assert value["path"] == str(tmp_path / "f11e.png")
    assert (value["media_type"], value["state"], value["percent"]) == ("image/png", "here", 100)
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "link"
    elsewhere.write_bytes(b"mine")
    link.symlink_to(elsewhere)
    refused = toheal("fetch", "evening", "f11e", "--to", str(link), typed="yes\n")
    assert (refused.code, elsewhere.read_bytes()) == (1, b"mine")
    assert toheal("fetch", "evening", "f11e", "--to", str(tmp_path / "no" / "no")).code == 1


def test_a_file_is_removed_and_not_written_at_once(toheal: Toheal, tmp_path: Path) -> None:
    removed = toheal("fetch", "evening", "f11e", "--remove")
    assert (removed.code, removed.out) == (0, "")
    assert "fetched again" in removed.err
    assert toheal("fetch", "evening", "f11e", "--remove", "--to", str(tmp_path / "x")).code == 2


def test_a_search_finds_or_says_that_it_does_not(toheal: Toheal) -> None:
    assert "بالجميع" in toheal("search", "evening", "بالجميع").out
    nothing = toheal("search", "evening", "nothing like it")
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err == "Nothing was found.\n"


def test_deliveries_and_links_are_told_per_member(toheal: Toheal) -> None:
    assert "\u2068Sam\u2069: waiting at a relay [" in toheal("deliveries", "evening").out
    value = toheal("deliveries", "evening", "--json").values[0]
    assert (value["state"], set(value)) == ("at_relay", {"id", "member", "member_name", "state"})
    assert toheal("deliveries", "evening", "zz").code == 1
    links = toheal("links", "evening")
    assert "\u2068Sam\u2069: direct (12 ms there and back)" in links.out
    assert "\u2068Guest\u2069: not reached now\n" in links.out
    assert toheal("links", "evening", "--json").values[1]["round_trip_ms"] is None


def test_a_direct_connection_takes_a_yes_of_both_and_says_so(toheal: Toheal) -> None:
    assert "opens once" in toheal("direct", "evening", "Sam", "allow").out
    assert "No direct connection" in toheal("direct", "evening", "Sam", "deny").out
    said = toheal("--lang", "ar", "direct", "evening", "Sam", "allow", "--json").values[0]
    assert said == {"member": said["member"], "member_name": "Sam", "mine": True, "theirs": False}
    assert toheal("direct", "evening", "nobody", "allow").code == 1
    assert toheal("direct", "evening", "Sam", "perhaps").code == 2


def test_a_note_to_facilitators_is_marked_as_one(toheal: Toheal) -> None:
    assert toheal("say", "evening", "only for them", "--to-facilitators").code == 0
    shown = toheal("read", "evening").out.splitlines()
    assert (
        "For facilitators only"
        in shown[shown.index(next(x for x in shown if "only for them" in x)) - 1]
    )
    [value] = [
        one for one in toheal("read", "evening", "--json").values if "only for them" in one["text"]
    ]
    assert value["audience"] == "facilitators"


def test_an_answer_a_request_an_edit_and_a_retraction_are_shown_in_words(toheal: Toheal) -> None:
    said = toheal("say", "evening", "first words").out.strip()
    assert toheal("say", "evening", "an answer", "--reply", said[:12]).code == 0
    assert toheal("request", "evening", said[:12], "--text", "please look").code == 0
    shown = toheal("read", "evening").out
    assert "On نورس: first words" in "".join(one for one in shown if one.isprintable())
    assert "asks the facilitators to look at a message" in shown and "please look" in shown
    assert toheal("edit", "evening", said, "second words").code == 0
    assert "Edited" in toheal("read", "evening").out
    done = toheal("retract", "evening", said)
    assert done.code == 0
    assert "may have read it: 2" in "".join(one for one in done.out if one.isprintable())
    shown = toheal("read", "evening").out
    assert "taken back by its author" in shown and "first words" not in shown.split("On")[0]
    assert toheal("retract", "evening", "0000").code == 1
    assert toheal("edit", "evening", said, " ").code == 1


def test_safety_words_are_in_the_language_of_the_reader(toheal: Toheal) -> None:
    assert toheal("safety-words", "evening", "Sam").out.splitlines()[0] == "1. \u2068en1\u2069"
    arabic = toheal("--lang", "ar", "safety-words", "evening", "Sam", "--json").values[0]
    assert arabic["words"] == [f"ar{place}" for place in range(1, 9)]


@pytest.mark.parametrize("text", ["", "   ", "x" * (MAX_TEXT_SIZE + 1), "ي" * (MAX_TEXT_SIZE)])
def test_too_little_and_too_much_is_not_said(toheal: Toheal, text: str) -> None:
    for ended in (toheal("say", "evening", text), toheal("say", "evening", "-", typed=text)):
        assert (ended.code, ended.out) == (1, "")


def test_the_doctor_reports_and_says_by_its_code_that_something_needs_care(toheal: Toheal) -> None:
    ended = toheal("doctor")
    assert ended.code == 1
    assert "Well: the stored data is whole." in ended.out
    assert f"Needs care: the relay \u2068{RELAY}\u2069 does not answer" in ended.out
    assert ended.err == "1 thing needs care.\n"
    assert [value["ok"] for value in toheal("doctor", "--json").values] == [True, False]


# ---- what every command does


@pytest.mark.parametrize("lang", ["ar", "en"])
@pytest.mark.parametrize("code", CODES)
def test_every_refusal_is_one_line_in_the_language_of_the_reader(
    toheal: Toheal, lang: str, code: str
) -> None:
    ended = toheal("--lang", lang, "circle", "leave", f"refuse:{code}")
    assert (ended.code, ended.out) == (1, "")
    (line,) = ended.err.splitlines()
    assert "refused." not in line
    assert "…" not in line
    is_arabic = any("\u0621" <= char <= "\u064a" for char in line)
    assert is_arabic == (lang == "ar")


def test_a_fault_of_ours_is_told_without_what_it_says(toheal: Toheal) -> None:
    ended = toheal("circle", "leave", "fault")
    assert ended.code == 1
    assert "on our side" in ended.err
    assert "private" not in ended.err + ended.out


def test_a_wait_of_more_than_a_second_is_explained(toheal: Toheal) -> None:
    ended = toheal("circle", "members", "slow")
    assert (ended.code, ended.err) == (0, "Still working…\n")


def test_limits_that_are_written_twice_are_equal() -> None:
    assert talk.MAX_TEXT_SIZE == MAX_TEXT_SIZE
    assert vocabulary.CONTENT_NOTES == CONTENT_NOTES
    assert circles.MAX_CHARTER_SIZE == invitation.MAX_CHARTER_SIZE
    for language in ("ar", "en"):
        charter = default_charter(load_words(language))
        assert len(charter.encode()) <= circles.MAX_CHARTER_SIZE
        assert len(charter.splitlines()) == 9


def test_no_file_of_this_run_can_be_read_by_others(running: Path) -> None:
    assert stat.S_IMODE(os.stat(running / "local").st_mode) == 0o600


# ---- spoken codes


def test_a_spoken_code_is_the_last_line(toheal: Toheal) -> None:
    made = toheal("invite", "evening", "--spoken")
    assert made.code == 0
    assert made.out.splitlines()[-1] == CODE
    value = toheal("invite", "evening", "--spoken", "--lang", "ar", "--json").values[0]
    assert value["code"] == CODE
    assert set(value) == {"id", "code", "expires_at", "tries_left", "state"}


def test_whoever_waits_is_told_what_happens(toheal: Toheal) -> None:
    made = toheal("invite", "evening", "--spoken", "--wait")
    assert made.code == 0
    assert made.out.splitlines()[-1] == CODE
    assert "Waiting for the other person" in made.err
    assert "Tries left: 2" in made.err
    assert "the other person has the invitation" in made.err
    burned = toheal("invite", "burned", "--spoken", "--wait")
    assert burned.code == 1
    assert burned.err.splitlines()[-1].startswith("Wrong words came too often")
    states = [
        one["state"] for one in toheal("invite", "burned", "--spoken", "--wait", "--json").values
    ]
    assert states == ["waiting", "waiting", "waiting", "burned"]


@pytest.mark.parametrize(
    "argv",
    [
        ("invite", "evening", "--spoken", "--qr"),
        ("invite", "evening", "--spoken", "--file", "x"),
        ("invite", "evening", "--lang", "ar"),
        ("invite", "evening", "--wait"),
        ("join", LINK, "--name", "Sam", "--relay", RELAY),
    ],
)
def test_options_of_links_and_of_codes_do_not_mix(toheal: Toheal, argv) -> None:
    ended = toheal(*argv)
    assert ended.code == 2
    assert "does not go together" in ended.err


@pytest.mark.parametrize(
    "given",
    [(CODE,), tuple(CODE.split()), ("٧٤٢١", "فانوس", "زرافة", "رخام"), ("7421-a-b-c",)],
)
def test_the_words_of_a_code_join_with_and_without_quotation_marks(
    toheal: Toheal, given: tuple[str, ...]
) -> None:
    joined = toheal("join", *given, "--name", "Sam", "--accept-charter", "--relay", RELAY)
    assert joined.code == 0
    assert len(joined.out.splitlines()[-1]) == 64


def test_wrong_words_are_told_with_the_tries_that_are_left(toheal: Toheal) -> None:
    ended = toheal("join", "7421 a b zebra", "--name", "Sam", "--accept-charter")
    assert ended.code == 1
    assert "Tries left: 2" in ended.err


def test_without_a_yes_the_link_takes_the_place_of_the_code(toheal: Toheal) -> None:
    ended = toheal("join", CODE, "--name", "Sam", typed="no\n")
    assert ended.code == 1
    assert LINK in ended.err
    assert LINK not in toheal("join", LINK, "--name", "Sam", typed="no\n").err


@pytest.mark.parametrize("given", ["hello", "7421", "https://example.org/7421 a b c", "x" * 600])
def test_other_texts_are_no_codes(toheal: Toheal, given: str) -> None:
    ended = toheal("join", given, "--name", "Sam", "--accept-charter")
    assert ended.code == 1
    assert "not an invitation of this program" in ended.err


def test_open_codes_are_listed_with_the_seats(toheal: Toheal) -> None:
    listed = toheal("invitations", "evening").out.splitlines()
    assert CODE in listed[-1]
    assert "waiting for the other person" in listed[-1]
    assert toheal("invitations", "evening", "--json").values[-1]["code"] == CODE
