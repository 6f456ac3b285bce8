"""Invitations: the link people carry, and what it opens."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.entropy import SeededEntropy
from tests.support.personas import CIRCLE, person
from toheal_protocol.crypto import SEAL_OVERHEAD, SealKey, hash_parts, prf, seal_with_random_nonce
from toheal_protocol.errors import ForgedMessage, LocalError, MalformedFrame, RemoteError
from toheal_protocol.identity import UnusableName
from toheal_protocol.messages.invitation import (
    MAX_CHARTER_SIZE,
    MAX_CREATE_SIZE,
    InvitationContent,
    decode_invitation,
    encode_invitation,
    invitation_mailbox,
    open_invitation,
    reply_mailbox,
    seal_invitation,
)
from toheal_protocol.model import CircleId, WallTime
from toheal_protocol.wire.codec import prefixed, prefixed16
from toheal_protocol.wire.invitation_link import (
    InvitationLink,
    MangledInvitation,
    NewerInvitation,
    NoInvitation,
    parse_invitation_link,
)
from toheal_protocol.wire.padding import pad_to
from toheal_protocol.wire.relay_address import RelayAddress

SECRET = bytes(range(32))
ALICE = person(1)
RELAY = RelayAddress("relay.example.org", 4433, bytes(range(32, 64)))
OTHER_RELAY = RelayAddress("2001:db8::7", 443, bytes(32))

CONTENT = InvitationContent(
    circle_id=CircleId(CIRCLE),
    inviter=ALICE.card,
    relays=(RELAY, OTHER_RELAY),
    circle_name="حلقة المساء",
    inviter_name="نورس",
    charter="We listen.\nWe do not advise unasked.",
    create_operation=bytes(range(256)) * 5,
)
SEALED, DIGEST = seal_invitation(CONTENT, secret=SECRET, entropy=SeededEntropy(1))
LINK = InvitationLink(RELAY, SECRET, DIGEST, WallTime(1_900_000_000))
TEXT = str(LINK)

hosts = st.sampled_from(["relay.example.org", "192.0.2.7", "2001:db8::7", "::1", "a.b", "x" * 63])
relays = st.builds(RelayAddress, hosts, st.integers(1, 65535), st.binary(min_size=32, max_size=32))
links = st.builds(
    InvitationLink,
    relays,
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**32 - 1).map(WallTime),
)


def sealed_by_hand(encoded: bytes, *, secret: bytes = SECRET, size: int = 8192) -> bytes:
    """Seal any content, as an inviter with another program might."""
    plain = pad_to(encoded, size - SEAL_OVERHEAD)
    return seal_with_random_nonce(SealKey(prf(secret, "th1/inv")), bytes(24), plain)


def link_to(encoded: bytes) -> InvitationLink:
    return evolve(LINK, content_hash=hash_parts("th1/invitation", encoded)[:16])


def test_a_link_says_where_by_which_secret_and_until_when() -> None:
    assert parse_invitation_link(TEXT) == LINK
    assert TEXT.startswith("toheal:1:relay.example.org:4433#")
    assert 140 <= len(TEXT) <= 175


@given(links)
@settings(max_examples=100)
def test_every_link_comes_back_from_its_text(link: InvitationLink) -> None:
    assert parse_invitation_link(str(link)) == link


def test_the_secret_does_not_show_in_a_repr() -> None:
    assert repr(SECRET)[2:-1] not in repr(LINK)


@pytest.mark.parametrize(
    "pasted",
    [
        f"  {TEXT}\n",
        f"\u200f{TEXT}\u200e",
        f"\u2068{TEXT}\u2069",
        f"T{TEXT[1:]}",
        f"TOHEAL{TEXT[6:]}",
        "\n".join(TEXT[at : at + 40] for at in range(0, len(TEXT), 40)),
        "\u200b".join(TEXT),
        f"{TEXT[:50]} \u00a0\t{TEXT[50:]}\ufeff",
    ],
)
def test_what_messengers_do_to_a_link_does_no_harm(pasted: str) -> None:
    assert parse_invitation_link(pasted) == LINK


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "https://example.org/toheal:1:x",
        "toheal",
        "toheal:",
        "toheal::",
        "toheal:x:y",
        "toheal:-1:y",
        "toheal:١:y",
        "toheal-relay://relay.example.org:4433#x",
        "x" * 10_000,
        TEXT + " " * 10_000,
        "\ud800",
    ],
)
def test_another_text_is_no_invitation(text: str) -> None:
    with pytest.raises(NoInvitation):
        parse_invitation_link(text)


@pytest.mark.parametrize("version", ["0", "2", "01", "11", "999999999"])
def test_an_invitation_of_another_version_says_so(version: str) -> None:
    with pytest.raises(NewerInvitation):
        parse_invitation_link(TEXT.replace("toheal:1:", f"toheal:{version}:"))


@pytest.mark.parametrize(
    "text",
    [
        "toheal:1",
        "toheal:1:",
        "toheal:1::",
        "toheal:1:x:y",
        TEXT[:-1],
        TEXT[:-10],
        TEXT[: len(TEXT) // 2],
        TEXT + "A",
        TEXT + "=",
        TEXT + "==",
        TEXT + ":",
        TEXT.replace("relay", "RELAY"),
        TEXT.replace(":4433", ":04433"),
        TEXT.replace(":4433", ":0"),
        TEXT.replace("#", ""),
        TEXT.replace("toheal:1:", "toheal:1:toheal-relay://"),
        TEXT.replace("toheal:1:", "toheal:1:https://"),
        TEXT[:-5] + "é" + TEXT[-4:],
        TEXT[:-5] + "+" + TEXT[-4:],
        TEXT[:-5] + "/" + TEXT[-4:],
    ],
)
def test_a_damaged_invitation_says_so(text: str) -> None:
    with pytest.raises(MangledInvitation):
        parse_invitation_link(text)


def test_one_invitation_has_one_spelling() -> None:
    """The last letter carries four spare bits: all but one of the sixteen spellings are refused."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    accepted = []
    for letter in letters:
        try:
            accepted.append(parse_invitation_link(TEXT[:-1] + letter))
        except MangledInvitation:
            pass
    assert LINK in accepted
    assert len(set(map(str, accepted))) == len(accepted) == 4


