from __future__ import annotations

import pytest

from tests.support.links import key_pair
from toheal_protocol.errors import LocalError
from toheal_protocol.machines import link as machine
from toheal_protocol.machines.link import (
    ChannelLost,
    Close,
    Consumed,
    Deliver,
    Doubted,
    DrainAsked,
    Ended,
    Ending,
    FramesReady,
    Open,
    Opened,
    PeerDrains,
    RecordArrived,
    Transmit,
    WakeAt,
    Woke,
)
from toheal_protocol.machines.link_parts import (
    DOUBT_LONGEST,
    GRANT_STEP,
    MAX_PINGS,
    MAX_WAITING,
    PING_EVERY,
    SILENCE_LONGEST,
    WINDOW,
)
from toheal_protocol.model import MAX_FRAME_SIZE, Frame, Instant
from toheal_protocol.wire.link_record import (
    FRAME_OVERHEAD,
    Credit,
    Drain,
    Drained,
    Opening,
    Piece,
    Ping,
    Pong,
    encode_record,
    open_record,
    seal_record,
)

EXPORTER = bytes(32)
START = Instant(100.0)


def started(*, exporters=(EXPORTER, EXPORTER)):
    ours, theirs = key_pair()
    return (
        machine.begin(ours, exporter=exporters[0], now=START),
        machine.begin(theirs, exporter=exporters[1], now=START),
    )


def records_of(effects):
    return [record for e in effects if isinstance(e, Transmit) for record in e.records]


def opened():
    """Our open link, and the keys with which a test plays the peer (whose proof has arrived)."""
    (ours, _), (_, their_effects) = started()
    state, effects = machine.step(ours, RecordArrived(records_of(their_effects)[0]), now=START)
    assert isinstance(state, Open)
    assert isinstance(effects[0], Opened)
    return state


class Peer:
    """Plays the other side record by record, lawful or not."""

    def __init__(self):
        self.keys = key_pair()[1]
        self.sealed = 1
        self.opened = 1

    def says(self, record):
        self.sealed += 1
        return RecordArrived(seal_record(self.keys.send, self.sealed - 1, encode_record(record)))

    def hears(self, effects):
        heard = []
        for record in records_of(effects):
            heard.append(open_record(self.keys.receive, self.opened, record))
            self.opened += 1
        return heard


def play(state, peer, *records, now=START):
    effects = ()
    for record in records:
        state, more = machine.step(state, peer.says(record), now=now)
        effects += more
    return state, effects


def piece_of(*frames):
    return Piece(b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames))


EIGHT_KIB = piece_of(bytes(8192 - FRAME_OVERHEAD))


def peer_that_heard_the_first_ping():
    peer = Peer()
    peer.opened = 2
    return peer


def test_two_sides_open_with_their_proofs_and_ping_at_once():
    (ours, our_effects), (theirs, their_effects) = started()
    ours, effects = machine.step(ours, RecordArrived(records_of(their_effects)[0]), now=START)
    theirs, _ = machine.step(theirs, RecordArrived(records_of(our_effects)[0]), now=START)
    assert isinstance(ours, Open)
    assert isinstance(theirs, Open)
    assert [type(effect) for effect in effects] == [Opened, Transmit, WakeAt]


def test_the_first_ping_measures_the_round_trip():
    peer, state = peer_that_heard_the_first_ping(), opened()
    state, _ = play(state, peer, Pong(state.pulse.number), now=Instant(START + 0.2))
    assert state.pulse.round_trip == pytest.approx(0.2)
    state, _ = machine.step(state, Woke(), now=state.pulse.ping_at)
    state, _ = play(state, peer, Pong(state.pulse.number), now=Instant(START + PING_EVERY + 0.6))
    assert state.pulse.round_trip == pytest.approx(0.3)


def test_an_answer_to_an_older_ping_measures_nothing():
    peer, state = peer_that_heard_the_first_ping(), opened()
    state, _ = play(state, peer, Pong(77))
    assert state.pulse.round_trip is None


@pytest.mark.parametrize("exporters", [(EXPORTER, b"\x01" * 32), (b"\x01" * 32, EXPORTER)])
def test_a_channel_with_somebody_in_the_middle_does_not_open(exporters):
    (ours, our_effects), (theirs, their_effects) = started(exporters=exporters)
    ours, effects = machine.step(ours, RecordArrived(records_of(their_effects)[0]), now=START)
    theirs, _ = machine.step(theirs, RecordArrived(records_of(our_effects)[0]), now=START)
    assert ours == theirs == Ended(Ending.UNPROVEN)
    assert effects == (Close(Ending.UNPROVEN),)


