"""Test-only glue: our connection blob as SDP and back, for stacks that speak nothing else.

Source: RFC 8866; RFC 8839, section 5; RFC 8841, section 5.
"""

from __future__ import annotations

import re
from typing import Final

from aioice.candidate import candidate_priority

from toheal_protocol.wire.connection_blob import (
    Candidate,
    CandidateKind,
    ConnectionBlob,
    decode_blob,
    encode_blob,
)

_WORDS: Final = {CandidateKind.HOST: "host", CandidateKind.REFLEXIVE: "srflx"}
_KINDS: Final = {word: kind for kind, word in _WORDS.items()}


def to_sdp(blob: bytes, *, setup: str) -> str:
    """Write a blob as a session with one data channel.

    Args:
        setup: `actpass` in an offer, `active` or `passive` in an answer.
    """
    ours = decode_blob(blob)
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        f"a=ice-ufrag:{ours.ufrag}",
        f"a=ice-pwd:{ours.password}",
        f"a=fingerprint:sha-256 {ours.fingerprint.hex(':').upper()}",
        f"a=setup:{setup}",
        "a=sctp-port:5000",
        "a=max-message-size:16384",
        *(_line(number, one) for number, one in enumerate(ours.candidates)),
        "a=end-of-candidates",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def _line(number: int, candidate: Candidate) -> str:
    word = _WORDS[candidate.kind]
    priority = candidate_priority(1, word)
    about = "" if word == "host" else " raddr 0.0.0.0 rport 0"
    end = f"{candidate.host} {candidate.port} typ {word}{about}"
    return f"a=candidate:{number} 1 udp {priority} {end}"


def to_blob(sdp: str) -> bytes:
    """Read what a foreign stack says of itself; candidates over TCP are left out."""
    found = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ (\w+)", sdp)
    candidates = tuple(Candidate(_KINDS[kind], host, int(port)) for host, port, kind in found)
    fingerprint = bytes.fromhex(_value(sdp, "fingerprint:sha-256 ").replace(":", ""))
    return encode_blob(
        ConnectionBlob(_value(sdp, "ice-ufrag:"), _value(sdp, "ice-pwd:"), fingerprint, candidates)
    )


def _value(sdp: str, name: str) -> str:
    [found] = re.findall(rf"^a={re.escape(name)}(\S+)", sdp, re.MULTILINE)
    return str(found)