def test_the_refusals_of_a_link_are_three_kinds() -> None:
    assert issubclass(MangledInvitation, MalformedFrame)
    for kind in (NoInvitation, NewerInvitation, MangledInvitation):
        assert issubclass(kind, RemoteError)


@given(
    st.one_of(
        st.text(max_size=300),
        st.text(max_size=120).map(lambda text: "toheal:1:" + text),
        st.builds(lambda at, by: TEXT[:at] + by + TEXT[at:], st.integers(0, 150), st.text()),
    )
)
@settings(max_examples=200)
def test_any_text_is_a_link_or_a_remote_error(text: str) -> None:
    try:
        link = parse_invitation_link(text)
    except RemoteError:
        return
    assert parse_invitation_link(str(link)) == link


def test_whoever_has_the_link_reads_what_the_inviter_wrote() -> None:
    assert open_invitation(SEALED, link=LINK) == CONTENT


def test_nearly_every_invitation_is_as_large_as_every_other() -> None:
    assert len(SEALED) == 8192
    small = evolve(CONTENT, charter="", relays=(), create_operation=b"", circle_name="x")
    assert len(seal_invitation(small, secret=SECRET, entropy=SeededEntropy(1))[0]) == 8192
    largest = evolve(
        CONTENT,
        charter="x" * MAX_CHARTER_SIZE,
        create_operation=bytes(MAX_CREATE_SIZE),
        relays=(RelayAddress(".".join(["x" * 63, "y" * 63, "z" * 63, "w" * 61]), 65535, bytes(32)),)
        * 4,
        circle_name="\U00020000" * 48,
        inviter_name="\U00020000" * 48,
    )
    sealed, digest = seal_invitation(largest, secret=SECRET, entropy=SeededEntropy(1))
    assert len(sealed) == 16384
    assert open_invitation(sealed, link=evolve(LINK, content_hash=digest)) == largest