def test_our_own_proof_sent_back_does_not_open():
    (ours, our_effects), _ = started()
    state, _ = machine.step(ours, RecordArrived(records_of(our_effects)[0]), now=START)
    assert state == Ended(Ending.UNPROVEN)


@pytest.mark.parametrize(
    "record", [Opening(bytes(32)), piece_of(b"x"), Ping(1), Drain(), Credit(2**40)]
)
def test_nothing_is_accepted_before_the_proof(record):
    (ours, _), _ = started()
    peer = Peer()
    peer.sealed = 0
    state, effects = machine.step(ours, peer.says(record), now=START)
    assert state == Ended(Ending.UNPROVEN)
    assert effects == (Close(Ending.UNPROVEN),)


def test_a_peer_that_never_proves_itself_is_given_up():
    (ours, effects), _ = started()
    wake_at = next(effect.at for effect in effects if isinstance(effect, WakeAt))
    early, effects = machine.step(ours, Woke(), now=Instant(wake_at - 0.1))
    assert early == ours
    assert effects == (WakeAt(wake_at),)
    state, _ = machine.step(ours, Woke(), now=wake_at)
    assert state == Ended(Ending.UNPROVEN)


def test_a_second_opening_breaks_the_rules():
    (_, _), (_, their_effects) = started()
    proof = open_record(key_pair()[1].send, 0, records_of(their_effects)[0])
    state, _ = play(opened(), Peer(), proof)
    assert state == Ended(Ending.BROKE_RULES)


def test_many_frames_leave_in_one_record():
    state, peer = opened(), peer_that_heard_the_first_ping()
    frames = tuple(Frame(b"frame %d" % number) for number in range(300))
    state, effects = machine.step(state, FramesReady(frames), now=START)
    heard = peer.hears(effects)
    assert heard == [piece_of(*frames)]


