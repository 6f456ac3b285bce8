"""Who is given TURN credentials, what they are good for, and what an operator can say about them."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import define, evolve
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from toheal_protocol.model import Instant, WallTime
from toheal_protocol.wire.mailbox import encode_ask_turn
from toheal_protocol.wire.mailbox_answers import Code, Reply, decode_answer
from toheal_protocol.wire.turn_grant import TurnGrant, TurnServer, TurnTransport
from toheal_relay.cli import main
from toheal_relay.desk import Desk
from toheal_relay.limits import Limits
from toheal_relay.turn.config import (
    TurnConfig,
    UnusableSecret,
    UnusableTurn,
    configure_turn,
    parse_turn_url,
    read_secret,
)
from toheal_relay.turn.credentials import LIFE, Credentials

NOON = 1_800_000_000
SERVERS = (TurnServer(TurnTransport.UDP, "", 3478),)


@define
class Clock:
    now: WallTime = WallTime(NOON)

    def __call__(self) -> WallTime:
        return self.now


def credentials(clock: Clock | None = None, secret: bytes = b"s" * 32) -> Credentials:
    return Credentials(secret, SERVERS, SeededEntropy(1).draw, clock or Clock())


def ask(desk: Desk, *, times: int = 1) -> list[object]:
    visitor = desk.enter("192.0.2.1", now=Instant(0.0))
    assert visitor is not None
    desk.next_message(visitor, now=Instant(0.0))
    answers = []
    for number in range(times):
        desk.receive(visitor, encode_ask_turn(number), now=Instant(0.0))
        answer = desk.next_message(visitor, now=Instant(0.0))
        assert answer is not None
        answers.append(decode_answer(answer))
    return answers


def desk_with(turn: Credentials | None, limits: Limits | None = None) -> Desk:
    return Desk(limits or Limits(), fingerprint=bytes(32), draw=SeededEntropy(2).draw, turn=turn)


def test_who_asks_is_given_credentials_that_the_same_secret_knows_again() -> None:
    (grant,) = ask(desk_with(credentials()))
    assert isinstance(grant, TurnGrant)
    assert (grant.number, grant.life, grant.servers) == (0, LIFE, SERVERS)
    assert credentials().password_of(grant.username.encode()) == grant.password
    assert credentials(secret=b"o" * 32).password_of(grant.username.encode()) != grant.password


def test_no_two_grants_share_a_name() -> None:
    grants = ask(desk_with(credentials()), times=20)
    assert len({each.username for each in grants if isinstance(each, TurnGrant)}) == 20


def test_a_name_ends_after_its_life() -> None:
    clock = Clock()
    ours = credentials(clock)
    name = ours.grant(1).username.encode()
    clock.now = WallTime(NOON + LIFE - 1)
    assert ours.password_of(name) is not None
    clock.now = WallTime(NOON + LIFE)
    assert ours.password_of(name) is None


@given(name=st.binary(max_size=40))
def test_any_name_has_a_password_or_none(name: bytes) -> None:
    for candidate in (name, b"%d:" % (NOON + 1) + name, name + b":"):
        credentials().password_of(candidate)


@pytest.mark.parametrize(
    "name", [b"", b"1800000001", b":a", b"-1:a", b"9" * 13 + b":a", b"1800000001:\xff", b"+1800000001:a"]
)  # fmt: skip
def test_what_is_no_name_of_ours_has_no_password(name: bytes) -> None:
    assert credentials().password_of(name) is None


def test_a_relay_without_turn_refuses() -> None:
    (reply,) = ask(desk_with(None))
    assert isinstance(reply, Reply)
    assert reply.outcomes[0].code is Code.REFUSED


def test_a_source_that_asks_too_often_is_told_to_wait() -> None:
    limits = evolve(Limits(), grants_burst=3.0, grants_per_second=0.1)
    answers = ask(desk_with(credentials(), limits), times=4)
    assert [type(answer) for answer in answers] == [TurnGrant] * 3 + [Reply]
    last = answers[-1]
    assert isinstance(last, Reply)
    assert last.outcomes[0].code is Code.FULL
    assert last.outcomes[0].value >= 10


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("turn:turn.example", TurnServer(TurnTransport.UDP, "turn.example", 3478)),
        ("turn:192.0.2.1:99", TurnServer(TurnTransport.UDP, "192.0.2.1", 99)),
        ("turn:Turn.Example?transport=tcp", TurnServer(TurnTransport.TCP, "turn.example", 3478)),
        ("turns:turn.example", TurnServer(TurnTransport.TLS, "turn.example", 5349)),
        ("turns:[2001:db8::1]:443", TurnServer(TurnTransport.TLS, "2001:db8::1", 443)),
    ],
)
def test_a_turn_url_is_read(text: str, server: TurnServer) -> None:
    assert parse_turn_url(text) == server


@pytest.mark.parametrize(
    "text",
    ["", "turn.example", "turn:", "turn:a b", "turn:a:0", "turn:a:65536", "turns:a?transport=udp",
     "turn:a?transport=sctp", "http://a", "turn:[::g]", "turn:[::1"],
)  # fmt: skip
def test_what_is_no_turn_url_is_refused(text: str) -> None:
    with pytest.raises(UnusableTurn):
        parse_turn_url(text)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(b"0123456789abcdef\n")
    path.chmod(0o600)
    return path


def test_a_secret_is_read_without_its_line_end(secret_file: Path) -> None:
    config = configure_turn(("turn:a",), secret_file, is_off=False, address=None)
    assert config.secret == b"0123456789abcdef"
    assert b"0123".decode() not in repr(config)


@pytest.mark.parametrize("content", [b"", b"short\n", b"x" * 5000])
def test_what_is_no_secret_is_refused(secret_file: Path, content: bytes) -> None:
    secret_file.write_bytes(content)
    with pytest.raises(UnusableSecret):
        read_secret(secret_file)


def test_a_secret_that_everybody_can_read_is_refused(secret_file: Path) -> None:
    secret_file.chmod(0o604)
    with pytest.raises(UnusableSecret):
        read_secret(secret_file)
    with pytest.raises(UnusableSecret):
        read_secret(secret_file.with_name("missing"))


def test_contradictions_are_refused(secret_file: Path) -> None:
    for urls, file, is_off, address in (
        (("turn:a",), None, False, None),
        (("turn:a",), secret_file, True, None),
        ((), secret_file, True, None),
        ((), None, True, "192.0.2.1"),
        (("turn:a",), secret_file, False, "192.0.2.1"),
        (("turn:a",) * 5, secret_file, False, None),
    ):
        with pytest.raises(UnusableTurn):
            configure_turn(urls, file, is_off=is_off, address=address)
    assert configure_turn((), None, is_off=False, address=None) == TurnConfig()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--no-turn", "--turn-address", "192.0.2.1"), 2, "--no-turn"),
        (("--turn", "turn:a"), 2, "--turn-secret"),
        (("--turn-allow", "everybody"), 2, "everybody"),
        (("--turn-address", "turn.example"), 2, "2001:db8::7"),
        (("--turn-address", "2001:DB8::7"), 2, "2001:db8::7"),
        (("--turn", "nonsense", "--turn-secret", "SECRET"), 2, "nonsense"),
        (("--turn", "turn:a", "--turn-secret", "missing"), 1, "missing"),
    ],
)
def test_an_operator_is_told_what_cannot_be_used(
    tmp_path: Path, secret_file: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    named = [str(secret_file) if each == "SECRET" else each for each in options]
    done = CliRunner().invoke(main, ["run", "--state", str(tmp_path / "state"), *named])
    assert done.exit_code == code
    assert words in done.stderr
    assert not (tmp_path / "state").exists()
