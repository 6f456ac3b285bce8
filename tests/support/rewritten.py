"""Blobs that lead a peer to a proxy instead of to us."""

from __future__ import annotations

from attrs import evolve

from tests.support.lossy import HOST, Address, Weather
from toheal_protocol.wire.connection_blob import (
    Candidate,
    CandidateKind,
    decode_blob,
    encode_blob,
)


def through(weather: Weather, ours: bytes, theirs: bytes) -> tuple[bytes, bytes]:
    """Return our blob as they, and their blob as we are to see it, with a proxy between us.

    Both must have a loopback address among their candidates.
    """
    fronts = weather.between(_loopback(ours), _loopback(theirs))
    as_ours, as_theirs = (
        _leading_to(blob, front) for blob, front in zip((ours, theirs), fronts, strict=True)
    )
    return as_ours, as_theirs


def _loopback(blob: bytes) -> Address:
    [found] = [one for one in decode_blob(blob).candidates if one.host == HOST]
    return found.host, found.port


def _leading_to(blob: bytes, front: Address) -> bytes:
    candidate = Candidate(CandidateKind.HOST, *front)
    return encode_blob(evolve(decode_blob(blob), candidates=(candidate,)))
