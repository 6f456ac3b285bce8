"""The channel between commands and the running process, tried by askers that mean no good."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from tests.support.fake_app import FakeApp
from tests.support.parsers_cli import SEEDS
from toheal_p2p.adapters.vault.files import KEYRING as VAULT_KEYRING
from toheal_p2p.app.refusals import CODES, Refused
from toheal_p2p.cli import local_path, local_place
from toheal_p2p.cli.local_client import ask
from toheal_p2p.cli.local_server import MAX_ASKERS, serve
from toheal_p2p.cli.local_wire import MAX_LINE, VERSION, encode_line
from toheal_p2p.cli.requests import REQUESTS

Answer = dict[str, Any]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    (place / "keyring").touch()
    return place


@asynccontextmanager
async def _door(app: FakeApp, home: Path, faults: list[BaseException]) -> AsyncGenerator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, on_fault=faults.append), app, home)
        yield
        nursery.cancel_scope.cancel()


async def _connect(home: Path) -> trio.SocketStream:
    path = local_path.find_socket(str(home))
    assert path is not None
    return await trio.open_unix_socket(path)


async def _answers(home: Path, sent: bytes) -> list[Answer]:
    """Send bytes and return every line of the answer."""
    async with await _connect(home) as stream:
        received = b""
        try:
            await stream.send_all(sent)
            with trio.fail_after(20):
                async for piece in stream:
                    received += piece
        except trio.BrokenResourceError:
            pass
        return [json.loads(line) for line in received.splitlines()]


async def _command(home: Path, command: str, **args: object) -> list[Answer]:
    return await _answers(home, encode_line({"v": VERSION, "command": command, "args": args}))


async def _until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(5):
        while not condition():  # noqa: ASYNC110  # a fake counts; it rings no bell
            await trio.sleep(0.001)


# ---- ordinary use


@pytest.mark.trio
async def test_values_come_one_per_line_and_then_the_end(home: Path) -> None:
    async with _door(FakeApp(), home, []):
        assert await _command(home, "relay_add", address="x") == [{"done": True}]
        *items, last = await _command(home, "relay_list")
    assert items[0]["item"]["address"] == "x"
    assert last == {"done": True}


@pytest.mark.trio
async def test_a_refusal_carries_its_code_and_its_facts(home: Path) -> None:
    async with _door(FakeApp(), home, []):
        answers = await _command(home, "circle_leave", circle="nowhere")
    assert answers == [{"refused": "no_such_circle", "facts": {"name": "nowhere"}}]


@pytest.mark.trio
async def test_a_refusal_from_inside_a_nursery_is_a_refusal(home: Path) -> None:
    faults: list[BaseException] = []
    async with _door(FakeApp(), home, faults):
        answers = await _command(home, "circle_leave", circle="nested")
    assert answers == [{"refused": "disk_full", "facts": {}}]
    assert not faults


@pytest.mark.trio
async def test_a_fault_ends_one_request_and_is_told_to_us_alone(home: Path) -> None:
    faults: list[BaseException] = []
    async with _door(FakeApp(), home, faults):
        broken = await _command(home, "circle_leave", circle="fault")
        after = await _command(home, "circle_list")
    assert broken == [{"refused": "internal", "facts": {}}]
    assert after == [{"done": True}]
    assert [str(fault) for fault in faults] == ["a private sentence"]


@pytest.mark.trio
async def test_reading_gives_every_page_once(home: Path) -> None:
    app = FakeApp()
    made = await app.circle_create("c", relays=[], direct=False, charter="x", nickname=None)
    for number in range(120):
        app.add(made.id, str(number))
    async with _door(app, home, []):
        *items, _last = await _command(home, "read", circle="c", after=3, follow=False)
    assert [item["item"]["text"] for item in items] == [str(n) for n in range(3, 120)]


@pytest.mark.trio
async def test_following_gives_what_comes_later(home: Path) -> None:
    app = FakeApp()
    made = await app.circle_create("c", relays=[], direct=False, charter="x", nickname=None)
    app.add(made.id, "first")
    async with _door(app, home, []), await _connect(home) as stream:
        args = {"circle": "c", "after": 0, "follow": True}
        await stream.send_all(encode_line({"v": VERSION, "command": "read", "args": args}))
        assert b"first" in await stream.receive_some()
        app.add(made.id, "second")
        assert b"second" in await stream.receive_some()


@pytest.mark.trio
async def test_the_process_that_is_told_to_end_still_answers(home: Path) -> None:
    async with trio.open_nursery() as nursery:
        app = FakeApp(nursery.cancel_scope.cancel)
        await nursery.start(serve, app, home)
        answers: list[Answer] = []

        async def order() -> None:
            with trio.CancelScope(shield=True):
                answers.extend(await _command(home, "lock"))

        nursery.start_soon(order)
    assert answers == [{"done": True}]
    assert app.calls == ["lock"]


# ---- askers that go away


@pytest.mark.trio
async def test_an_asker_that_goes_away_stops_its_reading(home: Path) -> None:
    app = FakeApp()
    await app.circle_create("c", relays=[], direct=False, charter="x", nickname=None)
    async with _door(app, home, []):
        stream = await _connect(home)
        args = {"circle": "c", "after": 0, "follow": True}
        await stream.send_all(encode_line({"v": VERSION, "command": "read", "args": args}))
        await _until(lambda: app.following > 0)
        await stream.aclose()
        await _until(lambda: app.following == 0)


@pytest.mark.trio
async def test_a_change_is_carried_out_though_its_asker_goes_away(
    home: Path, autojump_clock: trio.testing.MockClock
) -> None:
    app = FakeApp()
    faults: list[BaseException] = []
    async with _door(app, home, faults):
        stream = await _connect(home)
        args = {"circle": "slow", "text": "t", "notes": [], "to_facilitators": False}
        await stream.send_all(encode_line({"v": VERSION, "command": "say", "args": args}))
        await wait_all_tasks_blocked(0.01)
        await stream.aclose()
        await trio.sleep(5)
    assert app.calls == ["said t"]
    assert not faults


@pytest.mark.trio
async def test_for_an_asker_that_does_not_read_nothing_piles_up(home: Path) -> None:
    app = FakeApp()
    async with _door(app, home, []):
        stream = await _connect(home)
        args = {"circle": "endless", "after": 0, "follow": True}
        await stream.send_all(encode_line({"v": VERSION, "command": "read", "args": args}))
        await wait_all_tasks_blocked(0.02)
        produced = app.produced
        assert 0 < produced < 5000
        await wait_all_tasks_blocked(0.02)
        assert app.produced == produced
        assert await _command(home, "circle_list") == [{"done": True}]
        await stream.aclose()


@pytest.mark.trio
async def test_an_asker_that_says_nothing_is_let_go(
    home: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with _door(FakeApp(), home, []), await _connect(home) as stream:
        with trio.fail_after(10):
            assert await stream.receive_some() == b""


@pytest.mark.trio
async def test_too_many_askers_are_told_so_and_the_next_one_is_served(home: Path) -> None:
    app = FakeApp()
    await app.circle_create("c", relays=[], direct=False, charter="x", nickname=None)
    args = {"circle": "c", "after": 0, "follow": True}
    line = encode_line({"v": VERSION, "command": "read", "args": args})
    async with _door(app, home, []):
        streams = [await _connect(home) for _ in range(MAX_ASKERS)]
        for stream in streams:
            await stream.send_all(line)
        await _until(lambda: app.following == MAX_ASKERS)
        refused = await _command(home, "circle_list")
        assert refused == [{"refused": "busy", "facts": {}}]
        await streams[0].aclose()
        await _until(lambda: app.following < MAX_ASKERS)
        assert (await _command(home, "circle_list"))[-1] == {"done": True}
        for stream in streams:
            await stream.aclose()


# ---- bytes of any kind


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"\n", "internal"),
        (b"{}\n", "internal"),
        (b"[1, 2]\n", "internal"),
        (b'{"v": 2, "command": "circle_list"}\n', "other_version"),
        (b'{"v": 1, "command": "later"}\n', "other_version"),
        (b'{"v": 1, "command": "circle_list", "args": {"x": 1}}\n', "internal"),
        (b'{"v": 1, "command": "circle_leave", "args": {"circle": 7}}\n', "internal"),
        (b'{"v": 1, "command": "circle_leave", "args": {"circle": "\\ud800"}}\n', "internal"),
        (b"[" * 100_000 + b"\n", "internal"),
        (b"x" * MAX_LINE + b"\n", "internal"),
    ],
    ids=lambda value: repr(value)[:30],
)
@pytest.mark.trio
async def test_what_is_no_request_is_refused(home: Path, line: bytes, code: str) -> None:
    faults: list[BaseException] = []
    async with _door(FakeApp(), home, faults):
        answers = await _answers(home, line)
        assert await _command(home, "circle_list") == [{"done": True}]
    assert [answer.get("refused") for answer in answers] == [code]
    assert not faults


@pytest.mark.trio
async def test_a_line_without_an_end_is_not_kept(home: Path) -> None:
    async with _door(FakeApp(), home, []), await _connect(home) as stream:
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x" * 16 * MAX_LINE)
        assert await _command(home, "circle_list") == [{"done": True}]


@settings(max_examples=25)
@given(
    garbage=st.lists(
        st.one_of(st.binary(max_size=200), st.sampled_from(SEEDS)), min_size=1, max_size=4
    ),
    has_end=st.booleans(),
)
def test_any_bytes_leave_the_door_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, garbage: list[bytes], has_end: bool
) -> None:
    home = tmp_path_factory.mktemp("home")
    faults: list[BaseException] = []

    async def try_it() -> None:
        app = FakeApp()
        async with _door(app, home, faults):
            for piece in garbage:
                async with await _connect(home) as stream:
                    await stream.send_all(piece + (b"\n" if has_end else b""))
                    await trio.lowlevel.checkpoint()
            assert (await _command(home, "circle_list"))[-1] == {"done": True}

    trio.run(try_it)
    assert not faults


# ---- the place


@pytest.mark.trio
async def test_only_its_owner_can_use_the_socket_and_it_is_gone_at_the_end(home: Path) -> None:
    async with _door(FakeApp(), home, []):
        path = home / "local"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


@pytest.mark.trio
async def test_a_socket_that_a_crash_left_is_replaced(home: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "local"))
    async with _door(FakeApp(), home, []):
        assert await _command(home, "circle_list") == [{"done": True}]


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "run"
    place.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    return place


@pytest.fixture
def long_home(tmp_path: Path, runtime: Path) -> Path:
    place = tmp_path / ("long" * 30)
    place.mkdir(mode=0o700)
    return place


@pytest.mark.trio
async def test_under_a_long_path_the_socket_lies_elsewhere(long_home: Path, runtime: Path) -> None:
    async with _door(FakeApp(), long_home, []):
        (folder,) = os.listdir(runtime)
        assert stat.S_IMODE(os.stat(runtime / folder).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(long_home / "local.path").st_mode) == 0o600
        assert await _command(long_home, "circle_list") == [{"done": True}]
    assert os.listdir(runtime) == os.listdir(long_home) == []


def test_what_a_crash_left_elsewhere_is_removed(long_home: Path, runtime: Path) -> None:
    left = local_place.place_socket(str(long_home))
    Path(left).touch()
    path = local_place.place_socket(str(long_home))
    assert not Path(left).parent.exists()
    local_place.remove_socket(str(long_home), path)
    assert list(runtime.iterdir()) == []


@pytest.mark.parametrize(
    "pointer", [b"", b"/nowhere/local", b"\xff", b"/\0", b"/" + b"x" * 5000, b"relative/local"]
)
def test_a_pointer_that_leads_nowhere_is_not_followed(long_home: Path, pointer: bytes) -> None:
    (long_home / "local.path").write_bytes(pointer)
    assert local_path.find_socket(str(long_home)) is None


def test_a_pointer_into_a_folder_that_others_can_enter_is_not_believed(
    long_home: Path, runtime: Path
) -> None:
    path = local_place.place_socket(str(long_home))
    Path(path).touch()
    assert local_path.find_socket(str(long_home)) == path
    Path(path).parent.chmod(0o755)
    assert local_path.find_socket(str(long_home)) is None


def test_a_profile_is_recognised_by_the_file_the_vault_makes() -> None:
    assert local_path.KEYRING == VAULT_KEYRING


# ---- the commands' end, with a process that misbehaves


def _answering(home: Path, answer: bytes) -> threading.Thread:
    """Serve one connection from a thread with exactly these bytes."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(home / "local"))
    listening.listen()

    def answer_once() -> None:
        with listening, listening.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(answer)

    thread = threading.Thread(target=answer_once)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "connection_lost"),
        (b'{"item": {}}\n', "connection_lost"),
        (b'{"done": tr', "connection_lost"),
        (b"not json\n", "internal"),
        (b"[]\n", "internal"),
        (b'{"item": 5}\n', "internal"),
        (b'{"refused": "of a later version", "facts": {}}\n', "internal"),
        (b'{"refused": "disk_full", "facts": {"code": "x", "self": 1, "deep": {}}}\n', "disk_full"),
        (b"[" * 100_000 + b"\n", "internal"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_command_takes_any_answer_with_composure(home: Path, answer: bytes, code: str) -> None:
    thread = _answering(home, answer)
    with pytest.raises(Refused) as refused:
        list(ask(str(home), "circle_list", {}, still_waiting=lambda _seconds: None))
    thread.join()
    assert refused.value.code == code


@pytest.mark.parametrize("has_profile", [True, False])
def test_without_a_process_a_command_says_which_of_two_it_is(home: Path, has_profile: bool) -> None:
    if not has_profile:
        (home / "keyring").unlink()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(home / "local"))  # nobody listens: a crash left it
    with pytest.raises(Refused) as refused:
        list(ask(str(home), "circle_list", {}, still_waiting=None))
    assert refused.value.code == ("not_running" if has_profile else "no_profile")


def test_every_request_is_named_once_and_refuses_what_it_does_not_know() -> None:
    assert len(set(REQUESTS.values())) == len(REQUESTS)
    assert all(request.__struct_config__.forbid_unknown_fields for request in REQUESTS.values())
    assert all(request.__struct_config__.frozen for request in REQUESTS.values())


def test_there_is_one_code_for_each_thing() -> None:
    assert len(set(CODES)) == len(CODES)
