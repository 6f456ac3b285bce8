"""What lies where an invitation's link points, from the offer to a day after its end."""

from __future__ import annotations

import pytest

from tests.support.world import Person, World
from toheal_protocol.errors import RemoteError
from toheal_protocol.machines import events as m
from toheal_protocol.machines.addressing import address_of
from toheal_protocol.machines.state import Stage
from toheal_protocol.messages.invitation import (
    INVITATION_SIZES,
    InvitationEnd,
    invitation_mailbox,
    open_invitation,
    open_invitation_end,
    seal_invitation_end,
)
from toheal_protocol.wire.invitation_link import InvitationLink

DAY = 24 * 3600


def lying_there(world: World, link: InvitationLink) -> list[bytes]:
    read_seed, _ = invitation_mailbox(link.secret)
    return list(world.relay.boxes.get(address_of(read_seed), {}).values())


def end_of(world: World, link: InvitationLink) -> InvitationEnd:
    [note] = lying_there(world, link)
    assert len(note) == INVITATION_SIZES[0]
    return open_invitation_end(note, secret=link.secret)


def facilitator(seed: int) -> tuple[World, Person, InvitationLink]:
    world = World(seed)
    ours = world.person("نورس")
    world.found(ours)
    world.run_for(2)
    link = world.invite(ours)
    world.run_for(2)
    return world, ours, link


def withdraw(person: Person) -> None:
    assert person.circle is not None
    person.feed(m.InvitationWithdrawn(person.circle.cold.invitations[-1].id))


def test_an_open_invitation_leads_to_its_content() -> None:
    world, _, link = facilitator(1)
    [sealed] = lying_there(world, link)
    assert open_invitation(sealed, link=link).inviter_name == "نورس"


def test_a_withdrawn_invitation_says_so() -> None:
    world, ours, link = facilitator(1)
    withdraw(ours)
    world.run_for(5)
    assert end_of(world, link) is InvitationEnd.WITHDRAWN


def test_a_used_invitation_says_so() -> None:
    world, ours, link = facilitator(2)
    newcomer = world.person("Salma")
    world.knock(newcomer, link, ours)
    world.run_until(lambda: bool(world.waiting(ours)), within=120)
    ours.feed(m.Admitted(newcomer.id))
    world.run_for(30)
    assert end_of(world, link) is InvitationEnd.USED


def test_an_expired_invitation_says_so_and_after_a_day_nothing_is_left_of_it() -> None:
    world, ours, link = facilitator(3)
    world.run_for(2 * DAY + 200)
    assert end_of(world, link) is InvitationEnd.EXPIRED
    world.run_for(DAY + 200)
    assert ours.circle is not None
    assert ours.circle.cold.invitations[-1].sealed == b""


@pytest.mark.parametrize("seed", range(4))
def test_the_note_comes_back_when_the_relay_forgot_everything_or_was_away(seed: int) -> None:
    world, ours, link = facilitator(seed)
    if seed % 2:
        world.disconnect(ours)
    withdraw(ours)
    world.run_for(1)
    world.restart_relay()
    world.run_for(10)
    assert end_of(world, link) is InvitationEnd.WITHDRAWN


def test_the_note_survives_a_crash_between_every_two_acts() -> None:
    for point in ("decide", "commit", "act", "mid-act"):
        for after in range(3):
            world, ours, link = facilitator(4)
            ours.crash_at = (point, ours.steps + 1 + after)
            withdraw(ours)
            world.run_for(5)
            world.start(ours)
            world.run_for(5)
            withdraw(ours)
            world.run_for(5)
            assert end_of(world, link) is InvitationEnd.WITHDRAWN


def test_only_the_same_secret_opens_a_note() -> None:
    world, ours, link = facilitator(5)
    withdraw(ours)
    world.run_for(5)
    [note] = lying_there(world, link)
    with pytest.raises(RemoteError):
        open_invitation_end(note, secret=bytes(32))
    with pytest.raises(RemoteError):
        open_invitation(note, link=link)
    with pytest.raises(RemoteError):
        open_invitation_end(note[:-1] + bytes([note[-1] ^ 1]), secret=link.secret)


def test_a_note_that_somebody_else_left_is_deleted_unread() -> None:
    world, ours, link = facilitator(6)
    withdraw(ours)
    world.run_for(5)
    other = seal_invitation_end(InvitationEnd.USED, secret=link.secret, entropy=ours.entropy)
    read_seed, _ = invitation_mailbox(link.secret)
    address = address_of(read_seed)
    number = next(world.relay.numbers)
    world.relay.boxes[address][number] = other
    ours.feed(m.MailArrived(world.relay.address, (m.Mail(address, number, other),)))
    world.run_for(5)
    assert end_of(world, link) is InvitationEnd.WITHDRAWN


def test_who_read_an_invitation_before_its_end_does_not_get_to_the_door() -> None:
    world, ours, link = facilitator(7)
    late = world.person("late")
    world.disconnect(ours)
    world.knock(late, link, ours)
    world.run_for(3)
    withdraw(ours)
    world.reconnect(ours)
    world.run_for(120)
    assert ours.circle is not None
    assert not ours.circle.cold.peers


def test_one_invitation_lets_one_person_in_and_turns_the_others_away() -> None:
    world, ours, link = facilitator(8)
    first, second = world.person("first"), world.person("second")
    world.knock(first, link, ours)
    world.knock(second, link, ours)
    world.run_until(lambda: len(world.waiting(ours)) == 2, within=120)
    ours.feed(m.Admitted(first.id))
    ours.feed(m.Admitted(second.id))
    world.run_for(60)
    assert first.circle is not None and second.circle is not None
    assert first.circle.cold.stage is Stage.ACTIVE
    assert second.circle.cold.stage is Stage.DECLINED
    assert not world.waiting(ours)