def test_frames_larger_than_a_record_are_put_together_again():
    state, peer = opened(), Peer()
    frame = bytes(range(256)) * (MAX_FRAME_SIZE // 256)
    stream = piece_of(frame, b"small").stream
    pieces = [Piece(stream[at : at + 16000]) for at in range(0, len(stream), 16000)]
    state, effects = play(state, peer, *pieces)
    assert effects == (Deliver((frame, b"small"), len(stream)),)


def test_credit_stops_the_stream_and_more_credit_resumes_it():
    state, peer = opened(), peer_that_heard_the_first_ping()
    frame = Frame(bytes(MAX_FRAME_SIZE))
    streamed = b""
    state, effects = machine.step(state, FramesReady((frame, frame, frame)), now=START)
    streamed += b"".join(piece.stream for piece in peer.hears(effects))
    assert len(streamed) == WINDOW
    assert not machine.can_send(state)
    state, effects = play(state, peer, Credit(2 * WINDOW))
    streamed += b"".join(piece.stream for piece in peer.hears(effects))
    assert streamed == piece_of(frame, frame, frame).stream
    assert machine.can_send(state)


def test_credit_is_renewed_only_by_what_was_consumed():
    state, peer = opened(), peer_that_heard_the_first_ping()
    state, effects = play(state, peer, *([EIGHT_KIB] * (GRANT_STEP // len(EIGHT_KIB.stream))))
    assert records_of(effects) == []
    state, effects = machine.step(state, Consumed(GRANT_STEP // 2), now=START)
    assert records_of(effects) == []
    state, effects = machine.step(state, Consumed(GRANT_STEP // 2), now=START)
    assert peer.hears(effects) == [Credit(WINDOW + GRANT_STEP)]


def test_a_peer_that_overruns_its_credit_is_cut_off():
    state, peer = opened(), Peer()
    state, _ = play(state, peer, *([EIGHT_KIB] * (WINDOW // len(EIGHT_KIB.stream))))
    assert isinstance(state, Open)
    state, effects = play(state, peer, piece_of(b"x"))
    assert state == Ended(Ending.BROKE_RULES)
    assert effects == (Close(Ending.BROKE_RULES),)


@pytest.mark.parametrize(
    "records",
    [
        (Credit(WINDOW - 1),),
        (Credit(2**40), Credit(2**40 - 1)),
        (Drained(),),
        (Drain(), Drain()),
        (Drain(), piece_of(b"late")),
        (Piece(b"\x00\x00"), Drain()),
        (Piece(bytes(4)),),
        (Piece((MAX_FRAME_SIZE + 1).to_bytes(4, "big")),),
        tuple(Ping(number) for number in range(MAX_PINGS + 1)),
    ],
    ids=repr,
)
def test_breaking_the_rules_ends_the_link(records):
    state, effects = play(opened(), Peer(), *records)
    assert state == Ended(Ending.BROKE_RULES)
    assert effects[-1] == Close(Ending.BROKE_RULES)


def test_a_repeated_or_mauled_record_ends_the_link():
    for spoil in (lambda sealed: sealed[:-1], lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1])):
        state, _ = machine.step(
            opened(), RecordArrived(spoil(Peer().says(Ping(1)).sealed)), now=START
        )
        assert state == Ended(Ending.BROKE_RULES)
    state, said = opened(), Peer().says(Ping(1))
    state, _ = machine.step(state, said, now=START)
    state, _ = machine.step(state, said, now=START)
    assert state == Ended(Ending.BROKE_RULES)


def test_every_broken_rule_looks_the_same_to_the_peer():
    broken = [(Drained(),), (Piece(bytes(4)),), (Credit(0),)]
    answers = [play(opened(), Peer(), *records)[1] for records in broken]
    assert len(set(answers)) == 1


def test_pings_are_answered_and_our_own_ping_allows_more():
    state, peer = opened(), peer_that_heard_the_first_ping()
    pings = [Ping(number) for number in range(MAX_PINGS)]
    state, effects = play(state, peer, *pings)
    assert peer.hears(effects) == [Pong(number) for number in range(MAX_PINGS)]
    state, effects = machine.step(state, Woke(), now=state.pulse.ping_at)
    assert isinstance(peer.hears(effects)[0], Ping)
    state, _ = play(state, peer, *pings, now=Instant(START + PING_EVERY))
    assert isinstance(state, Open)


def silent_after(state, *, from_instant):
    """Ring every alarm until the link ends; return when it did."""
    now = from_instant
    for _ in range(100):
        now = max(now, state.pulse.wake_at)
        state, effects = machine.step(state, Woke(), now=now)
        if isinstance(state, Ended):
            assert effects == (Close(Ending.SILENT),)
            return now
    raise AssertionError("the link never noticed")


def test_a_peer_that_was_never_heard_again_is_noticed():
    assert silent_after(opened(), from_instant=START) == START + SILENCE_LONGEST


def test_a_peer_that_dies_just_after_an_answer_is_noticed_within_a_ping_and_the_silence():
    state, peer = opened(), Peer()
    died_at = Instant(START + 0.001)
    state, _ = play(state, peer, Pong(state.pulse.number), now=died_at)
    noticed_at = silent_after(state, from_instant=died_at)
    assert noticed_at - died_at <= PING_EVERY + SILENCE_LONGEST


def test_a_link_in_doubt_is_over_soon_whatever_was_still_on_its_way():
    state, peer = opened(), Peer()
    state, _ = play(state, peer, Pong(state.pulse.number), now=START)
    doubted_at = Instant(START + 1)
    state, effects = machine.step(state, Doubted(), now=doubted_at)
    assert records_of(effects)
    assert WakeAt(Instant(doubted_at + DOUBT_LONGEST)) in effects
    again, effects = machine.step(state, Doubted(), now=Instant(doubted_at + 1))
    assert (again, effects) == (state, ()), "a second doubt neither asks again nor waits longer"
    state, _ = play(state, peer, Credit(WINDOW), now=Instant(doubted_at + 0.1))
    assert silent_after(state, from_instant=doubted_at) == doubted_at + DOUBT_LONGEST


def test_a_link_in_doubt_whose_ping_is_answered_lives_on():
    state, peer = opened(), Peer()
    state, _ = play(state, peer, Pong(state.pulse.number), now=START)
    state, _ = machine.step(state, Doubted(), now=Instant(START + 1))
    state, _ = play(state, peer, Pong(state.pulse.number), now=Instant(START + 2))
    assert silent_after(state, from_instant=START) > START + PING_EVERY


def test_a_link_in_doubt_waits_for_a_peer_that_goes_on_taking_what_was_sent_before():
    state, peer = opened(), Peer()
    state, _ = play(state, peer, Pong(state.pulse.number), now=START)
    doubted_at, progress = Instant(START + 1), 7
    state, _ = machine.step(state, Doubted(progress), now=doubted_at)
    for _ in range(20):  # fifty seconds of a slow line
        at = state.pulse.wake_at
        progress += 1
        state, _ = machine.step(state, Woke(progress), now=at)
        assert isinstance(state, Open)
    stands_still_from = at
    while isinstance(state, Open):
        at = state.pulse.wake_at
        state, effects = machine.step(state, Woke(progress), now=at)
    assert effects == (Close(Ending.SILENT),)
    assert at == stands_still_from + DOUBT_LONGEST


def test_what_a_peer_took_before_the_doubt_does_not_count():
    state, peer = opened(), Peer()
    state, _ = play(state, peer, Pong(state.pulse.number), now=START)
    doubted_at = Instant(START + 1)
    state, _ = machine.step(state, Doubted(7), now=doubted_at)
    state, effects = machine.step(state, Woke(7), now=Instant(doubted_at + DOUBT_LONGEST))
    assert effects == (Close(Ending.SILENT),)


def test_any_record_is_a_sign_of_life():
    state, peer, now = opened(), Peer(), START
    for _ in range(20):
        now = Instant(now + PING_EVERY)
        state, _ = play(state, peer, Credit(WINDOW), now=now)
        state, effects = machine.step(state, Woke(), now=now)
        assert isinstance(state, Open)
        assert len(records_of(effects)) == 1, "one ping each time"


def test_an_alarm_that_rings_early_or_twice_changes_nothing():
    state = opened()
    for _ in range(2):
        again, effects = machine.step(state, Woke(), now=START)
        assert again == state
        assert effects == (WakeAt(state.pulse.wake_at),)


def test_draining_ends_both_sides_after_everything_was_taken():
    state, peer = opened(), peer_that_heard_the_first_ping()
    state, effects = machine.step(state, FramesReady((Frame(b"last"),)), now=START)
    state, more = machine.step(state, DrainAsked(), now=START)
    assert peer.hears(effects + more) == [piece_of(b"last"), Drain()]
    assert machine.step(state, DrainAsked(), now=START) == (state, ())
    assert not machine.can_send(state)
    state, effects = play(state, peer, Drained(), piece_of(b"their last"), Drain())
    assert effects == (Deliver((b"their last",), 14), PeerDrains())
    state, effects = machine.step(state, Consumed(14), now=START)
    assert peer.hears(effects) == [Drained()]
    assert effects[-1] == Close(Ending.DRAINED)
    assert state == Ended(Ending.DRAINED)


def test_the_drain_waits_for_credit():
    state, peer = opened(), peer_that_heard_the_first_ping()
    frame = Frame(bytes(MAX_FRAME_SIZE))
    state, effects = machine.step(state, FramesReady((frame,) * 3), now=START)
    peer.hears(effects)
    state, effects = machine.step(state, DrainAsked(), now=START)
    assert effects == ()
    state, effects = play(state, peer, Credit(4 * WINDOW))
    heard = peer.hears(effects)
    assert heard[-1] == Drain()
    assert all(isinstance(record, Piece) for record in heard[:-1])


def test_misuse_is_loud():
    (opening, _), _ = started()
    draining, _ = machine.step(opened(), DrainAsked(), now=START)
    state, _ = machine.step(opened(), FramesReady((Frame(bytes(MAX_FRAME_SIZE)),) * 3), now=START)
    too_many = FramesReady((Frame(bytes(MAX_FRAME_SIZE)),) * (MAX_WAITING // MAX_FRAME_SIZE))
    for misused, event in (
        (opening, FramesReady((Frame(b"early"),))),
        (opening, Consumed(1)),
        (draining, FramesReady((Frame(b"late"),))),
        (opened(), Consumed(1)),
        (state, too_many),
    ):
        with pytest.raises(LocalError):
            machine.step(misused, event, now=START)


def test_a_lost_channel_ends_the_link_once():
    for state in (started()[0][0], opened()):
        ended, effects = machine.step(state, ChannelLost(), now=START)
        assert ended == Ended(Ending.LOST)
        assert effects == (Close(Ending.LOST),)
        assert machine.step(ended, ChannelLost(), now=START) == (ended, ())
        assert machine.step(ended, FramesReady((Frame(b"x"),)), now=START) == (ended, ())


def test_a_drain_before_the_opening_is_leaving():
    state, _ = machine.step(started()[0][0], DrainAsked(), now=START)
    assert state == Ended(Ending.LEFT)


def test_the_window_holds_two_of_the_largest_frames():
    assert WINDOW >= 2 * (MAX_FRAME_SIZE + FRAME_OVERHEAD)


def test_keys_and_frames_are_not_shown():
    state, _ = machine.step(opened(), FramesReady((Frame(b"disclosure"),)), now=START)
    shown = repr(state) + repr(FramesReady((Frame(b"disclosure"),))) + repr(started()[0][0])
    assert "disclosure" not in shown
    assert repr(key_pair()[0].send) not in shown
