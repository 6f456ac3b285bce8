"""The whole program with its page: starting, finding it again, locking, and what cannot end the peer."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.page_program import PageProgram, a_program
from tests.support.page_visitor import visitor_of
from tests.support.processes import (
    PASSPHRASE,
    PersonProcess,
    Program,
    Town,
    a_town,
    await_true,
)

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture
def program(tmp_path: Path) -> Iterator[PageProgram]:
    with a_program(tmp_path / "ours") as running:
        yield running


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with a_town(tmp_path_factory.mktemp("town")) as made:
        yield made


def test_the_program_starts_without_a_profile_and_makes_one(program: PageProgram) -> None:
    person = PersonProcess("Nawras", program.folder)
    assert "toheal init" in person.cli_whole("circle", "list").stderr.decode()
    visitor = visitor_of(program)
    visitor.post("/language", language="en")
    form = {"nickname": "Nawras", "passphrase": "lamp seven river", "again": "lamp seven river"}
    assert "No circle yet" in visitor.post("/begin", **form)
    assert person.cli("circle", "list") == []  # commands work beside the page
    person.cli("circle", "create", "Evening")
    assert "Evening" in visitor.get("/circles")
    look = json.loads((program.home / "look").read_text())
    assert look["language"] == "en"  # the next start, and commands, speak it too
    visitor.post("/lock")
    await_true(lambda: "not running" in person.cli_whole("circle", "list").stderr.decode())
    assert "My circles" in visitor.post("/unlock", passphrase="lamp seven river")
    person.cli("lock")
    assert program.program.await_end(60) == 0
    assert not program.start_file.exists()
    assert not program.home.with_name("home.page").exists()
    said = program.output + "".join(
        path.read_text(errors="replace") for path in program.folder.glob("*") if path.is_file()
    )
    assert "lamp seven" not in said


def test_a_second_start_opens_the_same_page_and_ends(program: PageProgram) -> None:
    first = visitor_of(program)
    program.again()
    second = visitor_of(program)
    assert "Language" in second.get("/now")
    assert first.get("/now") == "Forbidden"


def test_a_record_of_a_program_that_is_gone_is_no_obstacle(program: PageProgram) -> None:
    program.program.kill()
    assert program.home.with_name("home.page").exists()
    program.start()
    assert "Language" in visitor_of(program).get("/now")


def test_a_port_that_is_taken_is_a_sentence(program: PageProgram, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = ("-m", "toheal_p2p", f"--home={tmp_path / 'other'}", "run", f"--port={port}")
        other = Program(command, tmp_path / "other.out")
        other.launch()
        assert other.await_end(60) == 1
    assert "port" in other.output.read_text()


def test_a_passphrase_file_opens_at_once_and_a_wrong_one_ends_the_program(town: Town) -> None:
    person = town.person("Nawras")
    person.start()
    assert person.program is not None
    url = person.program.await_line("ready ").split()[1]
    assert url.startswith("http://127.0.0.1:")
    assert person.cli("circle", "list") == []
    person.stop()
    secret = person.folder / "passphrase"
    secret.write_text("something else")
    person.launch()
    assert person.program.await_end(60) == 1
    assert "does not open" in person.program.output.read_text()
    secret.write_text(PASSPHRASE)


def test_garbage_on_the_page_does_not_reach_the_peer(town: Town) -> None:
    ours, theirs, circle = town.circle_of_two(direct=False)
    assert ours.program is not None
    port = int(ours.program.await_line("ready ").rstrip("/").rsplit(":", 1)[1])
    hoarded = []
    for number in range(150):
        connection = socket.create_connection(("127.0.0.1", port), timeout=5)
        connection.sendall(os.urandom(2000) if number % 2 else b"GET / HTTP/1.1\r\nHost: ")
        hoarded.append(connection)
    theirs.say(circle, "do you hear me")
    await_true(lambda: "do you hear me" in ours.texts(circle))
    ours.say(circle, "yes")
    await_true(lambda: "yes" in theirs.texts(circle))
    for connection in hoarded:
        connection.close()
    ours.stop()
    theirs.stop()
