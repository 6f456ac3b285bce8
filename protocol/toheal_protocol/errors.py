"""What can go wrong in the core, in two families.

`LocalError` is a bug of ours and should be loud. `RemoteError` means that bytes from outside
broke the rules: whoever reads them drops them, counts them, and perhaps closes the link. To the
peer every `RemoteError` looks the same and takes the same path, or a refusal would be an oracle.

Spec: docs/protocol/conventions.md, section 4.
"""

from __future__ import annotations


class ProtocolError(Exception):
    """Anything the core refuses."""


class LocalError(ProtocolError):
    """The core was misused: a bug of ours."""


class RemoteError(ProtocolError):
    """Bytes from outside broke the rules. The state is as it was before."""


class MalformedFrame(RemoteError):
    """The bytes do not have the layout they should have."""


class ForgedMessage(RemoteError):
    """A seal, MAC, signature or hash does not fit."""


class ReplayedMessage(RemoteError):
    """It was seen before. Crashes repeat frames, so this is ordinary; nothing is done twice."""


class TooFarAhead(RemoteError):
    """It lies further ahead than we are ready to keep keys for."""


class UnknownSession(RemoteError):
    """It belongs to no session we have with this peer (perhaps one we forgot)."""
