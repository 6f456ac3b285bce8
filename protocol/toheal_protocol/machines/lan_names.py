"""The names under which a circle is announced on a local network, and what is believed of others.

```
_<label>._tcp.local.                 the service: what only members can compute, another one each day
<instance>._<label>._tcp.local.      one of those who are there: random, and the host's name as well
```
For a spoken code the label comes of its number, which anybody may know and try.

Whoever listens reads all of it. Nothing of it stands for a person, or for more than one day.

Source: RFC 6763, sections 4 and 7. Spec: docs/protocol/lan.md, section 3. Vectors: tests/vectors/lan.json.
"""

from __future__ import annotations

import re
from base64 import b32encode
from typing import Final

from attrs import frozen

from toheal_protocol.crypto import Entropy, hash_parts

LABEL_SIZE: Final = 14
"""Characters of a service label: with its underscore the longest name a service may have (RFC 6335)."""

INSTANCE_SIZE: Final = 16
"""Characters of an instance or host name: 80 random bits."""

LOWEST_PORT: Final = 1024
"""Nobody of ours listens below: whoever announces it points at another program."""

_NAME_ENTROPY: Final = 10
_FIRST_PORT: Final = 49152
_PORTS: Final = 65536 - _FIRST_PORT
_INSTANCE: Final = re.compile(rf"[a-z2-7]{{{INSTANCE_SIZE}}}")


@frozen
class Names:
    """What we are called on every network, for one circle, until "meet here" closes or the day turns.

    Attributes:
        label: the service's, of today.
        port: where we would like to listen; the same everywhere, so that one instance is one place.
    """

    label: str
    instance: str
    host: str
    port: int


def draw_names(label: str, entropy: Entropy) -> Names:
    """Draw everything but the label."""
    port = _FIRST_PORT + int.from_bytes(entropy.draw(2), "big") % _PORTS
    return Names(label, _draw_name(entropy), _draw_name(entropy), port)


def room_label(number: str) -> str:
    """Return the label under which a spoken code's number is announced: public.

    Spec: docs/protocol/spoken.md, section 8.
    """
    return b32encode(hash_parts("th1/lan-room", number.encode()))[:LABEL_SIZE].decode().lower()


def service_type(label: str) -> str:
    """Return what is announced and asked for."""
    return f"_{label}._tcp.local."


def instance_of(full_name: str, label: str) -> str | None:
    """Return the instance in a name that somebody announced; None: it is none of our service's."""
    instance, _, rest = full_name.lower().partition(".")
    if rest != service_type(label) or not _INSTANCE.fullmatch(instance):
        return None
    return instance


def _draw_name(entropy: Entropy) -> str:
    return b32encode(entropy.draw(_NAME_ENTROPY)).decode().lower()
