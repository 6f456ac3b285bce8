"""How the program begins and ends: its exit codes, its silence, what it loads, what stops it."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.source import ROOT
from toheal_p2p.app.refusals import Refused
from toheal_p2p.cli import main, starting
from toheal_p2p.cli.program import default_home
from toheal_p2p.cli.refusing import describe_fault, is_interrupt, refusal_in

HEAVY = ("aiortc", "apsw", "attr", "av", "cryptography", "msgspec", "nacl", "segno", "trio")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a profile lies and nothing runs."""
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    (place / "keyring").touch()
    monkeypatch.setenv("TOHEAL_HOME", str(place))
    monkeypatch.setenv("TOHEAL_LANG", "en")
    return place


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a profile."""
    monkeypatch.setenv("TOHEAL_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("TOHEAL_LANG", "en")
    return tmp_path / "none"


def _program(*argv: str, home: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "toheal_p2p", *argv],
        cwd=ROOT,
        env={**os.environ, "TOHEAL_HOME": str(home), "TOHEAL_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        **settings,  # type: ignore[call-overload]
    )


# ---- exit codes


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["say"], "Missing: CIRCLE"),
        (["say", "c"], "Missing: TEXT"),
        (["say", "c", "a", "b"], "more here than the command takes"),
        (["say", "c", "t", "--note", "sad"], "--note takes one of: loss, self-harm"),
        (["say", "c", "t", "--nope"], "no option \u2068--nope\u2069"),
        (["sya"], "no command \u2068sya\u2069"),
        (["circle"], "missing after toheal circle"),
        (["circle", "crate"], "no command \u2068crate\u2069"),
        (["--lang", "fr", "run"], "--lang takes one of: ar, en"),
        (["--lang"], "--lang\u2069 was given a value"),
        (["--version=1"], "--version\u2069 was given a value"),
        (["join", "link"], "Missing: --name"),
        (["invite", "c", "--expires", "9m"], "not a time from 10m to 14d"),
        (["invite", "c", "--expires", "15d"], "not a time from 10m to 14d"),
        (["invite", "c", "--expires", "48"], "not a time from 10m to 14d"),
        (["read", "c", "--after", "-1"], "not a whole number"),
        (["read", "c", "--after", "٣"], "not a whole number"),
        (["read", "x" * 4097], "at most 4096 characters"),
        (["say", "c", "\udcff"], "not text in UTF-8"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_said_in_two_lines(
    home: Path, capsys: pytest.CaptureFixture[str], argv: list[str], sentence: str
) -> None:
    assert main(argv) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    problem, hint = printed.err.splitlines()
    assert sentence in problem
    assert hint.startswith("Help: toheal")


def test_faults_of_use_are_told_in_the_language_that_was_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv in (["--lang", "ar", "sya"], ["--home", "--lang", "--lang=ar", "sya"]):
        assert main(argv) == 2
        assert "لا يوجد أمر" in capsys.readouterr().err
    assert main(["sya", "--lang", "ar"]) == 2
    assert "There is no command" in capsys.readouterr().err


@pytest.mark.parametrize("lang", ["ar", "en"])
@pytest.mark.parametrize(
    "command", [[], ["circle"], ["circle", "create"], ["say"], ["join"], ["run"]]
)
def test_help_is_in_the_language_of_the_reader(
    home: Path, capsys: pytest.CaptureFixture[str], lang: str, command: list[str]
) -> None:
    assert main(["--lang", lang, *command, "--help"]) == 0
    text = capsys.readouterr().out
    heading = {"ar": "الاستعمال: toheal", "en": "Usage: toheal"}[lang]
    assert text.startswith(heading)
    foreign = {"ar": ("Options:", "Commands:", "Show this"), "en": ("الخيارات", "الأوامر")}[lang]
    assert not any(word in text for word in foreign)
    assert not re.search(r"\b(help|option|usage)\.[a-z]", text)


def test_a_command_without_a_process_says_how_to_start_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["circle", "list"]) == 1
    assert "toheal run" in capsys.readouterr().err


def test_the_version_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("toheal 0.")


# ---- the commands that start something


def test_init_asks_for_a_passphrase_only_where_it_can_be_used(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[tuple[str, str, str]] = []

    def make(home: str, *, nickname: str, passphrase: str) -> None:
        made.append((home, nickname, passphrase))

    monkeypatch.setattr(starting, "make_profile", make)
    file = tmp_path / "passphrase"
    file.write_text("correct horse \nsecond line\n", encoding="utf-8")
    assert main(["init", "--name", "نورس", "--passphrase-file", str(file)]) == 0
    assert made == [(str(empty), "نورس", "correct horse ")]
    assert "toheal run" in capsys.readouterr().out
    for content, sentence in ((b"", "is empty"), (b"\n", "is empty"), (b"\xff", "cannot be read")):
        file.write_bytes(content)
        assert main(["init", "--name", "x", "--passphrase-file", str(file)]) == 1
        assert sentence in capsys.readouterr().err
    assert len(made) == 1


@pytest.mark.parametrize("command", [["init", "--name", "x"], ["run"], []])
def test_without_a_terminal_no_passphrase_is_asked_for(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    if command[:1] == ["init"]:
        (home / "keyring").unlink()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"secret\n")))
    assert main(command) == 1
    assert "--passphrase-file" in capsys.readouterr().err


def test_init_and_run_look_whether_there_is_a_profile_first(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "--name", "x"]) == 1
    assert "already" in capsys.readouterr().err
    (home / "keyring").unlink()
    assert main(["run"]) == 1
    assert "toheal init" in capsys.readouterr().err


def test_run_tells_where_it_can_be_reached(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(
        home: str,
        passphrase: str,
        *,
        allow_loopback: bool,
        on_ready: Callable[[], None],
        on_trouble: Callable[[str], None],
        on_progress: Callable[[str, dict[str, str | int]], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        assert (passphrase, allow_loopback) == ("secret", False)
        Path(home, "local").touch()
        on_progress("connecting", {"address": "toheal-relay://x"})
        on_ready()

    monkeypatch.setattr(starting, "run_until_stopped", run)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"secret\n")))
    assert main(["run", "--no-browser", "--passphrase-file", "-"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"ready local:{home / 'local'}\n"
    assert printed.err.endswith("Stopped.\n")


def _raises(error: BaseException) -> Callable[..., None]:
    def run(*_args: object, **_more: object) -> None:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (Refused("wrong_passphrase"), 1, "does not open"),
        (ExceptionGroup("", [Refused("disk_full")]), 1, "disk is full"),
        (ExceptionGroup("", [Refused("disk_full"), ValueError("private")]), 1, "on our side"),
        (ValueError("private"), 1, "on our side"),
        (RecursionError("private"), 1, "on our side"),
        (KeyboardInterrupt(), 130, ""),
        (BaseExceptionGroup("", [KeyboardInterrupt(), ValueError("private")]), 130, ""),
    ],
    ids=repr,
)
def test_however_the_process_ends_there_is_at_most_one_line(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    sentence: str,
) -> None:
    monkeypatch.setattr(starting, "run_until_stopped", _raises(error))
    file = home / "passphrase"
    file.write_text("secret")
    assert main(["run", "--passphrase-file", str(file)]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    first, *rest = printed.err.splitlines()
    assert first == "Opening the profile…"
    assert len(rest) == (1 if sentence else 0)
    assert sentence in "".join(rest)
    assert "private" not in printed.err


def test_details_of_a_fault_go_to_a_file_on_request_and_hold_no_content(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "wipe", _raises(ValueError("private")))
    faults = tmp_path / "faults"
    assert main(["--debug", str(faults), "wipe", "--yes"]) == 1
    text = faults.read_text(encoding="utf-8")
    assert text.startswith("ValueError\n")
    assert "test_cli_ends.py:" in text
    assert "private" not in text
    assert faults.stat().st_mode & 0o077 == 0


def test_a_fault_is_described_with_all_that_led_to_it() -> None:
    try:
        try:
            raise KeyError("private")
        except KeyError as first:
            raise ExceptionGroup("private", [OSError("private")]) from first
    except ExceptionGroup as error:
        text = describe_fault(error)
    assert [word for word in ("ExceptionGroup", "OSError", "KeyError") if word not in text] == []
    assert "private" not in text


def test_a_refusal_is_found_in_groups_and_only_where_nothing_else_is() -> None:
    refused = Refused("busy")
    assert refusal_in(ExceptionGroup("", [ExceptionGroup("", [refused])])) is refused
    assert refusal_in(ExceptionGroup("", [refused, OSError()])) is None
    assert not is_interrupt(ExceptionGroup("", [refused]))


def test_wiping_needs_a_yes_and_works_without_a_process(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wiped: list[str] = []
    monkeypatch.setattr(starting, "wipe", wiped.append)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"no\n")))
    assert main(["wipe"]) == 1
    assert "nothing was changed" in capsys.readouterr().err
    assert wiped == []
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("نعم\n".encode())))
    assert main(["wipe"]) == 0
    assert main(["wipe", "--yes"]) == 0
    assert wiped == [str(home), str(home)]


# ---- the folder


def test_help_is_there_without_a_profile_and_with_any_country(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(*args: str) -> str:
        assert main([f"--home={home}", "--lang=en", "help-now", *args]) == 0
        return capsys.readouterr().out

    assert "08008880700" in ask("--country", "EG")
    assert "Ambulance" in ask("--country", "eg")
    kinds = [json.loads(line)["kind"] for line in ask("--country=lb", "--json").splitlines()]
    more = [
        json.loads(line)["kind"] for line in ask("--country=lb", "--json", "--more").splitlines()
    ]
    assert kinds and "violence" not in kinds and "violence" in more
    for unknown in ((), ("--country", "xx"), ("--country", "../../etc")):
        shown = ask(*unknown)
        assert (
            "findahelpline.com" in shown and "--country CC" in shown and "nearest hospital" in shown
        )
    home.mkdir(exist_ok=True)
    (home / "look").write_text('{"country": "eg"}')
    assert "08008880700" in ask()
    assert "08008880700" not in ask("--country", "lb")


def test_the_folder_is_neutral_and_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/people/someone")
    monkeypatch.setattr(sys, "platform", "linux")
    assert default_home({}) == "/people/someone/.local/share/th"
    assert default_home({"XDG_DATA_HOME": "/data"}) == "/data/th"
    assert default_home({"TOHEAL_HOME": "/else", "XDG_DATA_HOME": "/data"}) == "/else"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_home({}) == "/people/someone/Library/Application Support/th"


# ---- the real process


@pytest.mark.real
def test_a_command_loads_nothing_heavy(home: Path) -> None:
    code = (
        "import sys\n"
        "from toheal_p2p.cli import main\n"
        "assert main(['say', 'circle', 'text']) == 1\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "TOHEAL_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "[]\n"


@pytest.mark.real
def test_whoever_reads_only_the_beginning_gets_no_complaint(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "toheal_p2p", "--help"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, complaint = process.communicate(timeout=30)
    assert (complaint, process.returncode) == (b"", 1)


@pytest.mark.real
def test_a_full_disk_under_the_output_is_told(home: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "toheal_p2p", "--version"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.real
@pytest.mark.parametrize("stream", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_is_no_fault(home: Path, stream: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m toheal_p2p join x --name y {stream}"],
        cwd=ROOT,
        env={**os.environ, "TOHEAL_HOME": str(home), "TOHEAL_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.real
def test_an_ascii_terminal_loses_letters_and_nothing_else(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "toheal_p2p", "--lang", "ar", "--help"],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "TOHEAL_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.real
def test_ctrl_c_ends_quietly_with_130(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "toheal_p2p", "wipe"],
        cwd=ROOT,
        env={**os.environ, "TOHEAL_HOME": str(home), "TOHEAL_LANG": "en"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # whoever started the tests in the background may have had them ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    assert "type: yes" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.wait(timeout=30)  # with its input still open: the end of that is another answer
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "")


@pytest.mark.real
def test_the_module_is_the_program(home: Path) -> None:
    done = _program("sya", home=home)
    assert done.returncode == 2
    assert done.stderr.startswith("There is no command")


# ---- any command line


WORDS = st.sampled_from(
    [
        "circle",
        "create",
        "list",
        "members",
        "leave",
        "invite",
        "invitations",
        "withdraw",
        "join",
        "waiting",
        "admit",
        "decline",
        "relay",
        "add",
        "remove",
        "say",
        "read",
        "deliveries",
        "links",
        "search",
        "safety-words",
        "direct",
        "allow",
        "doctor",
        "lock",
        "wipe",
        "init",
        "--home",
        "--lang",
        "ar",
        "en",
        "--json",
        "--follow",
        "--after",
        "0",
        "--note",
        "loss",
        "--expires",
        "48h",
        "--qr",
        "--svg",
        "--file",
        "--charter",
        "--name",
        "--nickname",
        "--relay",
        "--direct",
        "--accept-charter",
        "--passphrase-file",
        "--yes",
        "--help",
        "--version",
        "--debug",
        "--check",
        "--",
        "-",
        "@",
        "-x",
        "--lang=ar",
        "toheal:1:x",
        "--to-facilitators",
    ]
)
ARGV = st.lists(st.one_of(WORDS, st.text(max_size=8), st.just("\udcff\x00")), max_size=6)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(argv=["\0"])
@example(argv=["--home", "\0", "circle", "list"])
@example(argv=["--home", "", "circle", "list"])
@example(argv=["--home", "x" * 5000, "circle", "list"])
@example(argv=["--debug", "\0", "circle", "list"])
@example(argv=["join", "\0", "--name", "x"])
@example(argv=["circle", "create", "c", "--charter", "\0"])
@example(argv=["init", "--name", "x", "--passphrase-file", "/dev/null"])
@given(argv=ARGV)
def test_any_command_line_ends_with_0_1_or_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: Sequence[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOHEAL_HOME", str(tmp_path / "none"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n")))
    for name in ("make_profile", "run_until_stopped", "wipe", "demonstrate"):
        monkeypatch.setattr(starting, name, _raises(Refused("busy")))
    assert main(argv) in (0, 1, 2)
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    assert "on our side" not in printed.err