def test_the_sealed_bytes_show_nothing_of_the_content() -> None:
    for hidden in (ALICE.card.keys.dh, b"We listen", "نورس".encode(), CIRCLE, RELAY.fingerprint):
        assert hidden not in SEALED


def test_sealing_twice_gives_other_bytes_for_the_same_link() -> None:
    entropy = SeededEntropy(5)
    first, digest = seal_invitation(CONTENT, secret=SECRET, entropy=entropy)
    second, same = seal_invitation(CONTENT, secret=SECRET, entropy=entropy)
    assert digest == same
    assert first != second
    assert entropy.drawn == [first[:24], second[:24]]


def test_a_changed_byte_anywhere_is_refused() -> None:
    for at in [*range(64), *range(64, len(SEALED), 61), *range(len(SEALED) - 32, len(SEALED))]:
        changed = bytearray(SEALED)
        changed[at] ^= 1 << at % 8
        with pytest.raises(ForgedMessage):
            open_invitation(bytes(changed), link=LINK)


@pytest.mark.parametrize("size", [0, 1, 24, 40, 8191, 8193, 16384, 16385, 65536])
def test_an_invitation_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(RemoteError):
        open_invitation((SEALED * 9)[:size], link=LINK)


def test_another_secret_opens_nothing() -> None:
    with pytest.raises(ForgedMessage):
        open_invitation(SEALED, link=evolve(LINK, secret=bytes(32)))


def test_whoever_got_hold_of_the_link_cannot_put_another_content_there() -> None:
    """The mailbox's keys come from the secret, so a thief can write: the hash in the link refuses."""
    mallory = person(2)
    theirs, _ = seal_invitation(
        evolve(CONTENT, inviter=mallory.card), secret=SECRET, entropy=SeededEntropy(2)
    )
    with pytest.raises(ForgedMessage):
        open_invitation(theirs, link=LINK)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("circle_id", CircleId(bytes(32))),
        ("inviter", person(2).card),
        ("relays", (OTHER_RELAY, RELAY)),
        ("circle_name", "حلقة الصباح"),
        ("inviter_name", "هدهد"),
        ("charter", "We listen.\nWe do not advise unasked"),
        ("create_operation", CONTENT.create_operation + b"\x00"),
    ],
)
def test_the_hash_in_the_link_names_every_field(field: str, value: object) -> None:
    changed = evolve(CONTENT, **{field: value})
    sealed, digest = seal_invitation(changed, secret=SECRET, entropy=SeededEntropy(2))
    assert digest != DIGEST
    with pytest.raises(ForgedMessage):
        open_invitation(sealed, link=LINK)
    assert open_invitation(sealed, link=evolve(LINK, content_hash=digest)) == changed


def test_names_come_out_clean_whatever_the_inviters_program_did() -> None:
    name = prefixed16("نورس".encode())
    encoded = encode_invitation(CONTENT).replace(name, prefixed16("  نو\u202eرس\u200b ".encode()))
    opened = open_invitation(sealed_by_hand(encoded), link=link_to(encoded))
    assert opened == CONTENT


@pytest.mark.parametrize("name", ["", "\u202e", "x" * 49])
def test_a_name_of_which_nothing_can_be_shown_is_refused(name: str) -> None:
    encoded = encode_invitation(CONTENT).replace(
        prefixed16("نورس".encode()), prefixed16(name.encode())
    )
    with pytest.raises(UnusableName):
        open_invitation(sealed_by_hand(encoded), link=link_to(encoded))


