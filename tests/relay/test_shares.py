"""One budget among many sources: who is refused, and who makes room."""

from __future__ import annotations

from toheal_relay.shares import Shares, Source

LIGHT, HEAVY, NEW = (Source(bytes([number]) * 16) for number in range(3))


def shares_of(**held: int) -> Shares[str]:
    """Return a budget of 100, at most 80 for one, in which LIGHT and HEAVY hold entries of 10."""
    shares: Shares[str] = Shares(total=100, per_source=80)
    for name, count in held.items():
        source = {"light": LIGHT, "heavy": HEAVY}[name]
        for number in range(count):
            shares.take(source, f"{name}{number}", 10)
    return shares


def test_while_there_is_room_nobody_has_to_go() -> None:
    assert shares_of(light=2, heavy=7).make_room(NEW, 10) == ()


def test_the_heaviest_makes_room_with_what_it_brought_last() -> None:
    shares = shares_of(light=3, heavy=7)
    assert shares.make_room(NEW, 10) == ("heavy6",)
    assert shares.make_room(NEW, 15) == ("heavy6", "heavy5")
    assert shares.used == 100


def test_the_heaviest_itself_is_refused() -> None:
    assert shares_of(light=3, heavy=7).make_room(HEAVY, 10) is None


def test_who_would_become_the_heaviest_takes_nothing_from_others() -> None:
    shares = shares_of(light=5, heavy=5)
    assert shares.make_room(LIGHT, 10) is None
    assert shares.make_room(NEW, 50) is None
    assert shares.make_room(NEW, 40) == ("light4", "light3", "light2", "light1")


def test_nobody_gets_more_than_a_share() -> None:
    shares = shares_of(heavy=7)
    assert shares.make_room(HEAVY, 10) == ()
    assert shares.make_room(HEAVY, 11) is None
    assert shares.make_room(NEW, 101) is None


def test_what_is_given_back_is_free_again() -> None:
    shares = shares_of(light=3, heavy=7)
    for number in range(7):
        shares.give_back(HEAVY, f"heavy{number}")
    assert (shares.used, len(shares)) == (30, 1)
    assert shares.make_room(NEW, 70) == ()