def changed_contents() -> dict[str, bytes]:
    encoded = encode_invitation(CONTENT)
    charter = prefixed(CONTENT.charter.encode())
    relay = prefixed16(str(RELAY).encode())
    name = prefixed16("نورس".encode())
    return {
        "another version": b"\x02" + encoded[1:],
        "something after the end": encoded + b"\x00",
        "cut off": encoded[:-1],
        "too many relays": encoded.replace(b"\x02" + relay, b"\x05" + relay),
        "a relay that is none": encoded.replace(relay, prefixed16(b"https://example.org")),
        "a relay outside UTF-8": encoded.replace(relay, prefixed16(b"\xff\xff")),
        "a charter above its limit": encoded.replace(charter, prefixed(b"x" * 4097)),
        "a charter outside UTF-8": encoded.replace(charter, prefixed(b"\xc3")),
        "a name outside UTF-8": encoded.replace(name, prefixed16(b"\xff")),
        "a name above its size": encoded.replace(name, prefixed16(b"x" * 193)),
        "a broken card": encoded[:33] + b"\x02" + encoded[34:],
        "nothing": b"",
    }


@pytest.mark.parametrize("encoded", changed_contents().values(), ids=changed_contents().keys())
def test_content_that_is_no_invitation_is_refused(encoded: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode_invitation(encoded)
    with pytest.raises(RemoteError):
        open_invitation(sealed_by_hand(encoded), link=link_to(encoded))


def test_a_forged_card_inside_is_refused() -> None:
    encoded = bytearray(encode_invitation(CONTENT))
    encoded[33 + 2500] ^= 1
    with pytest.raises(ForgedMessage):
        decode_invitation(bytes(encoded))


@given(st.binary(max_size=200))
@settings(max_examples=60)
def test_any_bytes_are_an_invitation_or_a_remote_error(tail: bytes) -> None:
    head = encode_invitation(CONTENT)[: 33 + 2537]
    for frame in (tail, head + tail, SEALED[:-100] + (tail + bytes(100))[:100]):
        for parse in (decode_invitation, lambda frame: open_invitation(frame, link=LINK)):
            try:
                parse(frame)
            except RemoteError:
                pass


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("circle_id", CircleId(bytes(31))),
        ("relays", (RELAY,) * 5),
        ("circle_name", " not clean"),
        ("inviter_name", ""),
        ("charter", "س" * (MAX_CHARTER_SIZE // 2 + 1)),
        ("create_operation", bytes(MAX_CREATE_SIZE + 1)),
    ],
)
def test_a_content_beyond_the_limits_is_our_own_mistake(field: str, value: object) -> None:
    with pytest.raises(LocalError):
        seal_invitation(evolve(CONTENT, **{field: value}), secret=SECRET, entropy=SeededEntropy(1))


def test_a_secret_of_another_size_is_our_own_mistake() -> None:
    for wrong in (b"", bytes(31), bytes(33)):
        for use in (invitation_mailbox, reply_mailbox):
            with pytest.raises(LocalError):
                use(wrong)
        with pytest.raises(LocalError):
            seal_invitation(CONTENT, secret=wrong, entropy=SeededEntropy(1))


def test_all_that_comes_from_the_secret_is_different() -> None:
    read_seed, token = invitation_mailbox(SECRET)
    reply_seed, reply_token, reply_key = reply_mailbox(SECRET)
    other_seed, other_token = invitation_mailbox(bytes(32))
    derived = [read_seed, token, reply_seed, reply_token, reply_key, other_seed, other_token]
    assert len({part[:16] for part in derived}) == len(derived)
    assert SECRET[:16] not in {part[:16] for part in derived}
    assert [len(part) for part in derived[:5]] == [32, 16, 32, 16, 32]


def test_a_link_of_one_invitation_opens_no_other() -> None:
    other, digest = seal_invitation(CONTENT, secret=bytes(32), entropy=SeededEntropy(3))
    with pytest.raises(ForgedMessage):
        open_invitation(other, link=LINK)
    with pytest.raises(ForgedMessage):
        open_invitation(SEALED, link=evolve(LINK, secret=bytes(32), content_hash=digest))
